"""iteration"""

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
    """A round of a pipeline: where its steps run, and the number that names their seeds."""

    stages: Stages
    seed: int
    iteration: int = 0

    def __call__(self, function: Callable[..., R], *args: Any) -> R:
        return self.stages(function, *args, iteration=self.iteration)

    def seed_for(self, slot: str) -> int:
        """The seed of a slot in this round."""
        return seed_for(self.seed, slot, self.iteration)

    def record(self, state: State, stage: str, **values: float | np.ndarray) -> State:
        """The state with quantities of a stage in its history; an array is a loss by epoch."""
        new = []
        for quantity, value in values.items():
            steps = enumerate(value.tolist(), 1) if isinstance(value, np.ndarray) else [(0, value)]
            new += [Record(self.iteration, stage, quantity, n, float(v)) for n, v in steps]
        return replace(state, history=(*state.history, *new))
