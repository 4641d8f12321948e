"""One pass without iteration: encode, graph, encode, cluster. The baselines live here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scgnn.components.clusterers import Clusterer, Leiden
from scgnn.components.decoders import Decoder, InnerProduct
from scgnn.components.encoders import PCA, Encoder
from scgnn.components.graph_builders import KNN, GraphBuilder
from scgnn.components.pruners import KeepAll
from scgnn.components.regularizers import Regularizer, in_phase
from scgnn.fields import Natural, Positive, Weight
from scgnn.pipelines import Pipeline, steps
from scgnn.pipelines.record import note, signal_model
from scgnn.registry import requirements, slot
from scgnn.seeding import seed_for
from scgnn.stages import Stages
from scgnn.state import State
from scgnn.training import Training


@Pipeline.register("single_pass")
@dataclass(frozen=True)
class SinglePass(Pipeline):
    """Encode, build the graph, perhaps encode again, cluster: the floor scores are read against.

    Parameters
    ----------
    feature_encoder
        Expression into the feature embedding.
    feature_decoder
        Trains the encoder to rebuild expression, and imputes; null where nothing is trained.
    fidelity
        Weight of the plain squared error.
    feature_regularizers
        What else the autoencoder is held to.
    graph_builder
        The feature embedding into the cell graph; null for none.
    graph_encoder
        The graph and the feature embedding into the embedding that is clustered; null clusters
        the feature embedding.
    graph_decoder
        What the graph embedding must rebuild.
    clusterer
        The embedding and the graph into clusters.
    min_cluster_size
        Clusters with fewer cells are merged into one.
    max_clusters
        Clusters beyond this number are merged into one; 0 sets no limit.
    feature_training
        Budget of the feature autoencoder.
    graph_training
        Budget of the graph autoencoder.
    """

    feature_encoder: Encoder = slot(PCA())
    feature_decoder: Decoder | None = slot(None)
    fidelity: Weight = 1.0
    feature_regularizers: tuple[Regularizer, ...] = slot((), "signal")
    graph_builder: GraphBuilder | None = slot(KNN(k=15, prune=KeepAll()))
    graph_encoder: Encoder | None = slot(None, "graph")
    graph_decoder: Decoder = slot(InnerProduct())
    clusterer: Clusterer = slot(Leiden(), "graph")
    min_cluster_size: Positive = 1
    max_clusters: Natural = 0
    feature_training: Training = Training(epochs=500)
    graph_training: Training = Training(epochs=200, learning_rate=1e-2)

    def __post_init__(self) -> None:
        if self.feature_decoder is not None and self.feature_decoder.target != "features":
            raise ValueError(f"feature_decoder: {self.feature_decoder.name} rebuilds the graph")
        if self.graph_decoder.target != "graph":
            raise ValueError(f"graph_decoder: {self.graph_decoder.name} rebuilds expression")
        if self.feature_regularizers and self.feature_decoder is None:
            raise ValueError("feature_regularizers: without a feature_decoder nothing is trained")
        if self.graph_builder is None:
            for word in ("graph_encoder", "clusterer"):
                if "graph" in requirements(getattr(self, word)):
                    raise ValueError(f"{word}: needs the graph, but graph_builder is null")
        signal_model(self.feature_regularizers)

    def __call__(self, state: State, stages: Stages, seed: int) -> State:
        state = self._features(state, stages, seed)
        embedding = state.embedding
        if self.graph_builder is not None:
            graph_seed = seed_for(seed, "graph_builder", 0)
            graph = stages(steps.build_graph, self.graph_builder, embedding, graph_seed)
            state = note(replace(state, graph=graph), 0, "cell graph", edges=graph.nnz // 2)
        if self.graph_encoder is not None:
            embedded = stages(
                steps.fit_graph,
                self.graph_encoder,
                self.graph_decoder,
                self.graph_training,
                embedding,
                state.graph,
                "raw",
                0.0,
                seed_for(seed, "graph_encoder", 0),
            )
            embedding = embedded.embedding
            state = note(state, 0, "graph autoencoder", losses=embedded.losses)
        labels = stages(
            steps.cluster,
            self.clusterer,
            embedding,
            state.graph,
            self.min_cluster_size,
            self.max_clusters or state.n_cells,
            seed_for(seed, "clusterer", 0),
        )
        state = note(state, 0, "clustering", clusters=int(labels.max()) + 1)
        return replace(state, graph_embedding=embedding, labels=labels, stopped="a single pass")

    def _features(self, state: State, stages: Stages, seed: int) -> State:
        """The feature embedding, and the reconstruction where there is a decoder."""
        model = signal_model(self.feature_regularizers)
        if model is not None:
            signal = stages(steps.discretize, model, state.x, seed_for(seed, "signal"))
            state = replace(state, signal=signal)
        parts = steps.Autoencoder(
            self.feature_encoder,
            self.feature_decoder,
            self.fidelity,
            in_phase(self.feature_regularizers, "initial"),
        )
        seen = State(state.x, state.genes, state.cells, signal=state.signal)
        feature_seed = seed_for(seed, "feature_autoencoder", 0)
        fitted = stages(steps.fit_features, parts, self.feature_training, seen, feature_seed, None)
        state = replace(
            state,
            embedding=fitted.embedding,
            reconstruction=fitted.reconstruction,
            imputed=fitted.reconstruction,
        )
        return note(state, 0, "feature autoencoder", losses=fitted.losses)
