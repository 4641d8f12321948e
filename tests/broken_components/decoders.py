"""Decoders that break one rule each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from broken_components.case import breaks
from scgnn.components.decoders import Decoder


@dataclass(frozen=True)
class Squared(Decoder):
    """One linear layer with squared error."""

    def build(self, n_latent, n_features):
        return nn.Linear(n_latent, n_features)

    def loss(self, output, target, weights=None):
        return (output - target).square().sum()


@breaks("says_what_it_rebuilds", "target is 'graph', but the class is no GraphDecoder")
class Confused(Squared):
    """Says graph and rebuilds expression."""

    target: ClassVar[Any] = "graph"


@breaks("rebuilds_the_shape", "what comes back is 30 x 13, not 30 x 12")
class Generous(Squared):
    """Gives a gene more."""

    def build(self, n_latent, n_features):
        return nn.Linear(n_latent, n_features + 1)

    def loss(self, output, target, weights=None):
        return super().loss(output[:, 1:], target)


@breaks("loss_is_a_number_from_zero_up", "below 0")
class Proud(Squared):
    """Takes more off than there is."""

    def loss(self, output, target, weights=None):
        return super().loss(output, target) - 1e6


@breaks("loss_is_a_number_from_zero_up", "the loss has shape (30,); it must be one number")
class ByCell(Squared):
    """Gives a loss for each cell."""

    def loss(self, output, target, weights=None):
        return (output - target).square().sum(1)


@breaks("loss_can_be_followed", "the loss has no gradient; stay within torch")
class Detached(Squared):
    """Leaves torch on the way."""

    def loss(self, output, target, weights=None):
        return super().loss(output.detach(), target)


@breaks("a_gradient_reaches_every_weight", "no gradient reaches bias")
class Unbiased(Squared):
    """Subtracts its bias again."""

    def build(self, n_latent, n_features):
        return Centred(n_latent, n_features)


class Centred(nn.Linear):
    """A bias that has no part."""

    def forward(self, z):
        return nn.functional.linear(z, self.weight)
