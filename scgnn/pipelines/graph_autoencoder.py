"""The training of the graph autoencoder, on the full graph or in mini-batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from scipy import sparse

from scgnn.components.decoders import Decoder, GraphDecoder, GraphTarget, make_graph_target
from scgnn.components.encoders import Encoder, MessagePassing
from scgnn.errors import InputError
from scgnn.execution.hardware import current_hardware
from scgnn.execution.stages import stage
from scgnn.registry.introspection import collect_requirements, has_third_party
from scgnn.seeding import generator, seed_for, torch_generator, use_torch_seed
from scgnn.training.device import select_rows
from scgnn.training.fit import check_finite, fit
from scgnn.training.settings import Training

if TYPE_CHECKING:
    from torch import Tensor

GraphFeatures = Literal["raw", "binary", "row_normalized"]


class GraphAutoencoderFit(NamedTuple):
    """The embedding of a trained graph autoencoder, and its losses."""

    embedding: np.ndarray  # cells x width
    losses: np.ndarray  # epochs


@stage("graph autoencoder", "device", "backend")
def fit_graph_autoencoder(
    encoder: Encoder,
    decoder: Decoder,
    training: Training,
    embedding: np.ndarray,
    graph: sparse.csr_matrix,
    features: GraphFeatures,
    edge_holdout_fraction: float,
    fanout: int | None,
    seed: int,
) -> GraphAutoencoderFit:
    """Train a new graph autoencoder.

    Parameters
    ----------
    encoder, decoder, training
        The components and the budget.
    embedding
        The feature embedding, cells x width.
    graph
        The cell graph, cells x cells.
    features
        The input of the encoder: the embedding z (``raw``), z > column mean (``binary``) or z
        divided by its row sum (``row_normalized``).
    edge_holdout_fraction
        Fraction of edges that are hidden from the encoder and from the loss in training.
    fanout
        Neighbors sampled per cell and layer in mini-batches; None trains on the full graph.
    seed
        Seed of weights, held-out edges and samples.

    Returns
    -------
    GraphAutoencoderFit
        The embedding, of a variational decoder its mean, and the loss of each epoch.
    """
    assert isinstance(decoder, GraphDecoder)
    x = torch.from_numpy(_transform_features(embedding, features))
    n_cells, n_features = x.shape
    graph = hold_out_edges(graph, edge_holdout_fraction, seed_for(seed, "holdout"))
    width = encoder.embedding_width(n_features)
    if (encoder_width := decoder.encoder_width(width)) != width:
        encoder = encoder.replace_width(encoder_width)
    with use_torch_seed(seed_for(seed, "encoder")):
        module = encoder.build(n_features)
    encoder.prepare(module, x.numpy(), seed_for(seed, "prepare"))
    device = current_hardware().device
    module.to(device)
    message_graph, target = encoder.prepare_graph(graph), make_graph_target(graph)
    batch_size = n_cells
    if fanout is not None and training.batch_size < n_cells:
        batch_size = training.batch_size
        sample_neighbors = _make_neighbor_sampler(encoder, graph, message_graph, fanout)
        sample_target = BatchTargetSampler(graph, target)
    full_graph = message_graph.to(device) if hasattr(message_graph, "to") else message_graph
    x, target = x.to(device), target.to(device)

    def loss(cells: Tensor | None) -> Tensor:
        if cells is None:
            return decoder.loss(module(full_graph, x), target)
        nodes, batch_target = sample_target(cells)
        inputs, blocks = sample_neighbors(nodes)
        blocks = None if blocks is None else blocks.to(device)
        output = module(blocks, select_rows(x, inputs))[: len(nodes)]
        return decoder.loss(output, batch_target.to(device)) * (len(cells) / n_cells)

    training = replace(training, batch_size=batch_size, validation_fraction=0.0)
    own_generator = not has_third_party((encoder, decoder))
    seed = seed_for(seed, "training")
    losses = fit(module, loss, n_cells, training, seed, own_generator=own_generator)
    module.eval()
    with torch.no_grad():
        z = decoder.extract_embedding(module(full_graph, x)).cpu().numpy().copy()
    check_finite(training, z)
    return GraphAutoencoderFit(z, losses)


def _transform_features(embedding: np.ndarray, features: GraphFeatures) -> np.ndarray:
    if features == "binary":
        embedding = embedding > embedding.mean(0)
    elif features == "row_normalized":
        total = embedding.sum(1, keepdims=True)
        embedding = np.divide(embedding, total, out=np.zeros_like(embedding), where=total != 0)
    return np.asarray(embedding, dtype=np.float32)


class BatchTargetSampler:
    """The targets of batches of cells, with one random entry of each cell's row of A + I.

    Parameters
    ----------
    graph
        A, cells x cells.
    target
        The target of all cells.
    """

    def __init__(self, graph: sparse.csr_matrix, target: GraphTarget) -> None:
        order = torch.argsort(target.rows, stable=True)
        self.columns = target.cols[order]
        self.degree = torch.bincount(target.rows, minlength=graph.shape[0])
        self.row_start = self.degree.cumsum(0) - self.degree
        self.target = target
        self._batch_position = torch.empty(graph.shape[0], dtype=torch.int64)

    def __call__(self, cells: Tensor) -> tuple[Tensor, GraphTarget]:
        """Return the nodes of a batch, first ``cells``, then their neighbors, and its target."""
        n, degree = len(cells), self.degree[cells]
        entry = (torch.rand(n, generator=torch_generator()) * degree).long().clamp(max=degree - 1)
        neighbors = self.columns[self.row_start[cells] + entry]
        self._batch_position[neighbors] = -1
        self._batch_position[cells] = torch.arange(n)
        others = neighbors[self._batch_position[neighbors] < 0].unique()
        self._batch_position[others] = torch.arange(n, n + len(others))
        batch = self.target._replace(
            rows=torch.arange(n),
            cols=self._batch_position[neighbors],
            n_sampled=n,
            weights=degree * (self.target.n_cells / n),
        )
        return torch.cat([cells, others]), batch


def _make_neighbor_sampler(
    encoder: Encoder, graph: sparse.csr_matrix, message_graph: Any, fanout: int
) -> Callable[[Tensor], tuple[Tensor, Any]]:
    """Return a function from nodes to the nodes they receive messages from, and their graph.

    Raises
    ------
    InputError
        The encoder takes the graph in a form of its own.
    """
    if "graph" not in collect_requirements(encoder):
        return lambda nodes: (nodes, None)
    from scgnn.components.encoders.message_graph import MessageGraph
    from scgnn.components.encoders.neighbor_sampling import sample_neighborhood

    n_hops = len(getattr(encoder, "hidden", (0,)))
    if isinstance(encoder, MessagePassing) and encoder.uses_dgl:
        messages = MessageGraph.from_csr(graph, encoder.add_self_loops)

        def sample_for_dgl(nodes: Tensor) -> tuple[Tensor, Any]:
            sampled, subgraph = sample_neighborhood(messages, nodes, fanout, n_hops)
            return sampled, subgraph.to_dgl()

        return sample_for_dgl
    if not isinstance(message_graph, MessageGraph):
        raise InputError(
            f"graph_fanout: neighbors can be sampled from a MessageGraph only, but {encoder.name} "
            f"takes the graph as {type(message_graph).__name__}; set graph_fanout to null"
        )
    return lambda nodes: sample_neighborhood(message_graph, nodes, fanout, n_hops)


def hold_out_edges(graph: sparse.csr_matrix, fraction: float, seed: int) -> sparse.csr_matrix:
    """Remove a random fraction of the edges, both directions of each."""
    upper = sparse.triu(graph, k=1).tocoo()
    n_out = int(upper.nnz * fraction)
    if n_out == 0:
        return graph
    keep = np.sort(generator(seed).permutation(upper.nnz)[n_out:])
    half = sparse.csr_matrix((upper.data[keep], (upper.row[keep], upper.col[keep])), graph.shape)
    return sparse.csr_matrix(half + half.T)
