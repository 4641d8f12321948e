"""The loss of a feature autoencoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from scgnn.components.decoders import Decoder
from scgnn.components.regularizers import ForwardPass, Regularizer, WeightedSquaredError
from scgnn.execution.hardware import current_hardware
from scgnn.state import State
from scgnn.training.device import move

if TYPE_CHECKING:
    from torch import Tensor


class Loss:
    """``reconstruction_weight · error(x, x̂) + Σ regularizers`` of the batches of one training.

    If the decoder's error is squared, it and the squared errors of regularizers are one sum with
    added weights.
    """

    def __init__(
        self,
        decoder: Decoder,
        reconstruction_weight: float,
        regularizers: tuple[Regularizer, ...],
        state: State,
    ) -> None:
        self.decoder, self.reconstruction_weight = decoder, reconstruction_weight
        self.squared_terms: list[tuple[WeightedSquaredError, Any]] = []
        self.other_terms: list[tuple[Regularizer, Any]] = []
        for regularizer in regularizers:
            prepared = regularizer.prepare(state)
            if isinstance(prepared, torch.Tensor):
                prepared = move(prepared, current_hardware().device)
            if decoder.is_squared_error and isinstance(regularizer, WeightedSquaredError):
                self.squared_terms.append((regularizer, prepared))
            else:
                self.other_terms.append((regularizer, prepared))
        self._full_batch_weights: Tensor | None = None

    def __call__(self, output: Any, batch: ForwardPass, cells: Tensor | None) -> Tensor:
        """Return the loss of a batch, given the decoder's output; None means all cells."""
        if self.squared_terms:
            value = self.decoder.loss(output, batch.x, self._sum_weights(cells))
        else:
            value = self.reconstruction_weight * self.decoder.loss(output, batch.x)
        for regularizer, prepared in self.other_terms:
            value = value + regularizer.loss(batch, prepared, cells)
        return value

    def _sum_weights(self, cells: Tensor | None) -> Tensor:
        if cells is None and self._full_batch_weights is not None:
            return self._full_batch_weights
        total = torch.tensor(self.reconstruction_weight)
        for regularizer, prepared in self.squared_terms:
            total = total + regularizer.weight * regularizer.compute_weights(prepared, cells)
        if cells is None:
            self._full_batch_weights = total
        return total
