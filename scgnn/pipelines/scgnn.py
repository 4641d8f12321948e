"""scGNN (Wang et al., Nature Communications 2021): the iterative method, as the paper tells it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from scgnn.components.clusterers import Clusterer, KMeans
from scgnn.components.decoders import MLP as MLPDecoder
from scgnn.components.decoders import Decoder, InnerProduct
from scgnn.components.encoders import GCN, MLP, Encoder
from scgnn.components.graph_builders import KNN, GraphBuilder
from scgnn.components.pruners import KeepAll
from scgnn.components.regularizers import (
    ClusterSize,
    Degree,
    LTMGStates,
    Phase,
    Regularizer,
    in_phase,
)
from scgnn.components.stops import LabelsStop, Stop, agreement, graph_change
from scgnn.fields import Natural, Positive, ProperShare, Weight
from scgnn.pipelines import Pipeline, steps
from scgnn.pipelines.record import note, signal_model
from scgnn.registry import requirements, slot
from scgnn.seeding import seed_for
from scgnn.stages import Stages
from scgnn.state import Round, State
from scgnn.training import Training


@Pipeline.register("scgnn")
@dataclass(frozen=True)
class ScGNN(Pipeline):
    """scGNN: feature, graph and cluster autoencoders in turn until the clusters stand still.

    Parameters
    ----------
    feature_encoder
        Expression into the feature embedding.
    feature_decoder
        The feature embedding back into expression.
    fidelity
        Weight of the plain squared error, 1 − α, in the feature and cluster autoencoders.
    feature_regularizers
        What else the feature autoencoder is held to.
    graph_builder
        The feature embedding into the cell graph.
    prune_applies_to
        louvain, as in the published code, hides pruned edges from the clusterer alone: the graph
        autoencoder and the imputation keep them.
    graph_encoder
        The graph and the feature embedding into the embedding that is clustered; null clusters
        the feature embedding.
    graph_decoder
        What the graph embedding must rebuild.
    graph_features
        binary hands z > column mean to the graph encoder instead of z, as the published code does.
    edge_holdout
        Share of edges hidden from the graph autoencoder; 0.15 in the published code.
    clusterer
        The embedding and the graph into clusters.
    min_cluster_size
        Clusters with fewer cells are merged into one.
    max_clusters
        Clusters beyond this number are merged into one.
    cluster_autoencoders
        Rebuild each cluster by an autoencoder of its own; false is scGNN's quick mode.
    cluster_start
        copy starts each from the feature autoencoder's weights; continue, as in the published
        code, runs one network and one Adam through all phases.
    iterate_on
        What the iterations train on: the reconstruction, or, as in the published code, the input.
    max_iterations
        Iterations after the first clustering.
    stop
        When to stop before that.
    final_labels
        recluster takes the labels of the last embedding; last_iteration, as in the published code,
        those of the iteration before.
    impute
        Whether to impute at the end.
    imputation_fidelity
        Weight γ of the plain squared error in the imputation.
    imputation_regularizers
        What else the imputation is held to.
    zero_below
        Imputed values below this are set to zero.
    feature_training
        Budget of the first feature autoencoder.
    graph_training
        Budget of each graph autoencoder.
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
    feature_regularizers: tuple[Regularizer, ...] = slot((LTMGStates(),), "signal")
    graph_builder: GraphBuilder = slot(KNN())
    prune_applies_to: Literal["all", "louvain"] = "all"
    graph_encoder: Encoder | None = slot(GCN(), "graph")
    graph_decoder: Decoder = slot(InnerProduct())
    graph_features: Literal["raw", "binary"] = "raw"
    edge_holdout: ProperShare = 0.0
    clusterer: Clusterer = slot(KMeans(), "graph")
    min_cluster_size: Positive = 5
    max_clusters: Positive = 30
    cluster_autoencoders: bool = True
    cluster_start: Literal["copy", "continue"] = "copy"
    iterate_on: Literal["reconstruction", "input"] = "reconstruction"
    max_iterations: Natural = 10
    stop: Stop = slot(LabelsStop())
    final_labels: Literal["recluster", "last_iteration"] = "recluster"
    impute: bool = True
    imputation_fidelity: Weight = 0.0
    imputation_regularizers: tuple[Regularizer, ...] = slot(
        (Degree(), ClusterSize()), "signal graph labels"
    )
    zero_below: Weight = 0.01
    feature_training: Training = Training(epochs=500)
    graph_training: Training = Training(epochs=200, learning_rate=1e-2)
    cluster_training: Training = Training(epochs=200)
    iteration_training: Training = Training(epochs=200)
    imputation_training: Training = Training(epochs=200, l1=1.0)

    def __post_init__(self) -> None:
        if self.feature_decoder.target != "features":
            raise ValueError(f"feature_decoder: {self.feature_decoder.name} rebuilds the graph")
        if self.graph_decoder.target != "graph":
            raise ValueError(f"graph_decoder: {self.graph_decoder.name} rebuilds expression")
        if self.prune_applies_to == "louvain" and not hasattr(self.graph_builder, "prune"):
            raise ValueError(f"prune_applies_to: {self.graph_builder.name} does not prune")
        if not self.fidelity and not in_phase(self.feature_regularizers, "initial"):
            raise ValueError("fidelity: 0 without a feature regularizer leaves nothing to learn")
        if not self.fidelity and self.max_iterations and self.cluster_autoencoders:
            raise ValueError("fidelity: 0 leaves the cluster autoencoders nothing to learn")
        held = self.imputation_fidelity or in_phase(self.imputation_regularizers, "imputation")
        if self.impute and not held:
            raise ValueError("imputation_fidelity: 0 without a regularizer leaves nothing to learn")
        signal_model((*self.feature_regularizers, *self.imputation_regularizers))

    def __call__(self, state: State, stages: Stages, seed: int) -> State:
        x = state.x
        model = signal_model((*self.feature_regularizers, *self.imputation_regularizers))
        if model is not None:
            signal = stages(steps.discretize, model, x, seed_for(seed, "signal"))
            state = replace(state, signal=signal)

        state, fitted = self._features(state, x, None, stages, seed, 0)
        state = self._graph_and_clusters(state, stages, seed, 0)
        rounds = [Round(state.graph, state.labels)]

        for iteration in range(1, self.max_iterations + 1):
            if self.cluster_autoencoders:
                state, fitted = self._clusters(state, x, fitted, stages, seed, iteration)
            target = x if self.iterate_on == "input" else state.reconstruction
            state, fitted = self._features(state, target, fitted, stages, seed, iteration)
            state = self._graph_and_clusters(state, stages, seed, iteration)
            rounds = [rounds[0], *rounds[1:][-1:], Round(state.graph, state.labels)]
            state = note(state, iteration, "iteration", agreement=agreement(rounds))
            state = note(state, iteration, "iteration", graph_change=graph_change(rounds))
            state = replace(state, iterations=iteration, stopped=self.stop(rounds))
            if state.stopped:
                break
        if not state.stopped:
            state = replace(state, stopped=f"max_iterations ({self.max_iterations}) reached")
        if self.final_labels == "last_iteration" and len(rounds) > 1:
            state = replace(state, labels=rounds[-2].labels)
        return self._impute(state, x, stages, seed) if self.impute else state

    def _features(self, state, target, before, stages, seed, iteration):  # type: ignore[no-untyped-def]
        """The feature autoencoder, fresh at first, later going on from its weights."""
        phase: Phase = "iteration" if iteration else "initial"
        parts = self._autoencoder(self.fidelity, self.feature_regularizers, phase)
        training = self.iteration_training if iteration else self.feature_training
        seen = self._seen(state, target, parts.regularizers)
        seed = seed_for(seed, "feature_autoencoder", iteration)
        start = self._start(before)
        fitted = stages(steps.fit_features, parts, training, seen, seed, start, iteration=iteration)
        state = replace(state, embedding=fitted.embedding, reconstruction=fitted.reconstruction)
        state = note(
            state,
            iteration,
            "feature autoencoder",
            losses=fitted.losses,
            dead_units=int((fitted.embedding == 0).all(0).sum()),
            dead_genes=int((fitted.reconstruction == 0).all(0).sum()),
        )
        return state, fitted

    def _graph_and_clusters(self, state: State, stages: Stages, seed: int, iteration: int) -> State:
        """The cell graph of the embedding, the graph embedding, and its clusters."""
        at = {"iteration": iteration}
        graph_seed = seed_for(seed, "graph_builder", iteration)
        pruned = stages(steps.build_graph, self.graph_builder, state.embedding, graph_seed, **at)
        graph = pruned
        if self.prune_applies_to == "louvain":
            whole = replace(self.graph_builder, prune=KeepAll(), symmetry="union")
            graph = stages(steps.build_graph, whole, state.embedding, graph_seed, **at)
        state = note(replace(state, graph=graph), iteration, "cell graph", edges=graph.nnz // 2)

        embedding = state.embedding
        if self.graph_encoder is not None:
            embedded = stages(
                steps.fit_graph,
                self.graph_encoder,
                self.graph_decoder,
                self.graph_training,
                state.embedding,
                graph,
                self.graph_features,
                self.edge_holdout,
                seed_for(seed, "graph_encoder", iteration),
                **at,
            )
            embedding = embedded.embedding
            state = note(state, iteration, "graph autoencoder", losses=embedded.losses)

        labels = stages(
            steps.cluster,
            self.clusterer,
            embedding,
            pruned,
            self.min_cluster_size,
            self.max_clusters,
            seed_for(seed, "clusterer", iteration),
            **at,
        )
        state = replace(state, graph_embedding=embedding, labels=labels)
        return note(state, iteration, "clustering", clusters=int(labels.max()) + 1)

    def _clusters(self, state, x, fitted, stages, seed, iteration):  # type: ignore[no-untyped-def]
        """Each cluster rebuilt by an autoencoder of its own."""
        target = x if self.iterate_on == "input" else state.reconstruction
        rebuilt = stages(
            steps.fit_clusters,
            self._autoencoder(self.fidelity, (), "iteration"),
            self.cluster_training,
            State(target, state.genes, state.cells, labels=state.labels),
            self._start(fitted),
            self.cluster_start,
            "all" if self.iterate_on == "input" else "own",
            seed_for(seed, "cluster_autoencoders", iteration),
            iteration=iteration,
        )
        state = replace(state, reconstruction=rebuilt.reconstruction)
        state = note(state, iteration, "cluster autoencoders", losses=rebuilt.losses)
        return state, rebuilt if self.cluster_start == "continue" else fitted

    def _impute(self, state: State, x, stages: Stages, seed: int) -> State:  # type: ignore[no-untyped-def]
        """A fresh autoencoder on the original expression; small values become zero."""
        parts = self._autoencoder(
            self.imputation_fidelity, self.imputation_regularizers, "imputation"
        )
        seen = self._seen(state, x, parts.regularizers)
        seed = seed_for(seed, "imputation")
        fitted = stages(
            steps.impute, parts, self.imputation_training, seen, seed, iteration=state.iterations
        )
        imputed = np.where(fitted.reconstruction < self.zero_below, 0, fitted.reconstruction)
        dead = int((fitted.reconstruction == 0).all(0).sum())
        last = state.iterations
        state = note(state, last, "imputation", losses=fitted.losses, dead_genes=dead)
        return replace(state, imputed=imputed)

    def _autoencoder(
        self, fidelity: float, regularizers: tuple[Regularizer, ...], phase: Phase
    ) -> steps.Autoencoder:
        taking_part = in_phase(regularizers, phase)
        return steps.Autoencoder(self.feature_encoder, self.feature_decoder, fidelity, taking_part)

    def _start(self, fitted: steps.Fitted | None) -> steps.Start | None:
        if fitted is None:
            return None
        return steps.Start(
            fitted.weights, fitted.optimizer if self.cluster_start == "continue" else {}
        )

    @staticmethod
    def _seen(state: State, x, regularizers) -> State:  # type: ignore[no-untyped-def]
        """What a training is given: its target and the fields that its regularizers read."""
        needs = requirements(regularizers)
        return State(x, state.genes, state.cells, **{need: getattr(state, need) for need in needs})
