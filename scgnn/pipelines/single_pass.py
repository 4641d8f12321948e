"""Pipelines without iterations, such as the baselines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from scgnn.execution.stages import Stages
from scgnn.pipelines.contract import Pipeline
from scgnn.pipelines.embed_and_cluster import EmbeddingPipeline
from scgnn.pipelines.iteration import IterationContext
from scgnn.state import State


@Pipeline.register("single_pass")
@dataclass(frozen=True)
class SinglePass(EmbeddingPipeline):
    """Encode the features, build and encode the graph, and cluster, without iterations.

    With a feature decoder, its reconstruction is the imputed expression.
    """

    needs_all_cells: ClassVar[str] = ""

    def __call__(self, state: State, stages: Stages, seed: int) -> State:
        context = IterationContext(stages, seed)
        state = self.fit_ltmg_states(state, context)
        state, _ = self.embed_features(state, state.x, self.feature_training, None, context)
        state, pruned_graph = self.build_graph(state, context)
        state = self.embed_graph(state, context)
        state = self.cluster(state, pruned_graph, context)
        return replace(state, imputed=state.reconstruction, stop_reason="single pass")
