"""Regularizers that break one rule each."""

from __future__ import annotations

from dataclasses import dataclass

from broken_components.case import breaks
from scgnn.components.regularizers import ALL_PHASES, Regularizer


@dataclass(frozen=True)
class Term(Regularizer):
    """Squared error.

    Parameters
    ----------
    weight
        Of the term.
    phases
        In which it takes part.
    """

    weight: float = 1.0
    phases: tuple = ALL_PHASES

    def loss(self, x_hat, x, prepared, cells):
        return self.weight * (x_hat - x).square().sum()


@breaks("adds_a_number_from_zero_up", "below 0")
class Reward(Term):
    """Rewards errors."""

    def loss(self, x_hat, x, prepared, cells):
        return -super().loss(x_hat, x, prepared, cells)


@breaks("is_linear_in_weight", "with weight 1 the term is")
class Quadratic(Term):
    """Takes the weight twice."""

    def loss(self, x_hat, x, prepared, cells):
        return self.weight * super().loss(x_hat, x, prepared, cells)


@breaks("can_be_followed", "all cells: the term has no gradient; stay within torch")
class Stiff(Term):
    """Leaves torch on the way."""

    def loss(self, x_hat, x, prepared, cells):
        return super().loss(x_hat.detach(), x, prepared, cells)


@breaks("wants_nothing_of_the_truth", "the term of a perfect reconstruction is")
class Shrinking(Term):
    """Wants small values."""

    def loss(self, x_hat, x, prepared, cells):
        return self.weight * x_hat.square().sum()


@breaks("wants_nothing_of_the_truth", "at a perfect reconstruction the gradient is not finite")
class Rooted(Term):
    """Takes a root that has no slope at 0."""

    def loss(self, x_hat, x, prepared, cells):
        return self.weight * (x_hat - x).square().sum().sqrt()
