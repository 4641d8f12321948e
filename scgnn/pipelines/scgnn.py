"""scGNN (Wang et al., Nature Communications 2021): the iterative method, as the paper tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from scipy import sparse

from scgnn.components.clusterers import Clusterer, Counted, KMeans
from scgnn.components.decoders import MLP as MLPDecoder
from scgnn.components.decoders import Decoder
from scgnn.components.encoders import GCN, MLP, Encoder
from scgnn.components.graph_builders import KNN, GraphBuilder
from scgnn.components.regularizers import (
    ClusterSize,
    Degree,
    LTMGStates,
    Phase,
    Regularizer,
    in_phase,
)
from scgnn.components.stopping import LabelsStop, Stop, agreement, graph_change
from scgnn.execution.stages import Stages
from scgnn.field_types import Natural, Positive, ProperShare, Weight
from scgnn.pipelines import autoencoders, steps
from scgnn.pipelines.contract import Pipeline
from scgnn.pipelines.embed_and_cluster import Pass
from scgnn.pipelines.iteration import Turn
from scgnn.pipelines.reconstruction import Rebuilt, always_zero, blocks
from scgnn.registry.introspection import slot
from scgnn.state import Expression, OnDemand, Round, State
from scgnn.training.budget import Training


@Pipeline.register("scgnn")
@dataclass(frozen=True)
class ScGNN(Pass):
    """scGNN: feature, graph and cluster autoencoders in turn until the clusters stand still.

    Parameters
    ----------
    cluster_autoencoders
        Rebuild each cluster by an autoencoder of its own; false is scGNN's quick mode.
    cluster_fidelity
        Weight of the plain squared error in the cluster autoencoders; null takes fidelity.
    cluster_regularizers
        What else the cluster autoencoders are held to; they take part as in an iteration.
    cluster_start
        copy starts each from the feature autoencoder's weights; continue, as in the published
        code, runs one network and one Adam through all phases.
    iterate_on
        What the iterations train on: the reconstruction, or, as in the published code, the input.
    max_iterations
        Iterations after the first clustering.
    stop
        When to stop before that.
    k_smoothing
        Share of the last iteration's number of clusters in the next one's, for a clusterer that
        has its k counted; 0.95 in scGNN 2.0.
    final_labels
        recluster takes the labels of the last embedding; last_iteration, as in the published code,
        those of the iteration before.
    final_clusterer
        Clusters once more when everything else is done; null keeps the clusters there are.
    final_embedding
        What final_clusterer sees: the graph embedding, the feature embedding, or both side by side,
        each scaled to a total variance of 1.
    impute
        Whether to impute at the end; reconstruction takes what the last autoencoders rebuilt.
    imputation_fidelity
        Weight γ of the plain squared error in the imputation.
    imputation_regularizers
        What else the imputation is held to.
    zero_below
        Imputed values nearer to zero than this are set to zero; 0 leaves all as they are.
    imputed_as
        A dense matrix, or a sparse one, which takes less room where zero_below leaves few values.
    cluster_training
        Budget of each cluster autoencoder.
    iteration_training
        Budget of the feature autoencoder in each iteration.
    imputation_training
        Budget of the imputation.
    """

    feature_encoder: Encoder = slot(MLP())
    feature_decoder: Decoder = slot(MLPDecoder())
    fidelity: Weight = 0.1
    feature_regularizers: tuple[Regularizer, ...] = slot((LTMGStates(),), "signal graph labels")
    graph_builder: GraphBuilder = slot(KNN(), "batch")
    graph_encoder: Encoder | None = slot(GCN(), "graph")
    clusterer: Clusterer = slot(KMeans(), "graph")
    min_cluster_size: Positive = 5
    max_clusters: Natural = 30
    cluster_autoencoders: bool = True
    cluster_fidelity: Weight | None = None
    cluster_regularizers: tuple[Regularizer, ...] = slot((), "signal graph labels")
    cluster_start: Literal["copy", "continue"] = "copy"
    iterate_on: Literal["reconstruction", "input"] = "reconstruction"
    max_iterations: Natural = 10
    stop: Stop = slot(LabelsStop())
    k_smoothing: ProperShare = 0.0
    final_labels: Literal["recluster", "last_iteration"] = "recluster"
    final_clusterer: Clusterer | None = slot(None, "graph")
    final_embedding: Literal["graph", "feature", "both"] = "graph"
    impute: bool | Literal["reconstruction"] = True
    imputation_fidelity: Weight = 0.0
    imputation_regularizers: tuple[Regularizer, ...] = slot(
        (Degree(), ClusterSize()), "signal graph labels"
    )
    zero_below: Weight = 0.01
    imputed_as: Literal["dense", "sparse"] = "dense"
    cluster_training: Training = Training(epochs=200)
    iteration_training: Training = Training(epochs=200)
    imputation_training: Training = Training(epochs=200, l1=1.0)
    feature_phases: ClassVar[tuple[Phase, ...]] = ("initial", "iteration")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.fidelity and self.max_iterations:
            if self.cluster_autoencoders and not in_phase(self.cluster_regularizers, "iteration"):
                raise ValueError("fidelity: 0 leaves the cluster autoencoders nothing to learn")
            if not in_phase(self.feature_regularizers, "iteration"):
                raise ValueError("fidelity: 0 leaves the iterations nothing to learn")
        held = self.imputation_fidelity or in_phase(self.imputation_regularizers, "imputation")
        if self.k_smoothing and not (
            isinstance(self.clusterer, Counted) and isinstance(self.clusterer.k, Clusterer)
        ):
            raise ValueError(f"k_smoothing: {self.clusterer.name} does not have its k counted")
        if self.final_embedding != "graph" and self.final_clusterer is None:
            raise ValueError("final_embedding: without a final_clusterer nothing sees it")
        if self.final_labels == "last_iteration" and self.final_clusterer is not None:
            raise ValueError("final_labels: last_iteration and final_clusterer exclude each other")
        if self.impute is True and not held:
            raise ValueError("imputation_fidelity: 0 without a regularizer leaves nothing to learn")

    def regularizers(self) -> tuple[Regularizer, ...]:
        return (
            *self.feature_regularizers,
            *self.cluster_regularizers,
            *self.imputation_regularizers,
        )

    def at_work(self) -> tuple[Regularizer, ...]:
        own = self.cluster_regularizers if self.cluster_autoencoders else ()
        iterating = (*self.feature_regularizers, *own) if self.max_iterations else ()
        at_the_end = self.imputation_regularizers if self.impute is True else ()
        return (
            *super().at_work(),
            *in_phase(iterating, "iteration"),
            *in_phase(at_the_end, "imputation"),
        )

    def __call__(self, state: State, stages: Stages, seed: int) -> State:
        turn = Turn(stages, seed)
        x = state.x
        state = self.discretize(state, turn)
        state, fitted = self.encode(state, x, self.feature_training, None, turn)
        state = self.connect_and_cluster(state, turn)
        rounds = [Round.of(state)]

        for iteration in range(1, self.max_iterations + 1):
            turn = Turn(stages, seed, iteration)
            if self.cluster_autoencoders:
                state, fitted = self.rebuild_clusters(state, x, fitted, turn)
            target = self.target(state, x)
            start = self.start(fitted)
            state, fitted = self.encode(state, target, self.iteration_training, start, turn)
            state = self.connect_and_cluster(state, turn)

            rounds = [*without_old_graphs(rounds), Round.of(state)]
            standing = {"agreement": agreement(rounds), "graph_change": graph_change(rounds)}
            state = turn.note(state, "iteration", **standing)
            state = replace(state, iterations=iteration, stopped=self.stop(rounds))
            if state.stopped:
                break
        state = replace(state, trail=tuple(each.labels for each in rounds))
        if not state.stopped:
            state = replace(state, stopped=f"max_iterations ({self.max_iterations}) reached")
        if self.final_labels == "last_iteration" and len(rounds) > 1:
            state = replace(state, labels=rounds[-2].labels)
        if self.impute is True:
            state = self.imputed(state, x, turn)
        elif self.impute:
            state = self.without_small(state, state.reconstruction)
        return self.clustered_again(state, turn)

    def clustered_again(self, state: State, turn: Turn) -> State:
        """The clusters of the final clusterer, where there is one."""
        if self.final_clusterer is None:
            return state
        assert state.embedding is not None and state.graph_embedding is not None
        embedding = state.graph_embedding
        if self.final_embedding == "feature":
            embedding = state.embedding
        elif self.final_embedding == "both":
            both = (state.embedding, state.graph_embedding)
            embedding = np.hstack([part / (np.sqrt(part.var(0).sum()) or 1.0) for part in both])
        graph = self._connect(self.graph_builder, state, turn)
        labels = turn(
            steps.cluster,
            self.final_clusterer,
            embedding,
            graph,
            self.min_cluster_size,
            self.max_clusters or state.n_cells,
            self.small_clusters,
            turn.seed_for("final_clusterer"),
        )
        return replace(state, graph_embedding=embedding, labels=labels)

    def target(self, state: State, x: Expression) -> Expression:
        """What the iterations train on."""
        if self.iterate_on == "input":
            return x
        assert state.reconstruction is not None
        return state.reconstruction

    def start(self, fitted: autoencoders.Fitted) -> autoencoders.Start:
        """The weights to go on from, and with ``continue`` Adam's state too."""
        going_on = self.cluster_start == "continue"
        return autoencoders.Start(fitted.weights, fitted.optimizer if going_on else {})

    def rebuild_clusters(
        self, state: State, x: Expression, fitted: autoencoders.Fitted, turn: Turn
    ) -> tuple[State, autoencoders.Fitted]:
        """Each cluster rebuilt by an autoencoder of its own."""
        fidelity = self.fidelity if self.cluster_fidelity is None else self.cluster_fidelity
        parts = self.autoencoder(fidelity, self.cluster_regularizers, "iteration")
        seen = self.seen(state, self.target(state, x), parts.regularizers)
        rebuilt = turn(
            autoencoders.fit_clusters,
            parts,
            self.cluster_training,
            replace(seen, labels=state.labels),
            self.start(fitted),
            self.cluster_start,
            "all" if self.iterate_on == "input" else "own",
            turn.seed_for("cluster_autoencoders"),
        )
        expression = autoencoders.expression(parts, rebuilt, state.n_genes, state.labels)
        state = replace(state, reconstruction=expression)
        state = turn.note(state, "cluster autoencoders", loss=rebuilt.losses)
        return state, rebuilt if self.cluster_start == "continue" else fitted

    def imputed(self, state: State, x: Expression, turn: Turn) -> State:
        """A fresh autoencoder on the original expression; small values become zero."""
        parts = self.autoencoder(
            self.imputation_fidelity, self.imputation_regularizers, "imputation"
        )
        seen = self.seen(state, x, parts.regularizers)
        seed = Turn(turn.stages, turn.seed).seed_for("imputation")  # one, however many iterations
        fitted = turn(autoencoders.impute, parts, self.imputation_training, seen, seed)
        rebuilt = autoencoders.expression(parts, fitted, state.n_genes)
        assert rebuilt is not None
        dead = always_zero(rebuilt)
        state = turn.note(state, "imputation", loss=fitted.losses, dead_genes=dead)
        return self.without_small(state, rebuilt)

    def without_small(self, state: State, rebuilt: np.ndarray | OnDemand | None) -> State:
        """The state with its imputed expression, small values set to zero."""
        assert rebuilt is not None
        imputed: np.ndarray | OnDemand | sparse.csr_matrix
        if isinstance(rebuilt, Rebuilt):
            imputed = replace(rebuilt, zero_below=self.zero_below)
        else:
            assert isinstance(rebuilt, np.ndarray)
            imputed = np.where(np.abs(rebuilt) >= self.zero_below, rebuilt, np.float32(0))
        if self.imputed_as == "sparse":
            imputed = sparse.vstack([*map(sparse.csr_matrix, blocks(imputed))], format="csr")
        return replace(state, imputed=imputed)

    def chosen(
        self, state: State, graph: sparse.csr_matrix | None, turn: Turn
    ) -> tuple[Clusterer, State]:
        """The clusterer of this round, its number of clusters smoothed over the rounds."""
        if not self.k_smoothing:
            return self.clusterer, state
        seed = turn.seed_for("clusterer")
        assert isinstance(self.clusterer, Counted)
        counted = turn(steps.count_clusters, self.clusterer, state.graph_embedding, graph, seed)
        kept = self.k_smoothing if state.k is not None else 0.0
        k = kept * (state.k or 0) + (1 - kept) * counted
        return replace(self.clusterer, k=max(1, round(k))), replace(state, k=k)


def without_old_graphs(rounds: Sequence[Round]) -> list[Round]:
    """The rounds, of which only the first and the last keep their graphs."""
    return [r if i in (0, len(rounds) - 1) else Round(None, r.labels) for i, r in enumerate(rounds)]
