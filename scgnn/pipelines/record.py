"""What pipelines share besides their steps: the history and the choice of the LTMG model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scgnn.components.ltmg import LTMG
from scgnn.components.regularizers import LTMGStates, Regularizer
from scgnn.state import Record, State


def note(state: State, iteration: int, stage: str, **values: float | np.ndarray) -> State:
    """The state with quantities added to its history; ``losses`` is one record an epoch."""
    new = []
    for quantity, value in values.items():
        if isinstance(value, np.ndarray):
            steps = enumerate(value.tolist(), start=1)
            new += [Record(iteration, stage, "loss", epoch, loss) for epoch, loss in steps]
        else:
            new.append(Record(iteration, stage, quantity, 0, float(value)))
    return replace(state, history=(*state.history, *new))


def signal_model(regularizers: Sequence[Regularizer]) -> LTMG | None:
    """The LTMG model that regularizers ask for, None when none of them does.

    Raises
    ------
    ValueError
        Two of them ask for different models: a run has one set of states.
    """
    models = {r.model() for r in regularizers if isinstance(r, LTMGStates)}
    if len(models) > 1:
        raise ValueError("two LTMG regularizers with different settings; a run has one LTMG model")
    return models.pop() if models else None
