"""The budget of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scgnn.field_types import NonNegativeFloat, PositiveFloat, PositiveInt, ProperFraction


@dataclass(frozen=True)
class Training:
    """Duration and settings of a training, independent of the network's architecture.

    Parameters
    ----------
    epochs
        Passes over the cells, or parts of a pass if steps_per_epoch is set.
    learning_rate
        Learning rate of Adam (betas 0.9 and 0.999, eps 1e-8).
    batch_size
        Cells per batch; if there are no more cells, a pass is one step on all of them.
    steps_per_epoch
        Maximum number of batches per epoch; the next epoch continues the pass over the cells, and
        losses are scaled to all cells. null: an epoch is a pass.
    l1
        Weight of Σ|w| over all weights and biases.
    l2
        Weight of Σw² over all weights and biases.
    precision
        Precision of matrix products. bfloat16 halves their time on processors that support it, and
        tf32 on GPUs since Ampere; both are float32 elsewhere. Weights, losses, sums over neighbors
        and Adam are always float32.
    early_stopping_patience
        Stop early after this many epochs without a relative improvement of the training loss (or
        the validation loss, if validation_fraction > 0) of at least 0.1%; null trains all epochs.
    validation_fraction
        Fraction of the cells, at most 2,000 cells, that are not trained on but used for early
        stopping; ignored without early_stopping_patience and by the graph autoencoder.
    """

    epochs: PositiveInt = 200
    learning_rate: PositiveFloat = 1e-3
    batch_size: PositiveInt = 12800
    steps_per_epoch: PositiveInt | None = None
    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat = 0.0
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    early_stopping_patience: PositiveInt | None = None
    validation_fraction: ProperFraction = 0.0
