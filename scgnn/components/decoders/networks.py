"""The networks of decoders. Importing this module loads torch; describing a decoder does not."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from scgnn.components.encoders.networks import DenseNetwork


class NegativeBinomialParameters(NamedTuple):
    """The parameters of a (zero-inflated) negative binomial for each cell and gene."""

    fraction: Tensor  # of the cell's counts, cells x genes; rows sum to 1
    dispersion: Tensor  # θ, genes; the variance is μ + μ²/θ
    zero_inflation_logit: Tensor | None  # log odds of an excess zero, cells x genes


class DenseDecoderNetwork(DenseNetwork):
    """Linear layers with activations, which take an embedding only."""

    def forward(self, z: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(None, z)


class CountDecoderNetwork(nn.Module):
    """A network of negative binomial parameters, with one dispersion for each gene."""

    def __init__(self, network: DenseDecoderNetwork, n_features: int, zero_inflated: bool) -> None:
        super().__init__()
        self.network = network
        self.log_dispersion = nn.Parameter(torch.zeros(n_features))
        self.zero_inflated = zero_inflated

    def forward(self, z: Tensor) -> NegativeBinomialParameters:
        output = self.network(z)
        scores, logit = output.chunk(2, dim=1) if self.zero_inflated else (output, None)
        dispersion = self.log_dispersion.clamp(-10, 10).exp()
        return NegativeBinomialParameters(scores.softmax(1), dispersion, logit)
