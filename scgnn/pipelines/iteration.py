"""The context of one iteration of a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np

from scgnn.execution.stages import Stages
from scgnn.seeding import seed_for
from scgnn.state import Record, State

R = TypeVar("R")


class IterationContext(NamedTuple):
    """The runner of the steps of an iteration, and what their seeds derive from.

    Calling it with a stage and its arguments runs the stage.
    """

    stages: Stages
    seed: int
    iteration: int = 0

    def __call__(self, function: Callable[..., R], *args: Any) -> R:
        return self.stages(function, *args, iteration=self.iteration)

    def seed_for(self, slot: str) -> int:
        """Return the seed of a slot in this iteration."""
        return seed_for(self.seed, slot, self.iteration)

    def record(self, state: State, stage: str, **values: float | np.ndarray) -> State:
        """Add quantities of a stage to the history; an array has one value for each epoch."""
        records = []
        for quantity, value in values.items():
            epochs = enumerate(value.tolist(), 1) if isinstance(value, np.ndarray) else [(0, value)]
            records += [Record(self.iteration, stage, quantity, n, float(v)) for n, v in epochs]
        return replace(state, history=(*state.history, *records))
