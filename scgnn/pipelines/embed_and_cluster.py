"""One pass over the cells: encode, connect, encode again, cluster. Every pipeline here makes it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from scipy import sparse

from scgnn.components.clusterers import Clusterer, Leiden
from scgnn.components.decoders import Decoder, GraphAutoencoder, InnerProduct
from scgnn.components.encoders import PCA, Encoder
from scgnn.components.graph_builders import KNN, GraphBuilder
from scgnn.components.ltmg import LTMG
from scgnn.components.pruners import KeepAll
from scgnn.components.regularizers import LTMGStates, Phase, Regularizer, in_phase
from scgnn.field_types import Natural, Positive, ProperShare, Weight
from scgnn.pipelines import autoencoders, graph_autoencoder, steps
from scgnn.pipelines.contract import Pipeline
from scgnn.pipelines.iteration import Turn
from scgnn.pipelines.reconstruction import always_zero
from scgnn.registry.introspection import requirements, slot
from scgnn.state import Expression, State
from scgnn.training.budget import Training

log = logging.getLogger("scgnn")


@dataclass(frozen=True)
class Pass(Pipeline):
    """The slots of one pass, and the pass.

    Parameters
    ----------
    feature_encoder
        Expression into the feature embedding.
    feature_decoder
        The feature embedding back into expression; null where the encoder is not trained.
    fidelity
        Weight of the plain squared error, 1 − α, in the feature autoencoder.
    feature_regularizers
        What else the feature autoencoder is held to.
    graph_builder
        The feature embedding into the cell graph; null for none.
    prune_applies_to
        louvain, as in the published code, hides pruned edges from the clusterer alone: the graph
        autoencoder and the imputation keep them.
    graph_encoder
        The graph and the feature embedding into the embedding that is clustered; null clusters
        the feature embedding.
    graph_decoder
        What the graph embedding must rebuild.
    graph_features
        What the graph encoder sees of the embedding z: raw, z; binary, z > column mean, as the
        published code has it; share, z divided by its row sum.
    edge_holdout
        Share of edges hidden from the graph autoencoder; 0.15 in the published code.
    graph_neighbours
        Neighbours that a cell hears in each layer while the graph autoencoder is trained in
        mini-batches of graph_training.batch_size cells; 0 trains it on the whole graph.
    clusterer
        The embedding and the graph into clusters.
    min_cluster_size
        Clusters with fewer cells are small; 1 keeps all.
    max_clusters
        Clusters beyond this number count as small; 0 sets no limit.
    small_clusters
        merge makes all small clusters one; nearest gives their cells to the nearest other cluster.
    feature_training
        Budget of the first feature autoencoder.
    graph_training
        Budget of each graph autoencoder.
    """

    feature_encoder: Encoder = slot(PCA())
    feature_decoder: Decoder | None = slot(None)
    fidelity: Weight = 1.0
    feature_regularizers: tuple[Regularizer, ...] = slot((), "signal graph labels")
    graph_builder: GraphBuilder | None = slot(KNN(k=15, prune=KeepAll()), "batch")
    prune_applies_to: Literal["all", "louvain"] = "all"
    graph_encoder: Encoder | None = slot(None, "graph")
    graph_decoder: Decoder = slot(InnerProduct())
    graph_features: graph_autoencoder.Features = "raw"
    edge_holdout: ProperShare = 0.0
    graph_neighbours: Natural = 0
    clusterer: Clusterer = slot(Leiden(), "graph")
    min_cluster_size: Positive = 1
    max_clusters: Natural = 0
    small_clusters: Literal["merge", "nearest"] = "merge"
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
        starting = in_phase(self.feature_regularizers, "initial")
        if self.feature_decoder is not None and not (self.fidelity or starting):
            raise ValueError("fidelity: 0 without a feature regularizer leaves nothing to learn")
        self._refuse_idle_regularizers()
        for regularizer in self.regularizers():
            regularizer.suits(self.feature_encoder)
        if self.graph_encoder is not None and self.graph_decoder.latent(1) > 1:  # type: ignore[attr-defined]
            self.graph_encoder.widened(2)  # refuses where it cannot
        if self.graph_neighbours and not isinstance(self.graph_decoder, GraphAutoencoder):
            raise ValueError(
                f"graph_neighbours: {self.graph_decoder.name} sees the whole graph; set it to 0"
            )
        if self.graph_builder is None:
            for name in ("graph_encoder", "clusterer"):
                if "graph" in requirements(getattr(self, name)):
                    raise ValueError(f"{name}: needs the graph, but graph_builder is null")
        if self.prune_applies_to == "louvain" and not hasattr(self.graph_builder, "prune"):
            raise ValueError("prune_applies_to: the graph_builder does not prune")
        self.signal_model()

    def _refuse_idle_regularizers(self) -> None:
        """Refuse a feature regularizer that no training of this pipeline can use."""
        for regularizer in self.feature_regularizers:
            if not any(map(regularizer.takes_part, self.feature_phases)):
                needs = " and ".join(sorted(regularizer.requires)) or "nothing"
                phases = ", ".join(regularizer.phases) or "none"
                raise ValueError(
                    f"feature_regularizers: {regularizer.name} takes part in no training: its "
                    f"phases are {phases} and it needs the {needs}; the "
                    f"trainings here are {', '.join(self.feature_phases)}, and the first one knows "
                    "no graph and no labels"
                )

    def regularizers(self) -> tuple[Regularizer, ...]:
        """Those of all phases."""
        return self.feature_regularizers

    def at_work(self) -> tuple[Regularizer, ...]:
        """Those that some training here uses."""
        return in_phase(self.feature_regularizers, "initial")

    def signal_model(self) -> LTMG | None:
        """The LTMG model that the regularizers ask for, None when none of them does.

        Raises
        ------
        ValueError
            Two of them ask for different models: a run has one set of states.
        """
        wanted = [r for r in self.at_work() if isinstance(r, LTMGStates)]
        models = {r.model() for r in wanted}
        if len(models) > 1:
            raise ValueError("two LTMG regularizers with different settings; a run has one model")
        return models.pop() if models else None

    def discretize(self, state: State, turn: Turn) -> State:
        """LTMG states of the expression, where a regularizer wants them."""
        model = self.signal_model()
        if model is None:
            return state
        return replace(
            state, signal=turn(steps.discretize, model, state.x, turn.seed_for("signal"))
        )

    def encode(
        self,
        state: State,
        target: Expression,
        training: Training,
        start: autoencoders.Start | None,
        turn: Turn,
    ) -> tuple[State, autoencoders.Fitted]:
        """The feature autoencoder on ``target``, fresh or going on from ``start``."""
        phase: Phase = "iteration" if turn.iteration else "initial"
        parts = self.autoencoder(self.fidelity, self.feature_regularizers, phase)
        seen = self.seen(state, target, parts.regularizers)
        if phase == "initial" and getattr(self.feature_decoder, "counts", False):
            autoencoders.refuse_other_than_counts(target)
        seed = turn.seed_for("feature_autoencoder")
        fitted = turn(autoencoders.fit_features, parts, training, seen, seed, start)
        counts = {"dead_units": int((fitted.embedding == 0).all(0).sum())}
        rebuilt = autoencoders.expression(parts, fitted, state.n_genes)
        if rebuilt is not None:
            counts["dead_genes"] = always_zero(rebuilt)
        state = replace(state, embedding=fitted.embedding, reconstruction=rebuilt)
        return turn.note(state, "feature autoencoder", loss=fitted.losses, **counts), fitted

    def connect_and_cluster(self, state: State, turn: Turn) -> State:
        """The cell graph of the embedding, the graph embedding, and its clusters."""
        for_clusters = self._connect(self.graph_builder, state, turn)
        graph = for_clusters
        if self.prune_applies_to == "louvain":
            whole = replace(self.graph_builder, prune=KeepAll())  # type: ignore[type-var]
            if getattr(whole, "symmetry", "") == "last_written":  # a rule for pruned edges alone
                whole = replace(whole, symmetry="union")  # type: ignore[type-var]
            graph = self._connect(whole, state, turn)
        embedding = state.embedding
        if graph is not None:
            state = turn.note(replace(state, graph=graph), "cell graph", edges=graph.nnz // 2)
        if self.graph_encoder is not None:
            embedded = turn(
                graph_autoencoder.fit_graph,
                self.graph_encoder,
                self.graph_decoder,
                self.graph_training,
                state.embedding,
                graph,
                self.graph_features,
                self.edge_holdout,
                self.graph_neighbours,
                turn.seed_for("graph_encoder"),
            )
            embedding = embedded.embedding
            if np.ptp(embedding, 0).max() <= 1e-5 * np.abs(embedding).max():
                log.warning(
                    "graph autoencoder: all cells have come to one embedding, so there is one "
                    "cluster; lower graph_training.learning_rate, or set graph_features: share"
                )
            state = turn.note(state, "graph autoencoder", loss=embedded.losses)
        state = replace(state, graph_embedding=embedding)
        clusterer, state = self.chosen(state, for_clusters, turn)
        labels = turn(
            steps.cluster,
            clusterer,
            embedding,
            for_clusters,
            self.min_cluster_size,
            self.max_clusters or state.n_cells,
            self.small_clusters,
            turn.seed_for("clusterer"),
        )
        state = replace(state, labels=labels)
        return turn.note(state, "clustering", clusters=int(labels.max()) + 1)

    def chosen(
        self, state: State, graph: sparse.csr_matrix | None, turn: Turn
    ) -> tuple[Clusterer, State]:
        """The clusterer of this round."""
        return self.clusterer, state

    @staticmethod
    def _connect(
        builder: GraphBuilder | None, state: State, turn: Turn
    ) -> sparse.csr_matrix | None:
        if builder is None:
            return None
        batch = state.batch if "batch" in requirements(builder) else None
        seed = turn.seed_for("graph_builder")
        return turn(steps.build_graph, builder, state.embedding, seed, batch)

    def autoencoder(
        self, fidelity: float, regularizers: tuple[Regularizer, ...], phase: Phase
    ) -> autoencoders.Autoencoder:
        """The feature autoencoder and what its loss is made of in a phase."""
        taking_part = in_phase(regularizers, phase)
        return autoencoders.Autoencoder(
            self.feature_encoder, self.feature_decoder, fidelity, taking_part
        )

    @staticmethod
    def seen(state: State, x: Expression, regularizers: tuple[Regularizer, ...]) -> State:
        """What a training is given: its target and the fields that its regularizers read."""
        needs = requirements(regularizers)
        return State(x, state.genes, state.cells, **{need: getattr(state, need) for need in needs})
