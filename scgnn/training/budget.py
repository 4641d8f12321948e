"""budget"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scgnn.field_types import (
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ProperFraction,
)


@dataclass(frozen=True)
class Training:
    """How long and how fast a network is trained, apart from what the network is.

    Parameters
    ----------
    epochs
        Passes over the cells, or parts of passes.
    learning_rate
        Of Adam (betas 0.9 and 0.999, eps 1e-8).
    batch_size
        Cells in a batch; up to this many cells a pass is one step on all of them.
    steps_per_epoch
        An epoch ends after this many batches at the latest, and the next goes on where it ended;
        its loss is scaled to all cells. null: an epoch is a pass over the cells.
    l1
        Weight of Σ|w| over all weights and biases.
    l2
        Weight of Σw².
    precision
        Of the matrix products; bfloat16 halves their time where the processor has it, and is
        float32 elsewhere. Weights, losses and Adam are float32 always.
    early_stopping_patience
        Stop after this many epochs in none of which the loss fell by a thousandth below the best;
        null trains all epochs.
    validation_fraction
        Share of the cells that are not trained on, at most 2,000 cells; early_stopping_patience then looks at
        their loss, and without patience none are held out. A graph is trained on whole.
    """

    epochs: PositiveInt = 200
    learning_rate: PositiveFloat = 1e-3
    batch_size: PositiveInt = 12800
    steps_per_epoch: PositiveInt | None = None
    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    early_stopping_patience: PositiveInt | None = None
    validation_fraction: ProperFraction = 0.0
