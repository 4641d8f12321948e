"""Decoders that break one rule each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from broken_components.case import register_broken
from scgnn.components.decoders import Decoder


@dataclass(frozen=True)
class LinearDecoder(Decoder):
    """One linear layer with squared error."""

    def build(self, n_latent, n_features):
        return nn.Linear(n_latent, n_features)

    def loss(self, output, target, weights=None):
        return (output - target).square().sum()


@register_broken(
    "declares_target", "target is 'graph', but the class does not derive from GraphDecoder"
)
class WrongTarget(LinearDecoder):
    """Declares the graph as target and reconstructs expression."""

    target: ClassVar[Any] = "graph"


@register_broken("output_has_expected_shape", "output: expected shape (30, 12), got (30, 13)")
class ExtraGene(LinearDecoder):
    """Returns one gene too many."""

    def build(self, n_latent, n_features):
        return nn.Linear(n_latent, n_features + 1)

    def loss(self, output, target, weights=None):
        return super().loss(output[:, 1:], target)


@register_broken("loss_is_nonnegative_scalar", "below 0")
class NegativeLoss(LinearDecoder):
    """Subtracts a constant."""

    def loss(self, output, target, weights=None):
        return super().loss(output, target) - 1e6


@register_broken("loss_is_nonnegative_scalar", "loss: expected shape (), got (30,)")
class PerCellLoss(LinearDecoder):
    """Returns a loss for each cell."""

    def loss(self, output, target, weights=None):
        return (output - target).square().sum(1)


@register_broken("loss_is_differentiable", "the loss has no gradient; use torch operations only")
class DetachedLoss(LinearDecoder):
    """Detaches the output."""

    def loss(self, output, target, weights=None):
        return super().loss(output.detach(), target)


@register_broken("all_weights_receive_gradients", "no gradient reaches bias")
class UnusedBias(LinearDecoder):
    """Ignores its bias."""

    def build(self, n_latent, n_features):
        return BiaslessLinear(n_latent, n_features)


class BiaslessLinear(nn.Linear):
    """A linear layer whose bias is unused."""

    def forward(self, z):
        return nn.functional.linear(z, self.weight)
