"""Decoders of counts with the likelihood of a negative binomial distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from scgnn.components.decoders.contract import Decoder
from scgnn.components.decoders.mlp import DenseDecoder

if TYPE_CHECKING:
    from torch import Tensor, nn

    from scgnn.components.decoders.networks import NegativeBinomialParameters


@Decoder.register("nb")
@dataclass(frozen=True)
class NegativeBinomial(DenseDecoder):
    """Fully connected layers with negative binomial likelihood of counts (scVI, Lopez et al. 2018).

    The mean μ of a gene in a cell is a fraction, a softmax over genes, times the total counts of
    the cell (its size factor); each gene has a dispersion θ. The loss is the deviance
    ``Σ log NB(x; x, ∞) − log NB(x; μ, θ)``, whose first term does not depend on the network and
    makes the minimum 0.
    """

    requires_counts: ClassVar[bool] = True
    needs_target: ClassVar[bool] = True
    zero_inflated: ClassVar[bool] = False

    def build(self, n_latent: int, n_features: int) -> nn.Module:
        from scgnn.components.decoders.networks import CountDecoderNetwork

        n_outputs = 2 * n_features if self.zero_inflated else n_features
        network = self.build_network(n_latent, n_outputs, None)
        return CountDecoderNetwork(network, n_features, self.zero_inflated)

    def reconstruct(self, output: NegativeBinomialParameters, target: Tensor) -> Tensor:
        return output.fraction * target.sum(1, keepdim=True)

    def loss(
        self, output: NegativeBinomialParameters, target: Tensor, weights: Tensor | None = None
    ) -> Tensor:
        mean = self.reconstruct(output, target)
        log_likelihood = negative_binomial_log_likelihood(target, mean, output.dispersion)
        if output.zero_inflation_logit is not None:
            logsigmoid = torch.nn.functional.logsigmoid
            count = logsigmoid(-output.zero_inflation_logit) + log_likelihood
            zero = torch.logaddexp(logsigmoid(output.zero_inflation_logit), count)
            log_likelihood = torch.where(target == 0, zero, count)
        saturated = torch.xlogy(target, target) - target - torch.lgamma(target + 1)
        deviance = saturated - log_likelihood  # cells x genes
        return (deviance if weights is None else weights * deviance).sum()


@Decoder.register("zinb")
@dataclass(frozen=True)
class ZeroInflatedNegativeBinomial(NegativeBinomial):
    """Zero-inflated nb: probability π of excess zeros per cell and gene (DCA, Eraslan et al. 2019).

    ``p(x) = π [x = 0] + (1 − π) NB(x; μ, θ)``. The reconstruction is μ, the mean without excess
    zeros.
    """

    zero_inflated: ClassVar[bool] = True


def negative_binomial_log_likelihood(x: Tensor, mean: Tensor, dispersion: Tensor) -> Tensor:
    """Return ``log NB(x; μ, θ)`` with variance μ + μ²/θ; it is 0 at x = μ = 0.

    Between integers it is the continuous function through them.
    """
    mean = mean.clamp(min=1e-8)
    binomial = torch.lgamma(x + dispersion) - torch.lgamma(dispersion) - torch.lgamma(x + 1)
    softplus = torch.nn.functional.softplus
    ratio = mean.log() - dispersion.log()  # log μ/θ
    return binomial - dispersion * softplus(ratio) + x * (ratio - softplus(ratio))
