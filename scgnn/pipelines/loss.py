"""The loss of a feature autoencoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from scgnn.components.decoders import Decoder, MLPDecoder
from scgnn.components.regularizers import ForwardPass, Regularizer, WeightedSquaredError
from scgnn.state import State

if TYPE_CHECKING:
    from torch import Tensor


class Loss:
    """``reconstruction_weight · error(x, x̂) + Σ regularizers`` of the batches of one training.

    Squared errors, the plain one and those of regularizers, are one sum with added weights.
    """

    def __init__(
        self,
        decoder: Decoder,
        reconstruction_weight: float,
        regularizers: tuple[Regularizer, ...],
        state: State,
    ) -> None:
        self.decoder, self.reconstruction_weight = decoder, reconstruction_weight
        squared = type(decoder).loss is MLPDecoder.loss
        self.squared_terms: list[tuple[WeightedSquaredError, Any]] = []
        self.other_terms: list[tuple[Regularizer, Any]] = []
        for regularizer in regularizers:
            ready = regularizer.prepare(state)
            own_loss = type(regularizer).loss is not WeightedSquaredError.loss
            if squared and isinstance(regularizer, WeightedSquaredError) and not own_loss:
                self.squared_terms.append((regularizer, ready))
            else:
                self.other_terms.append((regularizer, ready))
        self._full_batch_weights: Tensor | None = None

    def __call__(self, output: Any, batch: ForwardPass, cells: Tensor | None) -> Tensor:
        """The loss of what the decoder gave for a batch; None means all cells."""
        if self.squared_terms:
            value = self.decoder.loss(output, batch.x, self._compute_weights(cells))
        else:
            value = self.reconstruction_weight * self.decoder.loss(output, batch.x)
        for regularizer, ready in self.other_terms:
            value = value + regularizer.penalty(batch, ready, cells)
        return value

    def _compute_weights(self, cells: Tensor | None) -> Tensor:
        if cells is None and self._full_batch_weights is not None:
            return self._full_batch_weights
        summed = torch.tensor(self.reconstruction_weight)
        for regularizer, ready in self.squared_terms:
            summed = summed + regularizer.weight * regularizer.compute_weights(ready, cells)
        if cells is None:
            self._full_batch_weights = summed
        return summed
