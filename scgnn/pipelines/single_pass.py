"""One pass without iteration: encode, graph, encode, cluster. The baselines live here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scgnn.execution.stages import Stages
from scgnn.pipelines.contract import Pipeline
from scgnn.pipelines.embed_and_cluster import EmbeddingPipeline
from scgnn.pipelines.iteration import IterationContext
from scgnn.state import State


@Pipeline.register("single_pass")
@dataclass(frozen=True)
class SinglePass(EmbeddingPipeline):
    """Encode, build the graph, perhaps encode again, cluster: the floor scores are read against.

    With a decoder its reconstruction is the imputed expression.
    """

    def __call__(self, state: State, stages: Stages, seed: int) -> State:
        turn = IterationContext(stages, seed)
        state = self.fit_ltmg_states(state, turn)
        state, _ = self.encode(state, state.x, self.feature_training, None, turn)
        state = self.build_graph_and_cluster(state, turn)
        return replace(state, imputed=state.reconstruction, stop_reason="a single pass")
