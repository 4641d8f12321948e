"""The loss of a feature autoencoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from scgnn.components.decoders import MLP, Decoder
from scgnn.components.regularizers import Forward, Regularizer, SquaredErrors
from scgnn.state import State

if TYPE_CHECKING:
    from torch import Tensor


class Loss:
    """``fidelity · error(x, x̂) + Σ regularizers`` of the batches of one training.

    Squared errors, the plain one and those of regularizers, are one sum with added weights.
    """

    def __init__(
        self,
        decoder: Decoder,
        fidelity: float,
        regularizers: tuple[Regularizer, ...],
        state: State,
    ) -> None:
        self.decoder, self.fidelity = decoder, fidelity
        squared = type(decoder).loss is MLP.loss
        self.squares: list[tuple[SquaredErrors, Any]] = []
        self.others: list[tuple[Regularizer, Any]] = []
        for regularizer in regularizers:
            ready = regularizer.prepare(state)
            own_loss = type(regularizer).loss is not SquaredErrors.loss
            if squared and isinstance(regularizer, SquaredErrors) and not own_loss:
                self.squares.append((regularizer, ready))
            else:
                self.others.append((regularizer, ready))
        self._of_all_cells: Tensor | None = None

    def __call__(self, output: Any, batch: Forward, cells: Tensor | None) -> Tensor:
        """The loss of what the decoder gave for a batch; None means all cells."""
        if self.squares:
            value = self.decoder.loss(output, batch.x, self._weights(cells))
        else:
            value = self.fidelity * self.decoder.loss(output, batch.x)
        for regularizer, ready in self.others:
            value = value + regularizer.penalty(batch, ready, cells)
        return value

    def _weights(self, cells: Tensor | None) -> Tensor:
        if cells is None and self._of_all_cells is not None:
            return self._of_all_cells
        summed = torch.tensor(self.fidelity)
        for regularizer, ready in self.squares:
            summed = summed + regularizer.weight * regularizer.weights(ready, cells)
        if cells is None:
            self._of_all_cells = summed
        return summed
