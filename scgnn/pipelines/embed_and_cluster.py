"""The slots and steps that pipelines share: feature embedding, graph, graph embedding, clusters."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from scipy import sparse

from scgnn.components.clusterers import Clusterer, Leiden
from scgnn.components.decoders import Decoder, ExactInnerProductDecoder, InnerProductDecoder
from scgnn.components.encoders import PCA, Encoder
from scgnn.components.graph_builders import KNN, GraphBuilder
from scgnn.components.ltmg import LTMG
from scgnn.components.regularizers import LTMGWeightedError, Phase, Regularizer, active_in
from scgnn.components.transforms import Transform
from scgnn.execution.stages import stage_label
from scgnn.field_types import (
    Cost,
    DatasetSize,
    IntAtLeastTwo,
    NonNegativeFloat,
    PositiveInt,
    ProperFraction,
)
from scgnn.interface import format_removal
from scgnn.pipelines import autoencoders, cost, graph_autoencoder, steps
from scgnn.pipelines.contract import Pipeline
from scgnn.pipelines.iteration import IterationContext
from scgnn.pipelines.reconstruction import count_zero_columns
from scgnn.registry.introspection import collect_requirements, iter_components, slot
from scgnn.state import Expression, State
from scgnn.training.settings import Training

log = logging.getLogger("scgnn")


@dataclass(frozen=True)
class EmbeddingPipeline(Pipeline):
    """The base class of pipelines that embed features, build and embed a graph, and cluster.

    Parameters
    ----------
    feature_encoder
        Encoder of the expression; its output is the feature embedding.
    feature_decoder
        Decoder from the feature embedding to expression; null if the encoder is not trained.
    reconstruction_weight
        Weight of the decoder's error, 1 − α of the paper, in the feature autoencoder.
    feature_regularizers
        Additional terms of the feature autoencoder's loss.
    graph_builder
        Builder of the cell graph from the feature embedding; null for none.
    prune_applies_to
        clusterer, as in the published code, hides pruned edges from the clusterer only: the graph
        autoencoder and the imputation keep them.
    graph_encoder
        Encoder of the graph and the feature embedding; its output is clustered. null clusters the
        feature embedding.
    graph_decoder
        Decoder from the graph embedding to the graph.
    graph_features
        Input of the graph encoder, from the feature embedding z: raw, z; binary, z > column mean,
        as in the published code; row_normalized, z divided by its row sum.
    edge_holdout_fraction
        Fraction of edges hidden from the graph autoencoder; 0.15 in the published code.
    graph_fanout
        Neighbors sampled per cell and layer when the graph autoencoder is trained in mini-batches
        of graph_training.batch_size cells; null trains on the full graph.
    clusterer
        Clusterer of the embedding or of the graph.
    min_cluster_size
        Clusters with fewer cells are small; 1 keeps all.
    max_clusters
        Clusters beyond this number, in order of decreasing size, also count as small, at least 2;
        null sets no limit. The cluster that ``merge`` makes comes in addition.
    small_clusters
        merge combines all small clusters into one; reassign moves their cells to the nearest other
        cluster.
    feature_training
        Budget of the first feature autoencoder.
    graph_training
        Budget of each graph autoencoder.
    """

    feature_encoder: Encoder = slot(PCA())
    feature_decoder: Decoder | None = slot(None)
    reconstruction_weight: NonNegativeFloat = 1.0
    feature_regularizers: tuple[Regularizer, ...] = slot((), "ltmg_states graph clusters")
    graph_builder: GraphBuilder | None = slot(KNN(n_neighbors=15, prune=None), "batch")
    prune_applies_to: Literal["all", "clusterer"] = "all"
    graph_encoder: Encoder | None = slot(None, "graph")
    graph_decoder: Decoder = slot(ExactInnerProductDecoder())
    graph_features: graph_autoencoder.GraphFeatures = "raw"
    edge_holdout_fraction: ProperFraction = 0.0
    graph_fanout: PositiveInt | None = None
    clusterer: Clusterer = slot(Leiden(), "graph")
    min_cluster_size: PositiveInt = 1
    max_clusters: IntAtLeastTwo | None = None
    small_clusters: Literal["merge", "reassign"] = "merge"
    feature_training: Training = Training(epochs=500)
    graph_training: Training = Training(epochs=200, learning_rate=1e-2)

    feature_phases: ClassVar[tuple[Phase, ...]] = ("initial",)

    def __post_init__(self) -> None:
        for name, target in (("feature_decoder", "features"), ("graph_decoder", "graph")):
            decoder = getattr(self, name)
            if decoder is not None and decoder.target != target:
                raise ValueError(
                    f"{name}: {decoder.name} reconstructs {decoder.target}, not {target}"
                )
        self._check_regularizers()
        if self.graph_encoder is not None and self.graph_decoder.encoder_width(1) > 1:  # type: ignore[attr-defined]
            self.graph_encoder.replace_width(2)  # raises if it has no width
        if self.graph_fanout and not isinstance(self.graph_decoder, InnerProductDecoder):
            raise ValueError(
                f"graph_fanout: {self.graph_decoder.name} does not support mini-batches; set "
                "graph_fanout to null"
            )
        if self.graph_builder is None:
            for name in ("graph_encoder", "clusterer"):
                if "graph" in collect_requirements(getattr(self, name)):
                    raise ValueError(f"{name}: requires the graph, but graph_builder is null")
        if self.prune_applies_to == "clusterer" and not hasattr(self.graph_builder, "prune"):
            raise ValueError("prune_applies_to: clusterer requires a graph_builder that prunes")
        self.ltmg_model()

    def _check_regularizers(self) -> None:
        if self.feature_decoder is None and self.feature_regularizers:
            raise ValueError("feature_regularizers: require a feature_decoder")
        for name, weight, regularizers, phase in self.iter_losses():
            if not (weight or active_in(regularizers, phase)):
                problem = f"0 requires a regularizer that is active in phase {phase}"
                raise ValueError(f"{name}: {problem}")
        for regularizer in self.feature_regularizers:
            if not any(map(regularizer.is_active, self.feature_phases)):
                raise ValueError(
                    f"feature_regularizers: {regularizer.name} is active in no training: its "
                    f"phases are {', '.join(regularizer.phases) or 'none'} and it requires the "
                    f"{' and '.join(sorted(regularizer.requires)) or 'expression'}; the phases "
                    f"here are {', '.join(self.feature_phases)}; initial has no graph or clusters"
                )
        for part in iter_components(self):
            if isinstance(part, Regularizer):
                part.validate_encoder(self.feature_encoder)

    def validate(self, transforms: Sequence[Transform], batch_key: str | None) -> None:
        """Check the batches, and that decoders of counts get counts."""
        super().validate(transforms, batch_key)
        decoder = self.feature_decoder
        if decoder is None or not decoder.requires_counts:
            return
        if names := [t.name for t in transforms if not t.drops_cells_or_genes]:
            removal = " and ".join(format_removal(f"data.transforms.{name}") for name in names)
            raise ValueError(
                f"pipeline.feature_decoder: {decoder.name} requires counts; remove "
                f"{' and '.join(names)} from data.transforms ({removal})"
            )
        for part in iter_components(self):
            if isinstance(part, LTMGWeightedError) and part.input == "log":
                raise ValueError(
                    f"pipeline: {part.name} expects logarithms, but {decoder.name} requires "
                    "counts; set its input to counts"
                )

    def iter_losses(self) -> Iterator[tuple[str, float, tuple[Regularizer, ...], Phase]]:
        """Yield the weight of the decoder's error, by name, and the regularizers of each phase."""
        if self.feature_decoder is not None:
            weight, regularizers = self.reconstruction_weight, self.feature_regularizers
            yield "reconstruction_weight", weight, regularizers, "initial"

    def ltmg_model(self) -> LTMG | None:
        """Return the LTMG model of the regularizers, None if none of them needs one.

        Raises
        ------
        ValueError
            Regularizers have different models; a run has one set of states.
        """
        active = (r for loss in self.iter_losses() for r in active_in(*loss[2:]))
        models = {r.to_ltmg() for r in active if isinstance(r, LTMGWeightedError)}
        if len(models) > 1:
            raise ValueError("LTMG regularizers must have the same settings of the model")
        return models.pop() if models else None

    def fit_ltmg_states(self, state: State, context: IterationContext) -> State:
        """Fit the LTMG states of the expression, if a regularizer needs them."""
        model = self.ltmg_model()
        if model is None:
            return state
        states = context(steps.fit_ltmg_states, model, state.x, context.seed_for("signal"))
        return replace(state, ltmg_states=states)

    def embed_features(
        self,
        state: State,
        target: Expression,
        training: Training,
        warm_start: autoencoders.WarmStart | None,
        context: IterationContext,
    ) -> tuple[State, autoencoders.AutoencoderFit]:
        """Train the feature autoencoder on ``target``, cells x genes."""
        phase: Phase = "iteration" if context.iteration else "initial"
        decoder = self.feature_decoder
        if phase == "initial" and decoder is not None and decoder.requires_counts:
            autoencoders.check_integer_counts(target)
        autoencoder = self.make_autoencoder(
            self.reconstruction_weight, self.feature_regularizers, phase
        )
        inputs = self.select_inputs(state, target, autoencoder.regularizers)
        seed = context.seed_for("feature_autoencoder")
        fit_stage = (
            autoencoders.fit_feature_encoder
            if decoder is None
            else autoencoders.fit_feature_autoencoder
        )
        fit = context(fit_stage, autoencoder, training, inputs, seed, warm_start)
        counts = {"dead_units": int((fit.embedding == 0).all(0).sum())}
        reconstruction = autoencoders.reconstruct(autoencoder, fit, state.n_genes)
        if reconstruction is not None:
            counts["dead_genes"] = count_zero_columns(reconstruction)
        state = replace(state, embedding=fit.embedding, reconstruction=reconstruction)
        losses = {} if decoder is None else {"loss": fit.losses}
        return context.record(state, stage_label(fit_stage), **losses, **counts), fit

    def build_graph(
        self, state: State, context: IterationContext
    ) -> tuple[State, sparse.csr_matrix | None]:
        """Build the cell graph from the feature embedding.

        Returns
        -------
        state
            With the graph of the graph autoencoder and of regularizers.
        graph
            The graph of the clusterer, which is another one if only that one is pruned.
        """
        if self.graph_builder is None:
            return state, None
        seed, embedding = context.seed_for("graph_builder"), state.embedding
        batch = state.batch if "batch" in collect_requirements(self.graph_builder) else None
        graph = pruned = context(steps.build_graph, self.graph_builder, embedding, seed, batch)
        if self.prune_applies_to == "clusterer":
            changes: dict[str, Any] = {"prune": None}
            if getattr(self.graph_builder, "symmetry", "") == "last_written":
                changes["symmetry"] = "union"  # last_written is a rule for pruned edges only
            unpruned = replace(self.graph_builder, **changes)  # type: ignore[type-var]
            graph = context(steps.build_graph, unpruned, embedding, seed, batch)
        state = context.record(replace(state, graph=graph), "cell graph", edges=graph.nnz // 2)
        return state, pruned

    def embed_graph(self, state: State, context: IterationContext) -> State:
        """Train the graph autoencoder; without one, the feature embedding is that of the graph."""
        if self.graph_encoder is None:
            return replace(state, graph_embedding=state.embedding)
        components = self.graph_encoder, self.graph_decoder, self.graph_training
        inputs = state.embedding, state.graph, self.graph_features
        options = self.edge_holdout_fraction, self.graph_fanout, context.seed_for("graph_encoder")
        fit = context(graph_autoencoder.fit_graph_autoencoder, *components, *inputs, *options)
        if np.ptp(fit.embedding, 0).max() <= 1e-5 * np.abs(fit.embedding).max():
            log.warning(
                "graph autoencoder collapsed: all cells share one embedding, hence one cluster; "
                "lower graph_training.learning_rate or set graph_features: row_normalized"
            )
        state = replace(state, graph_embedding=fit.embedding)
        return context.record(state, "graph autoencoder", loss=fit.losses)

    def cluster(
        self, state: State, graph: sparse.csr_matrix | None, context: IterationContext
    ) -> State:
        """Cluster the graph embedding, or a cell graph."""
        clusterer, state = self.select_clusterer(state, graph, context)
        inputs, seed = (state.graph_embedding, graph), context.seed_for("clusterer")
        clusters = context(steps.cluster, clusterer, *inputs, *self.small_cluster_rule, seed)
        state = replace(state, clusters=clusters)
        return context.record(state, "clustering", clusters=int(clusters.max()) + 1)

    def select_clusterer(
        self, state: State, graph: sparse.csr_matrix | None, context: IterationContext
    ) -> tuple[Clusterer, State]:
        """Return the clusterer of this iteration."""
        return self.clusterer, state

    @property
    def small_cluster_rule(self) -> tuple[int, int | None, Literal["merge", "reassign"]]:
        """The rule for small clusters, as :func:`scgnn.pipelines.steps.cluster` takes it."""
        return self.min_cluster_size, self.max_clusters, self.small_clusters

    def make_autoencoder(
        self, reconstruction_weight: float, regularizers: tuple[Regularizer, ...], phase: Phase
    ) -> autoencoders.Autoencoder:
        """Return the feature autoencoder with the regularizers that are active in a phase."""
        active = active_in(regularizers, phase)
        return autoencoders.Autoencoder(
            self.feature_encoder, self.feature_decoder, reconstruction_weight, active
        )

    @staticmethod
    def select_inputs(state: State, x: Expression, regularizers: tuple[Regularizer, ...]) -> State:
        """Return a state with only ``x`` and the fields that the regularizers require."""
        names = collect_requirements(regularizers)
        return State(x, state.genes, state.cells, **{name: getattr(state, name) for name in names})

    def estimate_stages(self, size: DatasetSize) -> Iterator[tuple[str, int, Cost]]:
        return cost.estimate_stages(self, size)
