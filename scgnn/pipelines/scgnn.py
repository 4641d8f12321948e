"""scGNN (Wang et al., Nature Communications 2021): the iterative method of the paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
)
from scgnn.components.stopping import (
    ClusterConvergence,
    StoppingRule,
    compute_graph_change,
    compute_last_ari,
)
from scgnn.execution.stages import Stages
from scgnn.field_types import (
    IntAtLeastTwo,
    NonNegativeFloat,
    NonNegativeInt,
    OpenFraction,
    PositiveFloat,
    PositiveInt,
)
from scgnn.pipelines import autoencoders, steps
from scgnn.pipelines.autoencoders import AutoencoderFit, WarmStart, reconstruct
from scgnn.pipelines.contract import Pipeline
from scgnn.pipelines.embed_and_cluster import EmbeddingPipeline
from scgnn.pipelines.iteration import IterationContext
from scgnn.pipelines.reconstruction import LazyReconstruction, count_zero_columns, iter_blocks
from scgnn.registry.introspection import slot
from scgnn.state import Expression, Snapshot, State
from scgnn.training.settings import Training


@Pipeline.register("scgnn")
@dataclass(frozen=True)
class ScGNN(EmbeddingPipeline):
    """scGNN: feature, graph and cluster autoencoders in turn until the clusters converge.

    Parameters
    ----------
    cluster_autoencoders
        Train one autoencoder for each cluster; false is scGNN's quick mode.
    cluster_reconstruction_weight
        Weight of the decoder's error in the cluster autoencoders; null uses reconstruction_weight.
    cluster_regularizers
        Additional terms of the loss of the cluster autoencoders; their phase is iteration.
    cluster_initialization
        copy initializes each cluster autoencoder with the weights of the feature autoencoder;
        continue, as in the published code, trains one network with one Adam state in all phases.
    iteration_target
        Expression that the iterations train on: reconstruction, or, as in the published code,
        input.
    max_iterations
        Maximum number of iterations after the first clustering.
    stop
        Rule that stops the iterations early.
    n_clusters_smoothing
        Weight of the previous number of clusters in its moving average, for a clusterer whose
        n_clusters comes from another clusterer; 0.95 in scGNN 2.0.
    final_clusters
        recluster returns the clusters of the last embedding; previous_iteration, as in the
        published code, those of the iteration before.
    final_clusterer
        Clusterer of the final embedding; null keeps the clusters of the last iteration.
    final_embedding
        Input of final_clusterer: the graph embedding, the feature embedding, or both concatenated,
        each scaled to a total variance of 1.
    imputation
        autoencoder trains a new autoencoder on the input; reconstruction returns the last
        reconstruction; null imputes nothing.
    imputation_reconstruction_weight
        Weight γ of the decoder's error in the imputation.
    imputation_regularizers
        Additional terms of the loss of the imputation.
    imputation_threshold
        Imputed values whose magnitude is below it are set to zero; null keeps all.
    imputed_format
        dense, or sparse, which is smaller if imputation_threshold removes most values.
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
    max_clusters: IntAtLeastTwo | None = 30
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
    needs_all_cells: ClassVar[str] = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        clusterer = self.clusterer
        if self.n_clusters_smoothing and not (
            isinstance(clusterer, GivenK) and isinstance(clusterer.n_clusters, Clusterer)
        ):
            raise ValueError(
                "n_clusters_smoothing: requires a clusterer whose n_clusters is a clusterer"
            )
        if self.final_embedding != "graph" and self.final_clusterer is None:
            raise ValueError("final_embedding: requires a final_clusterer")
        if self.final_clusters == "previous_iteration" and self.final_clusterer is not None:
            raise ValueError("final_clusters: previous_iteration excludes a final_clusterer")

    def __call__(self, state: State, stages: Stages, seed: int) -> State:
        """Run the nine steps of the method (docs/from_paper_to_recipe.md)."""
        # 1. Prepare: done by data.transforms, x = log(counts + 1)
        x, context = state.x, IterationContext(stages, seed)
        snapshots: list[Snapshot] = []
        # 2. LTMG
        state = self.fit_ltmg_states(state, context)
        # 3. Feature autoencoder
        state, fit = self.embed_features(state, x, self.feature_training, None, context)
        while True:
            # 4. Cell graph
            state, pruned_graph = self.build_graph(state, context)
            # 5. Graph autoencoder
            state = self.embed_graph(state, context)
            # 6. Clusters
            state = self.cluster(state, pruned_graph, context)
            snapshots.append(Snapshot.from_state(state))
            if len(snapshots) > 3:  # only the first graph and the last two are of use
                snapshots[-3] = snapshots[-3]._replace(graph=None)
            state = self.check_convergence(state, snapshots, context)
            if state.stop_reason:
                break
            context = context._replace(iteration=context.iteration + 1)
            # 7. Cluster autoencoders
            state, fit = self.reconstruct_clusters(state, x, fit, context)
            # 8. Iterate
            target, start = self.select_target(state, x), self.make_warm_start(fit)
            state, fit = self.embed_features(state, target, self.iteration_training, start, context)
        if self.final_clusters == "previous_iteration" and len(snapshots) > 1:
            state = replace(state, clusters=snapshots[-2].clusters)
        # 9. Impute
        state = self.impute(state, x, context)
        return self.recluster(state, pruned_graph, context)

    @property
    def cluster_weight(self) -> float:
        """Weight of the decoder's error in the cluster autoencoders."""
        weight = self.cluster_reconstruction_weight
        return self.reconstruction_weight if weight is None else weight

    def iter_losses(self) -> Iterator[tuple[str, float, tuple[Regularizer, ...], Phase]]:
        yield from super().iter_losses()
        if self.max_iterations:
            weight, regularizers = self.reconstruction_weight, self.feature_regularizers
            yield "reconstruction_weight", weight, regularizers, "iteration"
        if self.max_iterations and self.cluster_autoencoders:
            weight, regularizers = self.cluster_weight, self.cluster_regularizers
            yield "cluster_reconstruction_weight", weight, regularizers, "iteration"
        if self.imputation == "autoencoder":
            weight = self.imputation_reconstruction_weight
            regularizers = self.imputation_regularizers
            yield "imputation_reconstruction_weight", weight, regularizers, "imputation"

    def check_convergence(
        self, state: State, snapshots: Sequence[Snapshot], context: IterationContext
    ) -> State:
        """Record the changes since the last iteration, and the reason to stop, "" for none."""
        iteration, reason = context.iteration, ""
        if iteration:
            agreement, change = compute_last_ari(snapshots), compute_graph_change(snapshots)
            state = context.record(state, "iteration", agreement=agreement, graph_change=change)
            reason = self.stop(snapshots)
        if not reason and iteration >= self.max_iterations:
            reason = f"max_iterations ({self.max_iterations}) reached"
        history = tuple(snapshot.clusters for snapshot in snapshots)
        return replace(state, stop_reason=reason, n_iterations=iteration, cluster_history=history)

    def select_target(self, state: State, x: Expression) -> Expression:
        """Return the expression that the iterations train on, cells x genes."""
        if self.iteration_target == "input":
            return x
        assert state.reconstruction is not None
        return state.reconstruction

    def make_warm_start(self, fit: AutoencoderFit) -> WarmStart:
        """Return the weights of a fit, and with ``continue`` its Adam."""
        keep_optimizer = self.cluster_initialization == "continue"
        return WarmStart(fit.weights, fit.optimizer_state if keep_optimizer else {})

    def reconstruct_clusters(
        self, state: State, x: Expression, fit: AutoencoderFit, context: IterationContext
    ) -> tuple[State, AutoencoderFit]:
        """Reconstruct each cluster by its own autoencoder; return the fit to start from next."""
        if not self.cluster_autoencoders:
            return state, fit
        autoencoder = self.make_autoencoder(
            self.cluster_weight, self.cluster_regularizers, "iteration"
        )
        target = self.select_target(state, x)
        inputs = self.select_inputs(state, target, autoencoder.regularizers)
        inputs = replace(inputs, clusters=state.clusters)
        training_cells = "all" if self.iteration_target == "input" else "own"
        seed = context.seed_for("cluster_autoencoders")
        options = self.make_warm_start(fit), self.cluster_initialization, training_cells, seed
        args = autoencoder, self.cluster_training, inputs, *options
        cluster_fit = context(autoencoders.fit_cluster_autoencoders, *args)
        x_hat = reconstruct(autoencoder, cluster_fit, state.n_genes, state.clusters)
        state = replace(state, reconstruction=x_hat)
        state = context.record(state, "cluster autoencoders", loss=cluster_fit.losses)
        return state, cluster_fit if self.cluster_initialization == "continue" else fit

    def impute(self, state: State, x: Expression, context: IterationContext) -> State:
        """Impute expression: by a new autoencoder of ``x``, or as the last reconstruction."""
        if self.imputation == "reconstruction":
            return self.threshold_imputed(state, state.reconstruction)
        if self.imputation is None:
            return state
        autoencoder = self.make_autoencoder(
            self.imputation_reconstruction_weight, self.imputation_regularizers, "imputation"
        )
        inputs = self.select_inputs(state, x, autoencoder.regularizers)
        # the same seed after any number of iterations
        seed = context._replace(iteration=0).seed_for("imputation")
        budget = self.imputation_training
        fit = context(autoencoders.fit_imputation_autoencoder, autoencoder, budget, inputs, seed)
        imputed = reconstruct(autoencoder, fit, state.n_genes)
        dead_genes = count_zero_columns(imputed)
        state = context.record(state, "imputation", loss=fit.losses, dead_genes=dead_genes)
        return self.threshold_imputed(state, imputed)

    def threshold_imputed(self, state: State, imputed: Expression | None) -> State:
        """Set small imputed values to zero, and convert the matrix to its final format."""
        threshold = self.imputation_threshold
        if isinstance(imputed, LazyReconstruction):
            imputed = replace(imputed, imputation_threshold=threshold)
        elif threshold is not None:
            assert isinstance(imputed, np.ndarray)
            imputed = np.where(np.abs(imputed) >= threshold, imputed, np.float32(0))
        if self.imputed_format == "sparse":
            imputed = sparse.vstack([*map(sparse.csr_matrix, iter_blocks(imputed))], format="csr")
        return replace(state, imputed=imputed)

    def recluster(
        self, state: State, graph: sparse.csr_matrix | None, context: IterationContext
    ) -> State:
        """Cluster the final embedding by the final clusterer, if there is one."""
        if self.final_clusterer is None:
            return state
        assert state.embedding is not None and state.graph_embedding is not None
        embedding = state.graph_embedding
        if self.final_embedding == "feature":
            embedding = state.embedding
        elif self.final_embedding == "both":
            parts = (state.embedding, state.graph_embedding)
            embedding = np.hstack([part / (np.sqrt(part.var(0).sum()) or 1.0) for part in parts])
        inputs = self.final_clusterer, embedding, graph, *self.small_cluster_rule
        clusters = context(steps.cluster, *inputs, context.seed_for("final_clusterer"))
        return replace(state, graph_embedding=embedding, clusters=clusters)

    def select_clusterer(
        self, state: State, graph: sparse.csr_matrix | None, context: IterationContext
    ) -> tuple[Clusterer, State]:
        """Return the clusterer of this iteration, its number of clusters smoothed."""
        if not self.n_clusters_smoothing:
            return self.clusterer, state
        assert isinstance(self.clusterer, GivenK)
        embedding, seed = state.graph_embedding, context.seed_for("clusterer")
        k: float = context(steps.count_clusters, self.clusterer, embedding, graph, seed)
        if state.smoothed_n_clusters is not None:
            weight = self.n_clusters_smoothing
            k = weight * state.smoothed_n_clusters + (1 - weight) * k
        clusterer = replace(self.clusterer, n_clusters=max(1, round(k)))
        return clusterer, replace(state, smoothed_n_clusters=k)
