"""One pass without iteration: encode, graph, encode, cluster. The baselines live here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scgnn.execution.stages import Stages
from scgnn.pipelines.contract import Pipeline
from scgnn.pipelines.embed_and_cluster import Pass
from scgnn.pipelines.iteration import Turn
from scgnn.state import State


@Pipeline.register("single_pass")
@dataclass(frozen=True)
class SinglePass(Pass):
    """Encode, build the graph, perhaps encode again, cluster: the floor scores are read against.

    With a decoder its reconstruction is the imputed expression.
    """

    def __call__(self, state: State, stages: Stages, seed: int) -> State:
        turn = Turn(stages, seed)
        state = self.discretize(state, turn)
        state, _ = self.encode(state, state.x, self.feature_training, None, turn)
        state = self.connect_and_cluster(state, turn)
        return replace(state, imputed=state.reconstruction, stopped="a single pass")
