"""The networks that decoders build. Importing this loads torch; describing a decoder does not."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scgnn.components.decoders.counts import Counted
from scgnn.components.encoders.networks import Dense


class Rebuild(Dense):
    """Linear layers from an embedding alone."""

    def forward(self, z: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(None, z)


class Counting(nn.Module):
    """Shares of a cell's counts, a dispersion per gene and perhaps the odds of excess zeros."""

    def __init__(self, network: Rebuild, n_features: int, zero_inflated: bool) -> None:
        super().__init__()
        self.network = network
        self.log_dispersion = nn.Parameter(torch.zeros(n_features))
        self.zero_inflated = zero_inflated

    def forward(self, z: Tensor) -> Counted:
        out = self.network(z)
        scores, logit = out.chunk(2, dim=1) if self.zero_inflated else (out, None)
        return Counted(scores.softmax(1), self.log_dispersion.clamp(-10, 10).exp(), logit)
