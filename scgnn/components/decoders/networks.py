"""The networks that decoders build. Importing this loads torch; describing a decoder does not."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from scgnn.components.encoders.networks import DenseNetwork


class NegativeBinomialParameters(NamedTuple):
    """What a decoder of counts gives for each cell and gene."""

    fraction: Tensor  # of the cell's counts, cells x genes; rows sum to 1
    dispersion: Tensor  # θ of the negative binomial, genes; variance μ + μ²/θ
    zero_inflation_logit: Tensor | None  # log odds of a zero that is no draw, cells x genes


class DenseDecoderNetwork(DenseNetwork):
    """Linear layers from an embedding alone."""

    def forward(self, z: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(None, z)


class CountDecoderNetwork(nn.Module):
    """Shares of a cell's counts, a dispersion per gene and perhaps the odds of excess zeros."""

    def __init__(self, network: DenseDecoderNetwork, n_features: int, zero_inflated: bool) -> None:
        super().__init__()
        self.network = network
        self.log_dispersion = nn.Parameter(torch.zeros(n_features))
        self.zero_inflated = zero_inflated

    def forward(self, z: Tensor) -> NegativeBinomialParameters:
        out = self.network(z)
        scores, logit = out.chunk(2, dim=1) if self.zero_inflated else (out, None)
        return NegativeBinomialParameters(
            scores.softmax(1), self.log_dispersion.clamp(-10, 10).exp(), logit
        )
