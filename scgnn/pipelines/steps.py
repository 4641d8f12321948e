"""The steps that pipelines are made of. Each is a stage: a pure function of what it is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from scgnn.components.clusterers import Clusterer, canonical, merge_small
from scgnn.components.decoders import Decoder, InnerProduct, graph_target
from scgnn.components.encoders import Encoder
from scgnn.components.graph_builders import GraphBuilder
from scgnn.components.ltmg import LTMG
from scgnn.components.regularizers import Regularizer
from scgnn.errors import InputError
from scgnn.seeding import generator, seed_for, torch_seed
from scgnn.stages import stage
from scgnn.state import Matrix, State
from scgnn.training import (
    Arrays,
    Rows,
    Training,
    adam,
    fit,
    from_arrays,
    optimizer_from_arrays,
    optimizer_to_arrays,
    predict,
    refuse_divergence,
    to_arrays,
)


@dataclass(frozen=True)
class Autoencoder:
    """The parts of a feature autoencoder and of its loss.

    ``fidelity · error(x, x̂) + Σ regularizers``; the plain error is the decoder's.
    """

    encoder: Encoder
    decoder: Decoder | None
    fidelity: float
    regularizers: tuple[Regularizer, ...] = ()

    def build(self, n_features: int, seed: int) -> nn.ModuleDict:
        """Both networks; each draws its weights from a seed of its own."""
        with torch_seed(seed_for(seed, "encoder")):
            networks = {"encoder": self.encoder.build(n_features)}
        if self.decoder is not None:
            with torch_seed(seed_for(seed, "decoder")):
                mirrored = self.decoder.mirror(self.encoder)
                networks["decoder"] = mirrored.build(self.encoder.hidden[-1], n_features)
        return nn.ModuleDict(networks)


class Fitted(NamedTuple):
    """A trained feature autoencoder and what it makes of the cells."""

    embedding: np.ndarray  # cells x hidden[-1]
    reconstruction: np.ndarray | None  # cells x genes
    weights: Arrays
    optimizer: Arrays
    losses: np.ndarray  # epochs


class Embedded(NamedTuple):
    """A graph embedding and how its training went."""

    embedding: np.ndarray  # cells x hidden[-1]
    losses: np.ndarray  # epochs


class Start(NamedTuple):
    """Weights, and Adam's state or nothing, to begin a training from."""

    weights: Arrays
    optimizer: Arrays


@stage("LTMG")
def discretize(model: LTMG, x: Matrix, seed: int) -> sparse.csr_matrix:
    """LTMG state of every value, cells x genes."""
    try:
        return model.fit(x, seed).states
    except ValueError as error:
        raise InputError(str(error)) from error


@stage("feature autoencoder")
def fit_features(
    parts: Autoencoder, training: Training, state: State, seed: int, start: Start | None
) -> Fitted:
    """Train a feature autoencoder on ``state.x``, freshly or from ``start``."""
    module = parts.build(state.n_genes, seed)
    optimizer = _begin(parts, module, state.x, training, seed, start)
    losses = _train(parts, module, state, training, seed_for(seed, "training"), optimizer)
    embedding, reconstruction = _outputs(module, state.x, training.batch_size)
    refuse_divergence(training, embedding, reconstruction)
    return Fitted(
        embedding, reconstruction, to_arrays(module), optimizer_to_arrays(optimizer), losses
    )


@stage("imputation")
def impute(parts: Autoencoder, training: Training, state: State, seed: int) -> Fitted:
    """Train a fresh autoencoder on ``state.x``; its reconstruction is the imputed matrix."""
    return fit_features(parts, training, state, seed, None)


@stage("cluster autoencoders")
def fit_clusters(
    parts: Autoencoder,
    training: Training,
    state: State,
    start: Start,
    rule: Literal["copy", "continue"],
    on: Literal["own", "all"],
    seed: int,
) -> Fitted:
    """Rebuild ``state.x`` by one autoencoder per cluster of ``state.labels``.

    ``copy`` starts each from the same weights; ``continue`` runs one network and one Adam through
    all clusters. ``own`` trains on a cluster's cells, ``all`` on every cell.
    """
    assert state.labels is not None
    module = parts.build(state.n_genes, seed)
    optimizer = _begin(parts, module, state.x, training, seed, start)
    rebuilt = np.empty(state.x.shape, dtype=np.float32)
    embedding = np.empty((state.n_cells, parts.encoder.hidden[-1]), dtype=np.float32)
    losses = np.zeros(training.epochs)
    for cluster in range(int(state.labels.max()) + 1):
        cells = np.flatnonzero(state.labels == cluster)
        if rule == "copy":
            from_arrays(module, start.weights)
            optimizer = adam(module, training)
        rows = replace(state, x=state.x[cells]) if on == "own" else state
        losses += _train(parts, module, rows, training, seed_for(seed, cluster), optimizer)
        embedding[cells], rebuilt[cells] = _outputs(module, state.x[cells], training.batch_size)
    refuse_divergence(training, embedding, rebuilt)
    return Fitted(embedding, rebuilt, to_arrays(module), optimizer_to_arrays(optimizer), losses)


def _begin(
    parts: Autoencoder,
    module: nn.ModuleDict,
    x: Matrix,
    training: Training,
    seed: int,
    start: Start | None,
) -> torch.optim.Optimizer:
    """Prepare a module's computed parts, load ``start``, and make its optimiser."""
    if start is None:
        parts.encoder.prepare(module["encoder"], x, seed_for(seed, "prepare"))
    else:
        from_arrays(module, start.weights)
    trained = nn.Linear(1, 1) if not list(module.parameters()) else module
    optimizer = adam(trained, training)
    if start is not None and start.optimizer:
        optimizer_from_arrays(optimizer, start.optimizer)
    return optimizer


def _train(
    parts: Autoencoder,
    module: nn.ModuleDict,
    state: State,
    training: Training,
    seed: int,
    optimizer: torch.optim.Optimizer,
) -> np.ndarray:
    if parts.decoder is None:
        return np.zeros(training.epochs)
    decoder = parts.decoder
    x = Rows(state.x)
    prepared = [regularizer.prepare(state) for regularizer in parts.regularizers]

    def loss(cells: Tensor | None) -> Tensor:
        batch = x[cells]
        x_hat = module["decoder"](module["encoder"](None, batch))
        value = parts.fidelity * decoder.loss(x_hat, batch)
        for regularizer, ready in zip(parts.regularizers, prepared, strict=True):
            value = value + regularizer.loss(x_hat, batch, ready, cells)
        return value

    return fit(module, loss, state.n_cells, training, seed, optimizer)


def _outputs(
    module: nn.ModuleDict, x: Matrix, batch_size: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Embedding and reconstruction of all cells, a clean forward pass after training."""

    def forward(rows: Tensor) -> tuple[Tensor, ...]:
        z = module["encoder"](None, rows)
        return (z, module["decoder"](z)) if "decoder" in module else (z,)

    outputs = predict(forward, x, batch_size)
    return outputs[0], outputs[1] if len(outputs) > 1 else None


@stage("cell graph")
def build_graph(builder: GraphBuilder, embedding: np.ndarray, seed: int) -> sparse.csr_matrix:
    """The cell graph of an embedding."""
    return builder(embedding, seed)


@stage("graph autoencoder")
def fit_graph(
    encoder: Encoder,
    decoder: Decoder,
    training: Training,
    embedding: np.ndarray,
    graph: sparse.csr_matrix,
    features: Literal["raw", "binary"],
    holdout: float,
    seed: int,
) -> Embedded:
    """Train a new graph autoencoder; the mean of its embedding is what is clustered.

    ``binary`` hands the encoder z > column mean instead of z. ``holdout`` is the share of edges
    that neither carry messages nor count as connected while training.
    """
    assert isinstance(decoder, InnerProduct)
    if features == "binary":
        embedding = embedding > embedding.mean(0)
    x = torch.from_numpy(np.asarray(embedding, dtype=np.float32))
    graph = without_edges(graph, holdout, seed_for(seed, "holdout"))
    width = encoder.hidden[-1]
    wider = (*encoder.hidden[:-1], decoder.latent(width))
    widened: Encoder = replace(encoder, hidden=wider)  # type: ignore[type-var]
    with torch_seed(seed_for(seed, "encoder")):
        module = widened.build(x.shape[1])
    widened.prepare(module, x.numpy(), seed_for(seed, "prepare"))
    messages, target = widened.graph(graph), graph_target(graph)

    def loss(_: Tensor | None) -> Tensor:
        return decoder.loss(module(messages, x), target)

    everything = replace(training, batch_size=len(x))  # one step on the whole graph
    losses = fit(module, loss, len(x), everything, seed_for(seed, "training"))
    module.eval()
    with torch.no_grad():
        found = decoder.embedding(module(messages, x)).numpy().copy()
    refuse_divergence(training, found)
    return Embedded(found, losses)


def without_edges(graph: sparse.csr_matrix, share: float, seed: int) -> sparse.csr_matrix:
    """The graph less a random share of its edges, both directions of each."""
    upper = sparse.triu(graph, k=1).tocoo()
    n_out = int(upper.nnz * share)
    if n_out == 0:
        return graph
    keep = np.sort(generator(seed).permutation(upper.nnz)[n_out:])
    half = sparse.csr_matrix((upper.data[keep], (upper.row[keep], upper.col[keep])), graph.shape)
    return sparse.csr_matrix(half + half.T)


@stage("clustering")
def cluster(
    clusterer: Clusterer,
    embedding: np.ndarray,
    graph: sparse.csr_matrix | None,
    min_size: int,
    max_clusters: int,
    seed: int,
) -> np.ndarray:
    """Labels 0 … K−1 by falling size; small and surplus clusters are made one."""
    labels = clusterer(embedding, graph, seed)
    return canonical(merge_small(labels, min_size, max_clusters))
