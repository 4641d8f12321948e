"""One pass over the cells: encode, connect, encode again, cluster. Every pipeline here makes it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from scipy import sparse

from scgnn.components.clusterers import Clusterer, Leiden
from scgnn.components.decoders import Decoder, ExactInnerProductDecoder, InnerProductDecoder
from scgnn.components.encoders import PCA, Encoder
from scgnn.components.graph_builders import KNN, GraphBuilder
from scgnn.components.ltmg import LTMG
from scgnn.components.regularizers import LTMGWeightedError, Phase, Regularizer, active_in
from scgnn.field_types import NonNegativeFloat, PositiveInt, ProperFraction
from scgnn.pipelines import autoencoders, graph_autoencoder, steps
from scgnn.pipelines.contract import Pipeline
from scgnn.pipelines.iteration import IterationContext
from scgnn.pipelines.reconstruction import count_zero_columns
from scgnn.registry.introspection import collect_requirements, slot
from scgnn.state import Expression, State
from scgnn.training.budget import Training

log = logging.getLogger("scgnn")


@dataclass(frozen=True)
class EmbeddingPipeline(Pipeline):
    """The slots of one pass, and the pass.

    Parameters
    ----------
    feature_encoder
        Expression into the feature embedding.
    feature_decoder
        The feature embedding back into expression; null where the encoder is not trained.
    reconstruction_weight
        Weight of the plain squared error, 1 − α, in the feature autoencoder.
    feature_regularizers
        What else the feature autoencoder is held to.
    graph_builder
        The feature embedding into the cell graph; null for none.
    prune_applies_to
        clusterer, as in the published code, hides pruned edges from the clusterer alone: the graph
        autoencoder and the imputation keep them.
    graph_encoder
        The graph and the feature embedding into the embedding that is clustered; null clusters
        the feature embedding.
    graph_decoder
        What the graph embedding must rebuild.
    graph_features
        What the graph encoder sees of the embedding z: raw, z; binary, z > column mean, as the
        published code has it; row_normalized, z divided by its row sum.
    edge_holdout_fraction
        Share of edges hidden from the graph autoencoder; 0.15 in the published code.
    graph_fanout
        Neighbours that a cell hears in each layer while the graph autoencoder is trained in
        mini-batches of graph_training.batch_size cells; null trains it on the whole graph.
    clusterer
        The embedding and the graph into clusters.
    min_cluster_size
        Clusters with fewer cells are small; 1 keeps all.
    max_clusters
        Clusters beyond this number count as small; null sets no limit.
    small_clusters
        merge makes all small clusters one; reassign gives their cells to the nearest other cluster.
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
    max_clusters: PositiveInt | None = None
    small_clusters: Literal["merge", "reassign"] = "merge"
    feature_training: Training = Training(epochs=500)
    graph_training: Training = Training(epochs=200, learning_rate=1e-2)

    feature_phases: ClassVar[tuple[Phase, ...]] = ("initial",)

    def __post_init__(self) -> None:
        for name, target in (("feature_decoder", "features"), ("graph_decoder", "graph")):
            decoder = getattr(self, name)
            if decoder is not None and decoder.target != target:
                raise ValueError(f"{name}: {decoder.name} rebuilds {decoder.target}, not {target}")
        if self.feature_decoder is None and self.feature_regularizers:
            raise ValueError("feature_regularizers: without a feature_decoder nothing is trained")
        starting = active_in(self.feature_regularizers, "initial")
        if self.feature_decoder is not None and not (self.reconstruction_weight or starting):
            raise ValueError(
                "reconstruction_weight: 0 without a feature regularizer leaves nothing to learn"
            )
        self._check_regularizers_used()
        for regularizer in self.all_regularizers():
            regularizer.validate_encoder(self.feature_encoder)
        if self.graph_encoder is not None and self.graph_decoder.encoder_width(1) > 1:  # type: ignore[attr-defined]
            self.graph_encoder.replace_width(2)  # refuses where it cannot
        if self.graph_fanout and not isinstance(self.graph_decoder, InnerProductDecoder):
            raise ValueError(
                f"graph_fanout: {self.graph_decoder.name} sees the whole graph; set it to null"
            )
        if self.graph_builder is None:
            for name in ("graph_encoder", "clusterer"):
                if "graph" in collect_requirements(getattr(self, name)):
                    raise ValueError(f"{name}: needs the graph, but graph_builder is null")
        if self.prune_applies_to == "clusterer" and not hasattr(self.graph_builder, "prune"):
            raise ValueError("prune_applies_to: the graph_builder does not prune")
        self.ltmg_model()

    def _check_regularizers_used(self) -> None:
        """Refuse a feature regularizer that no training of this pipeline can use."""
        for regularizer in self.feature_regularizers:
            if not any(map(regularizer.is_active, self.feature_phases)):
                needs = " and ".join(sorted(regularizer.requires)) or "nothing"
                phases = ", ".join(regularizer.phases) or "none"
                raise ValueError(
                    f"feature_regularizers: {regularizer.name} takes part in no training: its "
                    f"phases are {phases} and it needs the {needs}; the "
                    f"trainings here are {', '.join(self.feature_phases)}, and the first one knows "
                    "no graph and no labels"
                )

    def all_regularizers(self) -> tuple[Regularizer, ...]:
        """Those of all phases."""
        return self.feature_regularizers

    def active_regularizers(self) -> tuple[Regularizer, ...]:
        """Those that some training here uses."""
        return active_in(self.feature_regularizers, "initial")

    def ltmg_model(self) -> LTMG | None:
        """The LTMG model that the regularizers ask for, None when none of them does.

        Raises
        ------
        ValueError
            Two of them ask for different models: a run has one set of states.
        """
        wanted = [r for r in self.active_regularizers() if isinstance(r, LTMGWeightedError)]
        models = {r.to_ltmg() for r in wanted}
        if len(models) > 1:
            raise ValueError("two LTMG regularizers with different settings; a run has one model")
        return models.pop() if models else None

    def fit_ltmg_states(self, state: State, context: IterationContext) -> State:
        """LTMG states of the expression, where a regularizer wants them."""
        model = self.ltmg_model()
        if model is None:
            return state
        return replace(
            state,
            ltmg_states=context(steps.fit_ltmg_states, model, state.x, context.seed_for("signal")),
        )

    def encode(
        self,
        state: State,
        target: Expression,
        training: Training,
        warm_start: autoencoders.WarmStart | None,
        context: IterationContext,
    ) -> tuple[State, autoencoders.AutoencoderFit]:
        """The feature autoencoder on ``target``, fresh or going on from ``start``."""
        phase: Phase = "iteration" if context.iteration else "initial"
        parts = self.make_autoencoder(self.reconstruction_weight, self.feature_regularizers, phase)
        seen = self.select_inputs(state, target, parts.regularizers)
        if phase == "initial" and getattr(self.feature_decoder, "counts", False):
            autoencoders.check_integer_counts(target)
        seed = context.seed_for("feature_autoencoder")
        fitted = context(
            autoencoders.fit_feature_autoencoder, parts, training, seen, seed, warm_start
        )
        counts = {"dead_units": int((fitted.embedding == 0).all(0).sum())}
        rebuilt = autoencoders.reconstruct(parts, fitted, state.n_genes)
        if rebuilt is not None:
            counts["dead_genes"] = count_zero_columns(rebuilt)
        state = replace(state, embedding=fitted.embedding, reconstruction=rebuilt)
        return context.record(state, "feature autoencoder", loss=fitted.losses, **counts), fitted

    def build_graph_and_cluster(self, state: State, context: IterationContext) -> State:
        """The cell graph of the embedding, the graph embedding, and its clusters."""
        for_clusters = self._build_graph(self.graph_builder, state, context)
        graph = for_clusters
        if self.prune_applies_to == "clusterer":
            whole = replace(self.graph_builder, prune=None)  # type: ignore[type-var]
            if getattr(whole, "symmetry", "") == "last_written":  # a rule for pruned edges alone
                whole = replace(whole, symmetry="union")  # type: ignore[type-var]
            graph = self._build_graph(whole, state, context)
        embedding = state.embedding
        if graph is not None:
            state = context.record(replace(state, graph=graph), "cell graph", edges=graph.nnz // 2)
        if self.graph_encoder is not None:
            embedded = context(
                graph_autoencoder.fit_graph_autoencoder,
                self.graph_encoder,
                self.graph_decoder,
                self.graph_training,
                state.embedding,
                graph,
                self.graph_features,
                self.edge_holdout_fraction,
                self.graph_fanout,
                context.seed_for("graph_encoder"),
            )
            embedding = embedded.embedding
            if np.ptp(embedding, 0).max() <= 1e-5 * np.abs(embedding).max():
                log.warning(
                    "graph autoencoder: all cells have come to one embedding, so there is one "
                    "cluster; lower graph_training.learning_rate, or set graph_features: row_normalized"
                )
            state = context.record(state, "graph autoencoder", loss=embedded.losses)
        state = replace(state, graph_embedding=embedding)
        clusterer, state = self.select_clusterer(state, for_clusters, context)
        labels = context(
            steps.cluster,
            clusterer,
            embedding,
            for_clusters,
            self.min_cluster_size,
            self.max_clusters or state.n_cells,
            self.small_clusters,
            context.seed_for("clusterer"),
        )
        state = replace(state, clusters=labels)
        return context.record(state, "clustering", clusters=int(labels.max()) + 1)

    def select_clusterer(
        self, state: State, graph: sparse.csr_matrix | None, context: IterationContext
    ) -> tuple[Clusterer, State]:
        """The clusterer of this round."""
        return self.clusterer, state

    @staticmethod
    def _build_graph(
        builder: GraphBuilder | None, state: State, context: IterationContext
    ) -> sparse.csr_matrix | None:
        if builder is None:
            return None
        batch = state.batch if "batch" in collect_requirements(builder) else None
        seed = context.seed_for("graph_builder")
        return context(steps.build_graph, builder, state.embedding, seed, batch)

    def make_autoencoder(
        self, reconstruction_weight: float, regularizers: tuple[Regularizer, ...], phase: Phase
    ) -> autoencoders.Autoencoder:
        """The feature autoencoder and what its loss is made of in a phase."""
        taking_part = active_in(regularizers, phase)
        return autoencoders.Autoencoder(
            self.feature_encoder, self.feature_decoder, reconstruction_weight, taking_part
        )

    @staticmethod
    def select_inputs(state: State, x: Expression, regularizers: tuple[Regularizer, ...]) -> State:
        """What a training is given: its target and the fields that its regularizers read."""
        needs = collect_requirements(regularizers)
        return State(x, state.genes, state.cells, **{need: getattr(state, need) for need in needs})
