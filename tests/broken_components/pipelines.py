"""Pipelines that break one rule each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from broken_components.case import register_broken
from scgnn.components.stopping import NeverStop, StoppingRule
from scgnn.pipelines import Pipeline
from scgnn.registry.introspection import slot


class SingleClusterPipeline(Pipeline):
    """Assigns all cells to one cluster, in a stage."""

    def __call__(self, state, stages, seed):
        clusters = stages(assign_single_cluster, state.n_cells)
        return replace(state, clusters=clusters, stop_reason="at once")


def assign_single_cluster(n: int) -> np.ndarray:
    """Return zeros."""
    return np.zeros(n, dtype=np.int64)


@register_broken("runs_on_demo_data", "not every cell has a cluster")
class NoClusters(SingleClusterPipeline):
    """Returns its input."""

    def __call__(self, state, stages, seed):
        return state


@register_broken("runs_on_demo_data", "stop_reason is empty; state why the pipeline ended")
class NoStopReason(SingleClusterPipeline):
    """Does not report why it ended."""

    def __call__(self, state, stages, seed):
        return replace(super().__call__(state, stages, seed), stop_reason="")


@register_broken("reports_stages", "nothing was computed through stages")
class NoStages(SingleClusterPipeline):
    """Computes without stages."""

    def __call__(self, state, stages, seed):
        return replace(state, clusters=assign_single_cluster(state.n_cells), stop_reason="at once")


@register_broken(
    "slots_accept_all_components", "stop all_of: TypeError: AllOf; stop any_of: TypeError: AnyOf"
)
@dataclass(frozen=True)
class SingleStoppingRule(SingleClusterPipeline):
    """Accepts one stopping rule only.

    Parameters
    ----------
    stop
        Stopping rule.
    """

    stop: StoppingRule = slot(NeverStop())

    def __call__(self, state, stages, seed):
        if not isinstance(self.stop, NeverStop):
            raise TypeError(type(self.stop).__name__)
        return super().__call__(state, stages, seed)
