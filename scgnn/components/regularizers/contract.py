"""What a regularizer is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from scgnn.field_types import NonNegativeFloat
from scgnn.registry.component import Component
from scgnn.state import State

if TYPE_CHECKING:
    from torch import Tensor, nn

Phase = Literal["initial", "iteration", "imputation"]
ALL_PHASES: tuple[Phase, ...] = ("initial", "iteration", "imputation")
AVAILABLE_FIELDS: dict[Phase, frozenset[str]] = {  # what a regularizer can read in a phase
    "initial": frozenset({"ltmg_states"}),
    "iteration": frozenset({"ltmg_states", "graph", "clusters"}),
    "imputation": frozenset({"ltmg_states", "graph", "clusters"}),
}


class ForwardPass(NamedTuple):
    """A batch of cells on its way through an autoencoder."""

    x: Tensor  # batch x genes
    x_hat: Tensor  # batch x genes
    z: Tensor  # the embedding, batch x width
    encoder: nn.Module


class Regularizer(Component, kind="regularizer"):
    """Adds a term to an autoencoder's loss.

    ``prepare(state)`` runs once per training; ``loss`` once per batch of cells. One that looks at
    the embedding rather than at the reconstruction overrides ``penalty`` instead of ``loss``.
    """

    weight: NonNegativeFloat = 1.0
    phases: tuple[Phase, ...] = ALL_PHASES

    def validate_encoder(self, encoder: Any) -> None:
        """Refuse an encoder whose embedding this cannot hold to anything.

        Raises
        ------
        ValueError
            With the reason.
        """

    def prepare(self, state: State) -> Any:
        """What the loss needs from the state, made once."""
        return None

    def loss(self, x_hat: Tensor, x: Tensor, prepared: Any, cells: Tensor | None) -> Tensor:
        """A scalar ≥ 0, differentiable in ``x_hat`` [batch x genes]; None means all cells."""
        raise NotImplementedError

    def penalty(self, batch: ForwardPass, prepared: Any, cells: Tensor | None) -> Tensor:
        """The term for a batch; by default ``loss`` of its reconstruction."""
        return self.loss(batch.x_hat, batch.x, prepared, cells)

    def is_active(self, phase: Phase) -> bool:
        """Whether it is asked to and what it reads is known in a phase."""
        return phase in self.phases and self.requires <= AVAILABLE_FIELDS[phase]


def active_in(regularizers: Sequence[Regularizer], phase: Phase) -> tuple[Regularizer, ...]:
    """Those that take part in a phase with a weight above 0."""
    return tuple(r for r in regularizers if r.is_active(phase) and r.weight > 0)


class WeightedSquaredError(Regularizer):
    """``weight · Σ W ∘ (x − x̂)²``: one of these says its W; several are computed as one sum."""

    def compute_weights(self, prepared: Any, cells: Tensor | None) -> Tensor:
        """W, batch x genes or what broadcasts to it; None means all cells."""
        raise NotImplementedError

    def loss(self, x_hat: Tensor, x: Tensor, prepared: Any, cells: Tensor | None) -> Tensor:
        from scgnn.components.decoders.squared_error import weighted_squared_error

        return self.weight * weighted_squared_error(x_hat, x, self.compute_weights(prepared, cells))
