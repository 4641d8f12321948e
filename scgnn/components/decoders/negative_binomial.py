"""Decoders of counts: how likely the counts are under what was rebuilt."""

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
    """Fully connected layers with the negative binomial likelihood of counts (scVI, Lopez 2018).

    The mean of a gene in a cell is its share, a softmax over genes, times the cell's counts (its
    size factor); each gene has a dispersion θ. The loss is ``Σ log NB(x; x, ∞) − log NB(x; μ, θ)``:
    the first term does not depend on the network and makes 0 the least possible value.
    """

    requires_counts: ClassVar[bool] = True
    zero_inflated: ClassVar[bool] = False

    def build(self, n_latent: int, n_features: int) -> nn.Module:
        from scgnn.components.decoders.networks import CountDecoderNetwork

        outputs = 2 * n_features if self.zero_inflated else n_features
        return CountDecoderNetwork(
            self.build_network(n_latent, outputs, None), n_features, self.zero_inflated
        )

    def reconstruct(self, output: NegativeBinomialParameters, target: Tensor) -> Tensor:
        return output.fraction * target.sum(1, keepdim=True)

    def loss(
        self, output: NegativeBinomialParameters, target: Tensor, weights: Tensor | None = None
    ) -> Tensor:
        mean = self.reconstruct(output, target)
        log = negative_binomial_log_likelihood(target, mean, output.dispersion)
        if output.zero_inflation_logit is not None:
            logsigmoid = torch.nn.functional.logsigmoid
            drawn = logsigmoid(-output.zero_inflation_logit) + log
            zero = torch.logaddexp(logsigmoid(output.zero_inflation_logit), drawn)
            log = torch.where(target == 0, zero, drawn)
        best = torch.xlogy(target, target) - target - torch.lgamma(target + 1)
        deviance = best - log
        return (deviance if weights is None else weights * deviance).sum()


@Decoder.register("zinb")
@dataclass(frozen=True)
class ZeroInflatedNegativeBinomial(NegativeBinomial):
    """As nb, with a probability per cell and gene that a zero is no draw (DCA, Eraslan 2019).

    ``p(x) = π [x = 0] + (1 − π) NB(x; μ, θ)``. What is rebuilt is the mean of the draw,
    without the excess zeros.
    """

    zero_inflated: ClassVar[bool] = True


def negative_binomial_log_likelihood(x: Tensor, mean: Tensor, dispersion: Tensor) -> Tensor:
    """``log NB(x; μ, θ)``, variance μ + μ²/θ; for x = 0 and μ = 0 it is 0.

    Between whole numbers it is the continuous function that goes through them.
    """
    mean = mean.clamp(min=1e-8)
    free = torch.lgamma(x + dispersion) - torch.lgamma(dispersion) - torch.lgamma(x + 1)
    softplus = torch.nn.functional.softplus
    ratio = mean.log() - dispersion.log()  # log μ/θ
    return free - dispersion * softplus(ratio) + x * (ratio - softplus(ratio))
