"""Pipelines that break one rule each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from broken_components.case import breaks
from scgnn.components.stopping import NeverStop, Stop
from scgnn.pipelines import Pipeline
from scgnn.registry.introspection import slot


class Plain(Pipeline):
    """Puts every cell into one cluster, by a stage."""

    def __call__(self, state, stages, seed):
        labels = stages(one_label, state.n_cells)
        return replace(state, labels=labels, stopped="at once")


def one_label(n: int) -> np.ndarray:
    """Zeros."""
    return np.zeros(n, dtype=np.int64)


@breaks("runs_a_demo", "not every cell has a label")
class Idle(Plain):
    """Does nothing."""

    def __call__(self, state, stages, seed):
        return state


@breaks("runs_a_demo", "stopped is empty: say why the pipeline ended")
class Mute(Plain):
    """Does not say why it ended."""

    def __call__(self, state, stages, seed):
        return replace(super().__call__(state, stages, seed), stopped="")


@breaks("reports_its_stages", "no step went through stages")
class Private(Plain):
    """Works on its own."""

    def __call__(self, state, stages, seed):
        return replace(state, labels=one_label(state.n_cells), stopped="at once")


@breaks("every_slot_takes_every_component", "stop both: TypeError: BothStop; stop either: TypeErr")
@dataclass(frozen=True)
class Choosy(Plain):
    """Takes one stop alone.

    Parameters
    ----------
    stop
        When to stop.
    """

    stop: Stop = slot(NeverStop())

    def __call__(self, state, stages, seed):
        if not isinstance(self.stop, NeverStop):
            raise TypeError(type(self.stop).__name__)
        return super().__call__(state, stages, seed)
