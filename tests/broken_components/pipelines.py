"""Pipelines that break one rule each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from broken_components.case import register_broken
from scgnn.components.stopping import NeverStop, StoppingRule
from scgnn.pipelines import Pipeline
from scgnn.registry.introspection import slot


class SingleClusterPipeline(Pipeline):
    """Puts every cell into one cluster, by a stage."""

    def __call__(self, state, stages, seed):
        labels = stages(assign_single_cluster, state.n_cells)
        return replace(state, clusters=labels, stop_reason="at once")


def assign_single_cluster(n: int) -> np.ndarray:
    """Zeros."""
    return np.zeros(n, dtype=np.int64)


@register_broken("runs_on_demo_data", "not every cell has a label")
class NoClusters(SingleClusterPipeline):
    """Does nothing."""

    def __call__(self, state, stages, seed):
        return state


@register_broken("runs_on_demo_data", "stopped is empty: say why the pipeline ended")
class NoStopReason(SingleClusterPipeline):
    """Does not say why it ended."""

    def __call__(self, state, stages, seed):
        return replace(super().__call__(state, stages, seed), stop_reason="")


@register_broken("reports_stages", "no step went through stages")
class NoStages(SingleClusterPipeline):
    """Works on its own."""

    def __call__(self, state, stages, seed):
        return replace(state, clusters=assign_single_cluster(state.n_cells), stop_reason="at once")


@register_broken(
    "slots_accept_all_components", "stop all_of: TypeError: BothStop; stop any_of: TypeErr"
)
@dataclass(frozen=True)
class SingleStoppingRule(SingleClusterPipeline):
    """Takes one stop alone.

    Parameters
    ----------
    stop
        When to stop.
    """

    stop: StoppingRule = slot(NeverStop())

    def __call__(self, state, stages, seed):
        if not isinstance(self.stop, NeverStop):
            raise TypeError(type(self.stop).__name__)
        return super().__call__(state, stages, seed)
