"""The graph autoencoder's training, on the whole graph or in mini-batches of sampled neighbours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from scipy import sparse

from scgnn.components.decoders import Decoder, GraphDecoder, GraphTarget, make_graph_target
from scgnn.components.encoders import Encoder, build_neighbor_sampler
from scgnn.errors import InputError
from scgnn.execution.stages import stage
from scgnn.registry.introspection import collect_requirements
from scgnn.seeding import generator, seed_for, use_torch_seed
from scgnn.training.budget import Training
from scgnn.training.fit import check_finite, fit

if TYPE_CHECKING:
    from torch import Tensor

GraphFeatures = Literal["raw", "binary", "row_normalized"]


class GraphAutoencoderFit(NamedTuple):
    """A graph embedding and how its training went."""

    embedding: np.ndarray  # cells x hidden[-1]
    losses: np.ndarray  # epochs


@stage("graph autoencoder")
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
    """Train a new graph autoencoder; the mean of its embedding is what is clustered.

    ``binary`` hands the encoder z > column mean instead of z, ``row_normalized`` z over its row sum.
    ``holdout`` is the share of edges that neither carry messages nor count as connected while
    training. ``neighbours`` are sampled in mini-batches; 0 trains on the whole graph.
    """
    assert isinstance(decoder, GraphDecoder)
    if features == "binary":
        embedding = embedding > embedding.mean(0)
    elif features == "row_normalized":
        total = embedding.sum(1, keepdims=True)
        embedding = np.divide(embedding, total, out=np.zeros_like(embedding), where=total != 0)
    x = torch.from_numpy(np.asarray(embedding, dtype=np.float32))
    graph = hold_out_edges(graph, edge_holdout_fraction, seed_for(seed, "holdout"))
    asked = decoder.encoder_width(encoder.embedding_width(x.shape[1]))
    widened = (
        encoder if asked == encoder.embedding_width(x.shape[1]) else encoder.replace_width(asked)
    )
    with use_torch_seed(seed_for(seed, "encoder")):
        module = widened.build(x.shape[1])
    widened.prepare(module, x.numpy(), seed_for(seed, "prepare"))
    messages, target = widened.prepare_graph(graph), make_graph_target(graph)

    def whole(_: Tensor | None) -> Tensor:
        return decoder.loss(module(messages, x), target)

    loss: Callable[[Tensor | None], Tensor] = whole
    batch_size = len(x)  # one step on the whole graph
    if fanout is not None and training.batch_size < len(x):
        batch_size = training.batch_size
        sampled = _make_neighbor_sampler(widened, messages, fanout)
        among = BatchTargetSampler(graph, target)

        def loss(cells: Tensor | None) -> Tensor:
            assert cells is not None
            places, batch = among(cells)
            seen, part = sampled(places)
            output = module(part, x[seen])[: len(places)]
            return decoder.loss(output, batch) * (len(cells) / len(x))

    everything = replace(training, batch_size=batch_size, validation_fraction=0.0)
    losses = fit(module, loss, len(x), everything, seed_for(seed, "training"))
    module.eval()
    with torch.no_grad():
        found = decoder.extract_embedding(module(messages, x)).numpy().copy()
    check_finite(training, found)
    return GraphAutoencoderFit(found, losses)


class BatchTargetSampler:
    """The targets of batches of cells: each cell with one of the entries of its row of A + I.

    Parameters
    ----------
    graph
        A, of all cells.
    target
        Its constants.
    """

    def __init__(self, graph: sparse.csr_matrix, target: GraphTarget) -> None:
        order = torch.argsort(target.rows, stable=True)
        self.columns = target.cols[order]
        self.degree = torch.bincount(target.rows, minlength=graph.shape[0])
        self.row_start = self.degree.cumsum(0) - self.degree
        self.target = target
        self._batch_position = torch.empty(graph.shape[0], dtype=torch.int64)

    def __call__(self, cells: Tensor) -> tuple[Tensor, GraphTarget]:
        """The cells and after them the other ends of their entries, and the batch's target."""
        degree = self.degree[cells]
        one = (torch.rand(len(cells)) * degree).long().clamp(max=degree - 1)
        ends = self.columns[self.row_start[cells] + one]
        self._batch_position[ends] = -1
        self._batch_position[cells] = torch.arange(len(cells))
        others = ends[self._batch_position[ends] < 0].unique()
        self._batch_position[others] = torch.arange(len(cells), len(cells) + len(others))
        stands_for = degree * (self.target.n_cells / len(cells))
        batch = self.target._replace(
            rows=torch.arange(len(cells)),
            cols=self._batch_position[ends],
            n_sampled=len(cells),
            weights=stands_for,
        )
        return torch.cat([cells, others]), batch


def _make_neighbor_sampler(
    encoder: Encoder, message_graph: Any, fanout: int
) -> Callable[[Tensor], tuple[Tensor, Any]]:
    """What the messages of a batch come from: the cells that it hears, its own first, their graph.

    Raises
    ------
    InputError
        The encoder wants the graph in a form that is not DGL's.
    """
    if "graph" not in collect_requirements(encoder):
        return lambda places: (places, None)
    if not hasattr(message_graph, "sample_neighbors"):
        raise InputError(
            f"graph_fanout: {encoder.name} takes the graph as {type(message_graph).__name__}, and "
            "neighbours can be sampled of a DGLGraph only; set it to null"
        )
    return build_neighbor_sampler(message_graph, fanout, len(getattr(encoder, "hidden", (0,))))


def hold_out_edges(graph: sparse.csr_matrix, fraction: float, seed: int) -> sparse.csr_matrix:
    """The graph less a random share of its edges, both directions of each."""
    upper = sparse.triu(graph, k=1).tocoo()
    n_out = int(upper.nnz * fraction)
    if n_out == 0:
        return graph
    keep = np.sort(generator(seed).permutation(upper.nnz)[n_out:])
    half = sparse.csr_matrix((upper.data[keep], (upper.row[keep], upper.col[keep])), graph.shape)
    return sparse.csr_matrix(half + half.T)
