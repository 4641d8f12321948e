"""The graph autoencoder's training, on the whole graph or in mini-batches of sampled neighbours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from scipy import sparse

from scgnn.components.decoders import Decoder, GraphDecoder, GraphTarget, graph_target
from scgnn.components.encoders import Encoder, sampler
from scgnn.errors import InputError
from scgnn.execution.stages import stage
from scgnn.registry.introspection import requirements
from scgnn.seeding import generator, seed_for, torch_seed
from scgnn.training.budget import Training
from scgnn.training.fit import fit, refuse_divergence

if TYPE_CHECKING:
    from torch import Tensor

Features = Literal["raw", "binary", "share"]


class Embedded(NamedTuple):
    """A graph embedding and how its training went."""

    embedding: np.ndarray  # cells x hidden[-1]
    losses: np.ndarray  # epochs


@stage("graph autoencoder")
def fit_graph(
    encoder: Encoder,
    decoder: Decoder,
    training: Training,
    embedding: np.ndarray,
    graph: sparse.csr_matrix,
    features: Features,
    holdout: float,
    neighbours: int,
    seed: int,
) -> Embedded:
    """Train a new graph autoencoder; the mean of its embedding is what is clustered.

    ``binary`` hands the encoder z > column mean instead of z, ``share`` z over its row sum.
    ``holdout`` is the share of edges that neither carry messages nor count as connected while
    training. ``neighbours`` are sampled in mini-batches; 0 trains on the whole graph.
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

    def whole(_: Tensor | None) -> Tensor:
        return decoder.loss(module(messages, x), target)

    loss: Callable[[Tensor | None], Tensor] = whole
    batch_size = len(x)  # one step on the whole graph
    if neighbours > 0 and training.batch_size < len(x):
        batch_size = training.batch_size
        sampled = _sampled(widened, messages, neighbours)
        among = BatchTargets(graph, target)

        def loss(cells: Tensor | None) -> Tensor:
            assert cells is not None
            places, batch = among(cells)
            seen, part = sampled(places)
            output = module(part, x[seen])[: len(places)]
            return decoder.loss(output, batch) * (len(cells) / len(x))

    everything = replace(training, batch_size=batch_size, held_out=0.0)
    losses = fit(module, loss, len(x), everything, seed_for(seed, "training"))
    module.eval()
    with torch.no_grad():
        found = decoder.embedding(module(messages, x)).numpy().copy()
    refuse_divergence(training, found)
    return Embedded(found, losses)


class BatchTargets:
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
        self.start = self.degree.cumsum(0) - self.degree
        self.target = target
        self._place = torch.empty(graph.shape[0], dtype=torch.int64)

    def __call__(self, cells: Tensor) -> tuple[Tensor, GraphTarget]:
        """The cells and after them the other ends of their entries, and the batch's target."""
        degree = self.degree[cells]
        one = (torch.rand(len(cells)) * degree).long().clamp(max=degree - 1)
        ends = self.columns[self.start[cells] + one]
        self._place[ends] = -1
        self._place[cells] = torch.arange(len(cells))
        others = ends[self._place[ends] < 0].unique()
        self._place[others] = torch.arange(len(cells), len(cells) + len(others))
        stands_for = degree * (self.target.cells / len(cells))
        batch = self.target._replace(
            rows=torch.arange(len(cells)),
            cols=self._place[ends],
            drawn=len(cells),
            weights=stands_for,
        )
        return torch.cat([cells, others]), batch


def _sampled(
    encoder: Encoder, messages: Any, neighbours: int
) -> Callable[[Tensor], tuple[Tensor, Any]]:
    """What the messages of a batch come from: the cells that it hears, its own first, their graph.

    Raises
    ------
    InputError
        The encoder wants the graph in a form that is not DGL's.
    """
    if "graph" not in requirements(encoder):
        return lambda places: (places, None)
    if not hasattr(messages, "sample_neighbors"):
        raise InputError(
            f"graph_neighbours: {encoder.name} takes the graph as {type(messages).__name__}, and "
            "neighbours can be sampled of a DGLGraph only; set it to 0"
        )
    return sampler(messages, neighbours, len(getattr(encoder, "hidden", (0,))))


def without_edges(graph: sparse.csr_matrix, share: float, seed: int) -> sparse.csr_matrix:
    """The graph less a random share of its edges, both directions of each."""
    upper = sparse.triu(graph, k=1).tocoo()
    n_out = int(upper.nnz * share)
    if n_out == 0:
        return graph
    keep = np.sort(generator(seed).permutation(upper.nnz)[n_out:])
    half = sparse.csr_matrix((upper.data[keep], (upper.row[keep], upper.col[keep])), graph.shape)
    return sparse.csr_matrix(half + half.T)
