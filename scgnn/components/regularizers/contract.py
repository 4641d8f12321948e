"""The contract of regularizers: additional terms of an autoencoder's loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from scgnn.field_types import NonNegativeFloat
from scgnn.registry.component import Component
from scgnn.state import State

if TYPE_CHECKING:
    from torch import Tensor, nn

Phase = Literal["initial", "iteration", "imputation"]


class ForwardPass(NamedTuple):
    """The tensors of a batch of cells in an autoencoder."""

    x: Tensor  # batch x genes
    x_hat: Tensor  # batch x genes
    z: Tensor  # batch x width of the embedding
    encoder: nn.Module  # for regularizers that act on the encoder


@dataclass(frozen=True)
class Regularizer(Component, kind="regularizer"):
    """A term of an autoencoder's loss besides the error of its decoder.

    Parameters
    ----------
    weight
        Factor on the term; 0 switches it off.
    phases
        Training phases that use it: initial, iteration (with the cluster autoencoders), imputation.

    Attributes
    ----------
    acts_on
        What the term depends on: ``"reconstruction"``, ``"embedding"``, or ``"encoder"`` for its
        weights or its distributions. The last one makes every training use the whole network.
    """

    weight: NonNegativeFloat = 1.0
    phases: tuple[Phase, ...] = ("initial", "iteration", "imputation")
    acts_on: ClassVar[Literal["reconstruction", "embedding", "encoder"]] = "reconstruction"

    def validate_encoder(self, encoder: Any) -> None:
        """Check that the term is defined for an encoder.

        Raises
        ------
        ValueError
            The encoder lacks what the term needs.
        """

    def prepare(self, state: State) -> Any:
        """Return what :meth:`loss` needs of the state; called once per training."""
        return None

    def loss(self, batch: ForwardPass, prepared: Any, cells: Tensor | None) -> Tensor:
        """Return the term of a batch.

        Parameters
        ----------
        batch
            Input, reconstruction and embedding of the cells.
        prepared
            The result of :meth:`prepare`.
        cells
            Indices of the cells of the batch; None means all cells.

        Returns
        -------
        Tensor
            A scalar ≥ 0, ``weight`` included, differentiable in what it acts on.
        """
        raise NotImplementedError(f"{type(self).__name__} must define loss()")

    def is_active(self, phase: Phase) -> bool:
        """Return whether a phase is one of ``phases`` and has the fields that are required."""
        known = {"ltmg_states"} if phase == "initial" else {"ltmg_states", "graph", "clusters"}
        return phase in self.phases and self.requires <= known


def active_in(regularizers: Sequence[Regularizer], phase: Phase) -> tuple[Regularizer, ...]:
    """Return the regularizers with a positive weight that are active in a phase."""
    return tuple(r for r in regularizers if r.is_active(phase) and r.weight > 0)


class WeightedSquaredError(Regularizer):
    """``weight · Σ W ∘ (x − x̂)²`` with W of :meth:`compute_weights`.

    Terms of this class and the squared error of a decoder are computed as one sum, so a subclass
    defines its W and not another ``loss``.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "loss" in vars(cls):
            raise TypeError(f"{cls.__name__} must override compute_weights, not loss")

    def compute_weights(self, prepared: Any, cells: Tensor | None) -> Tensor:
        """Return W, which broadcasts to batch x genes; ``cells`` None means all cells."""
        raise NotImplementedError(f"{type(self).__name__} must define compute_weights()")

    def loss(self, batch: ForwardPass, prepared: Any, cells: Tensor | None) -> Tensor:
        from scgnn.components.decoders.squared_error import weighted_squared_error

        weights = self.compute_weights(prepared, cells)
        return self.weight * weighted_squared_error(batch.x_hat, batch.x, weights)
