"""The other steps of pipelines. Each is a stage: a pure function of what it is given."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from scgnn.components.clusterers import Clusterer, Counted, canonical, merge_small, nearest_small
from scgnn.components.decoders import Decoder, GraphDecoder, graph_target
from scgnn.components.encoders import Encoder
from scgnn.components.graph_builders import GraphBuilder
from scgnn.components.ltmg import LTMG
from scgnn.errors import InputError
from scgnn.seeding import generator, seed_for, torch_seed
from scgnn.stages import stage
from scgnn.state import Matrix
from scgnn.training import (
    Training,
    fit,
    refuse_divergence,
)

Features = Literal["raw", "binary", "share"]
M = TypeVar("M", Tensor, Matrix)


class Embedded(NamedTuple):
    """A graph embedding and how its training went."""

    embedding: np.ndarray  # cells x hidden[-1]
    losses: np.ndarray  # epochs


@stage("LTMG")
def discretize(model: LTMG, x: Matrix, seed: int) -> sparse.csr_matrix:
    """LTMG state of every value, cells x genes."""
    try:
        return model.fit(x, seed).states
    except ValueError as error:
        raise InputError(str(error)) from error


@stage("cell graph")
def build_graph(
    builder: GraphBuilder, embedding: np.ndarray, seed: int, batch: np.ndarray | None = None
) -> sparse.csr_matrix:
    """The cell graph of an embedding, and of the batches for a builder that asks for them."""
    return builder(embedding, seed) if batch is None else builder(embedding, seed, batch)  # type: ignore[call-arg]


@stage("graph autoencoder")
def fit_graph(
    encoder: Encoder,
    decoder: Decoder,
    training: Training,
    embedding: np.ndarray,
    graph: sparse.csr_matrix,
    features: Features,
    holdout: float,
    seed: int,
) -> Embedded:
    """Train a new graph autoencoder; the mean of its embedding is what is clustered.

    ``binary`` hands the encoder z > column mean instead of z, ``share`` z over its row sum.
    ``holdout`` is the share of edges that neither carry messages nor count as connected while
    training.
    """
    assert isinstance(decoder, GraphDecoder)
    if features == "binary":
        embedding = embedding > embedding.mean(0)
    elif features == "share":
        total = embedding.sum(1, keepdims=True)
        embedding = np.divide(embedding, total, out=np.zeros_like(embedding), where=total != 0)
    x = torch.from_numpy(np.asarray(embedding, dtype=np.float32))
    graph = without_edges(graph, holdout, seed_for(seed, "holdout"))
    asked = decoder.latent(encoder.width(x.shape[1]))
    widened = encoder if asked == encoder.width(x.shape[1]) else encoder.widened(asked)
    with torch_seed(seed_for(seed, "encoder")):
        module = widened.build(x.shape[1])
    widened.prepare(module, x.numpy(), seed_for(seed, "prepare"))
    messages, target = widened.graph(graph), graph_target(graph)

    def loss(_: Tensor | None) -> Tensor:
        return decoder.loss(module(messages, x), target)

    everything = replace(training, batch_size=len(x), held_out=0.0)  # one step on the whole graph
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
def count_clusters(
    clusterer: Counted, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
) -> int:
    """How many clusters a clusterer that has its k counted would look for."""
    return clusterer.count(embedding, graph, seed)


@stage("clustering")
def cluster(
    clusterer: Clusterer,
    embedding: np.ndarray,
    graph: sparse.csr_matrix | None,
    min_size: int,
    max_clusters: int,
    small: Literal["merge", "nearest"],
    seed: int,
) -> np.ndarray:
    """Labels 0 … K−1 by falling size; small and surplus clusters are made one, or join others."""
    labels = np.asarray(clusterer(embedding, graph, seed))
    if labels.shape != (len(embedding),) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"it gave labels of shape {labels.shape} and type {labels.dtype} for "
            f"{len(embedding)} cells; give a whole number for each"
        )
    if small == "nearest":
        return canonical(nearest_small(labels, embedding, min_size, max_clusters))
    return canonical(merge_small(labels, min_size, max_clusters))
