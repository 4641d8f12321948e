"""Regularizers that break one rule each."""

from __future__ import annotations

from dataclasses import dataclass

from broken_components.case import register_broken
from scgnn.components.regularizers import Regularizer


@dataclass(frozen=True)
class SquaredErrorTerm(Regularizer):
    """Squared error.

    Parameters
    ----------
    weight
        Factor of the term.
    """

    def loss(self, batch, prepared, cells):
        return self.weight * (batch.x_hat - batch.x).square().sum()


@register_broken("penalty_is_nonnegative_scalar", "below 0")
class NegativePenalty(SquaredErrorTerm):
    """Rewards errors."""

    def loss(self, batch, prepared, cells):
        return -super().loss(batch, prepared, cells)


@register_broken("is_linear_in_weight", "with weight 1 the term is")
class QuadraticWeight(SquaredErrorTerm):
    """Applies the weight twice."""

    def loss(self, batch, prepared, cells):
        return self.weight * super().loss(batch, prepared, cells)


@register_broken(
    "is_differentiable", "all cells: the term has no gradient; use torch operations only"
)
class DetachedPenalty(SquaredErrorTerm):
    """Detaches the reconstruction."""

    def loss(self, batch, prepared, cells):
        return super().loss(batch._replace(x_hat=batch.x_hat.detach()), prepared, cells)


@register_broken("is_zero_at_perfect_reconstruction", "the term of a perfect reconstruction is")
class MagnitudePenalty(SquaredErrorTerm):
    """Penalizes large values."""

    def loss(self, batch, prepared, cells):
        return self.weight * batch.x_hat.square().sum()


@register_broken(
    "is_zero_at_perfect_reconstruction",
    "the gradient at a perfect reconstruction is not finite",
)
class RootPenalty(SquaredErrorTerm):
    """Takes a square root, which has no derivative at 0."""

    def loss(self, batch, prepared, cells):
        return self.weight * (batch.x_hat - batch.x).square().sum().sqrt()
