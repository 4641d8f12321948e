"""scGNN (Wang et al., Nature Communications 2021): the iterative method, as the paper tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from scipy import sparse

from scgnn.components.clusterers import Clusterer, GivenK, KMeans
from scgnn.components.decoders import Decoder, MLPDecoder
from scgnn.components.encoders import GCN, Encoder, MLPEncoder
from scgnn.components.graph_builders import KNN, GraphBuilder
from scgnn.components.regularizers import (
    ClusterSizeWeightedError,
    DegreeWeightedError,
    LTMGWeightedError,
    Phase,
    Regularizer,
    active_in,
)
from scgnn.components.stopping import (
    ClusterConvergence,
    StoppingRule,
    compute_graph_change,
    compute_last_ari,
)
from scgnn.execution.stages import Stages
from scgnn.field_types import (
    NonNegativeFloat,
    NonNegativeInt,
    OpenFraction,
    PositiveFloat,
    PositiveInt,
)
from scgnn.pipelines import autoencoders, steps
from scgnn.pipelines.contract import Pipeline
from scgnn.pipelines.embed_and_cluster import EmbeddingPipeline
from scgnn.pipelines.iteration import IterationContext
from scgnn.pipelines.reconstruction import LazyReconstruction, count_zero_columns, iter_blocks
from scgnn.registry.introspection import slot
from scgnn.state import Expression, LazyMatrix, Snapshot, State
from scgnn.training.budget import Training


@Pipeline.register("scgnn")
@dataclass(frozen=True)
class ScGNN(EmbeddingPipeline):
    """scGNN: feature, graph and cluster autoencoders in turn until the clusters stand still.

    Parameters
    ----------
    cluster_autoencoders
        Rebuild each cluster by an autoencoder of its own; false is scGNN's quick mode.
    cluster_reconstruction_weight
        Weight of the plain squared error in the cluster autoencoders; null takes reconstruction_weight.
    cluster_regularizers
        What else the cluster autoencoders are held to; they take part as in an iteration.
    cluster_initialization
        copy starts each from the feature autoencoder's weights; continue, as in the published
        code, runs one network and one Adam through all phases.
    iteration_target
        What the iterations train on: the reconstruction, or, as in the published code, the input.
    max_iterations
        Iterations after the first clustering.
    stop
        When to stop before that.
    n_clusters_smoothing
        Share of the last iteration's number of clusters in the next one's, for a clusterer that
        has its k counted; 0.95 in scGNN 2.0.
    final_clusters
        recluster takes the labels of the last embedding; previous_iteration, as in the published code,
        those of the iteration before.
    final_clusterer
        Clusters once more when everything else is done; null keeps the clusters there are.
    final_embedding
        What final_clusterer sees: the graph embedding, the feature embedding, or both side by side,
        each scaled to a total variance of 1.
    imputation
        autoencoder trains a fresh one at the end; reconstruction takes what the last autoencoders rebuilt; null imputes nothing.
    imputation_reconstruction_weight
        Weight γ of the plain squared error in the imputation.
    imputation_regularizers
        What else the imputation is held to.
    imputation_threshold
        Imputed values nearer to zero than this are set to zero; null leaves all as they are.
    imputed_format
        A dense matrix, or a sparse one, which takes less room where imputation_threshold leaves few values.
    cluster_training
        Budget of each cluster autoencoder.
    iteration_training
        Budget of the feature autoencoder in each iteration.
    imputation_training
        Budget of the imputation.
    """

    feature_encoder: Encoder = slot(MLPEncoder())
    feature_decoder: Decoder = slot(MLPDecoder())
    reconstruction_weight: NonNegativeFloat = 0.1
    feature_regularizers: tuple[Regularizer, ...] = slot(
        (LTMGWeightedError(),), "ltmg_states graph clusters"
    )
    graph_builder: GraphBuilder = slot(KNN(), "batch")
    graph_encoder: Encoder | None = slot(GCN(), "graph")
    clusterer: Clusterer = slot(KMeans(), "graph")
    min_cluster_size: PositiveInt = 5
    max_clusters: PositiveInt | None = 30
    cluster_autoencoders: bool = True
    cluster_reconstruction_weight: NonNegativeFloat | None = None
    cluster_regularizers: tuple[Regularizer, ...] = slot((), "ltmg_states graph clusters")
    cluster_initialization: Literal["copy", "continue"] = "copy"
    iteration_target: Literal["reconstruction", "input"] = "reconstruction"
    max_iterations: NonNegativeInt = 10
    stop: StoppingRule = slot(ClusterConvergence())
    n_clusters_smoothing: OpenFraction | None = None
    final_clusters: Literal["recluster", "previous_iteration"] = "recluster"
    final_clusterer: Clusterer | None = slot(None, "graph")
    final_embedding: Literal["graph", "feature", "both"] = "graph"
    imputation: Literal["autoencoder", "reconstruction"] | None = "autoencoder"
    imputation_reconstruction_weight: NonNegativeFloat = 0.0
    imputation_regularizers: tuple[Regularizer, ...] = slot(
        (DegreeWeightedError(), ClusterSizeWeightedError()), "ltmg_states graph clusters"
    )
    imputation_threshold: PositiveFloat | None = 0.01
    imputed_format: Literal["dense", "sparse"] = "dense"
    cluster_training: Training = Training(epochs=200)
    iteration_training: Training = Training(epochs=200)
    imputation_training: Training = Training(epochs=200, l1=1.0)
    feature_phases: ClassVar[tuple[Phase, ...]] = ("initial", "iteration")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.reconstruction_weight and self.max_iterations:
            if self.cluster_autoencoders and not active_in(self.cluster_regularizers, "iteration"):
                raise ValueError(
                    "reconstruction_weight: 0 leaves the cluster autoencoders nothing to learn"
                )
            if not active_in(self.feature_regularizers, "iteration"):
                raise ValueError("reconstruction_weight: 0 leaves the iterations nothing to learn")
        held = self.imputation_reconstruction_weight or active_in(
            self.imputation_regularizers, "imputation"
        )
        if self.n_clusters_smoothing and not (
            isinstance(self.clusterer, GivenK) and isinstance(self.clusterer.n_clusters, Clusterer)
        ):
            raise ValueError(
                f"n_clusters_smoothing: {self.clusterer.name} does not have its k counted"
            )
        if self.final_embedding != "graph" and self.final_clusterer is None:
            raise ValueError("final_embedding: without a final_clusterer nothing sees it")
        if self.final_clusters == "previous_iteration" and self.final_clusterer is not None:
            raise ValueError(
                "final_clusters: previous_iteration and final_clusterer exclude each other"
            )
        if self.imputation == "autoencoder" and not held:
            raise ValueError(
                "imputation_reconstruction_weight: 0 without a regularizer leaves nothing to learn"
            )

    def all_regularizers(self) -> tuple[Regularizer, ...]:
        return (
            *self.feature_regularizers,
            *self.cluster_regularizers,
            *self.imputation_regularizers,
        )

    def active_regularizers(self) -> tuple[Regularizer, ...]:
        own = self.cluster_regularizers if self.cluster_autoencoders else ()
        iterating = (*self.feature_regularizers, *own) if self.max_iterations else ()
        at_the_end = self.imputation_regularizers if self.imputation == "autoencoder" else ()
        return (
            *super().active_regularizers(),
            *active_in(iterating, "iteration"),
            *active_in(at_the_end, "imputation"),
        )

    def __call__(self, state: State, stages: Stages, seed: int) -> State:
        turn = IterationContext(stages, seed)
        x = state.x
        state = self.fit_ltmg_states(state, turn)
        state, fitted = self.encode(state, x, self.feature_training, None, turn)
        state = self.build_graph_and_cluster(state, turn)
        rounds = [Snapshot.from_state(state)]

        for iteration in range(1, self.max_iterations + 1):
            turn = IterationContext(stages, seed, iteration)
            if self.cluster_autoencoders:
                state, fitted = self.reconstruct_clusters(state, x, fitted, turn)
            target = self.select_target(state, x)
            start = self.make_warm_start(fitted)
            state, fitted = self.encode(state, target, self.iteration_training, start, turn)
            state = self.build_graph_and_cluster(state, turn)

            rounds = [*drop_intermediate_graphs(rounds), Snapshot.from_state(state)]
            standing = {
                "agreement": compute_last_ari(rounds),
                "graph_change": compute_graph_change(rounds),
            }
            state = turn.record(state, "iteration", **standing)
            state = replace(state, n_iterations=iteration, stop_reason=self.stop(rounds))
            if state.stop_reason:
                break
        state = replace(state, cluster_history=tuple(each.clusters for each in rounds))
        if not state.stop_reason:
            state = replace(state, stop_reason=f"max_iterations ({self.max_iterations}) reached")
        if self.final_clusters == "previous_iteration" and len(rounds) > 1:
            state = replace(state, clusters=rounds[-2].clusters)
        if self.imputation == "autoencoder":
            state = self.impute(state, x, turn)
        elif self.imputation == "reconstruction":
            state = self.threshold_imputed(state, state.reconstruction)
        return self.recluster(state, turn)

    def recluster(self, state: State, context: IterationContext) -> State:
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
        graph = self._build_graph(self.graph_builder, state, context)
        labels = context(
            steps.cluster,
            self.final_clusterer,
            embedding,
            graph,
            self.min_cluster_size,
            self.max_clusters or state.n_cells,
            self.small_clusters,
            context.seed_for("final_clusterer"),
        )
        return replace(state, graph_embedding=embedding, clusters=labels)

    def select_target(self, state: State, x: Expression) -> Expression:
        """What the iterations train on."""
        if self.iteration_target == "input":
            return x
        assert state.reconstruction is not None
        return state.reconstruction

    def make_warm_start(self, result: autoencoders.AutoencoderFit) -> autoencoders.WarmStart:
        """The weights to go on from, and with ``continue`` Adam's state too."""
        going_on = self.cluster_initialization == "continue"
        return autoencoders.WarmStart(result.weights, result.optimizer_state if going_on else {})

    def reconstruct_clusters(
        self,
        state: State,
        x: Expression,
        result: autoencoders.AutoencoderFit,
        context: IterationContext,
    ) -> tuple[State, autoencoders.AutoencoderFit]:
        """Each cluster rebuilt by an autoencoder of its own."""
        fidelity = (
            self.reconstruction_weight
            if self.cluster_reconstruction_weight is None
            else self.cluster_reconstruction_weight
        )
        parts = self.make_autoencoder(fidelity, self.cluster_regularizers, "iteration")
        seen = self.select_inputs(state, self.select_target(state, x), parts.regularizers)
        rebuilt = context(
            autoencoders.fit_cluster_autoencoders,
            parts,
            self.cluster_training,
            replace(seen, clusters=state.clusters),
            self.make_warm_start(result),
            self.cluster_initialization,
            "all" if self.iteration_target == "input" else "own",
            context.seed_for("cluster_autoencoders"),
        )
        expression = autoencoders.reconstruct(parts, rebuilt, state.n_genes, state.clusters)
        state = replace(state, reconstruction=expression)
        state = context.record(state, "cluster autoencoders", loss=rebuilt.losses)
        return state, rebuilt if self.cluster_initialization == "continue" else result

    def impute(self, state: State, x: Expression, context: IterationContext) -> State:
        """A fresh autoencoder on the original expression; small values become zero."""
        parts = self.make_autoencoder(
            self.imputation_reconstruction_weight, self.imputation_regularizers, "imputation"
        )
        seen = self.select_inputs(state, x, parts.regularizers)
        seed = IterationContext(context.stages, context.seed).seed_for(
            "imputation"
        )  # one, however many iterations
        fitted = context(
            autoencoders.fit_imputation_autoencoder, parts, self.imputation_training, seen, seed
        )
        rebuilt = autoencoders.reconstruct(parts, fitted, state.n_genes)
        assert rebuilt is not None
        dead = count_zero_columns(rebuilt)
        state = context.record(state, "imputation", loss=fitted.losses, dead_genes=dead)
        return self.threshold_imputed(state, rebuilt)

    def threshold_imputed(
        self, state: State, reconstruction: np.ndarray | LazyMatrix | None
    ) -> State:
        """The state with its imputed expression, small values set to zero."""
        assert reconstruction is not None
        imputed: np.ndarray | LazyMatrix | sparse.csr_matrix
        if isinstance(reconstruction, LazyReconstruction):
            imputed = replace(reconstruction, imputation_threshold=self.imputation_threshold)
        elif self.imputation_threshold is None:
            imputed = reconstruction
        else:
            assert isinstance(reconstruction, np.ndarray)
            imputed = np.where(
                np.abs(reconstruction) >= self.imputation_threshold, reconstruction, np.float32(0)
            )
        if self.imputed_format == "sparse":
            imputed = sparse.vstack([*map(sparse.csr_matrix, iter_blocks(imputed))], format="csr")
        return replace(state, imputed=imputed)

    def select_clusterer(
        self, state: State, graph: sparse.csr_matrix | None, context: IterationContext
    ) -> tuple[Clusterer, State]:
        """The clusterer of this round, its number of clusters smoothed over the rounds."""
        if not self.n_clusters_smoothing:
            return self.clusterer, state
        seed = context.seed_for("clusterer")
        assert isinstance(self.clusterer, GivenK)
        counted = context(steps.count_clusters, self.clusterer, state.graph_embedding, graph, seed)
        kept = self.n_clusters_smoothing if state.smoothed_n_clusters is not None else 0.0
        k = kept * (state.smoothed_n_clusters or 0) + (1 - kept) * counted
        return replace(self.clusterer, n_clusters=max(1, round(k))), replace(
            state, smoothed_n_clusters=k
        )


def drop_intermediate_graphs(snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """The rounds, of which only the first and the last keep their graphs."""
    return [
        r if i in (0, len(snapshots) - 1) else Snapshot(None, r.clusters)
        for i, r in enumerate(snapshots)
    ]
