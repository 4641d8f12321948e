"""Neighbour graphs that bridge batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from scipy import sparse

from scgnn.components.graph_builders.contract import GraphBuilder
from scgnn.components.graph_builders.edges import (
    canonicalize,
    compute_edge_weights,
    compute_local_scales,
    make_empty_graph,
)
from scgnn.components.graph_builders.knn import WeightedNeighborGraph
from scgnn.components.graph_builders.neighbors import (
    cross_kneighbors,
    kneighbors,
    resolve_n_neighbors,
)


class NeighborSearchResult(NamedTuple):
    """Some cells, and their nearest neighbours in one batch, cells x k, nearest first."""

    cells: np.ndarray
    neighbors: np.ndarray
    distances: np.ndarray
    batch: int


@GraphBuilder.register("bbknn")
@dataclass(frozen=True)
class BBKNN(WeightedNeighborGraph):
    """The k nearest neighbours of a cell in each batch (BBKNN, Polanski et al. 2019).

    Every cell has neighbours in all batches, so that no batch stays by itself. k, pruning and the
    σ of gaussian weights hold within each batch. BBKNN's own weights are those of UMAP.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"batch"})

    def __call__(  # type: ignore[override]  # the batches are one argument more
        self, embedding: np.ndarray, seed: int, batch: np.ndarray
    ) -> sparse.csr_matrix:
        n = len(embedding)
        _, code = np.unique(batch, return_inverse=True)
        farthest = np.zeros((n, code.max() + 1))  # cells x batches
        edges = []
        for found in self._search(embedding, code):
            farthest[found.cells, found.batch] = found.distances[:, -1]
            keep = self.select_edges(found.neighbors, found.distances, seed)
            cells = np.broadcast_to(found.cells[:, None], keep.shape)
            edges.append((cells[keep], found.neighbors[keep], found.distances[keep]))
        if not edges:
            return make_empty_graph(n)
        one, other, distances = (np.concatenate(column) for column in zip(*edges, strict=True))
        sigma = compute_local_scales(farthest)
        widths = sigma[one, code[other]] * sigma[other, code[one]]
        weights = compute_edge_weights(self.weights, distances, widths)
        one_way = sparse.csr_matrix((weights, (one, other)), (n, n))
        return canonicalize(one_way.maximum(one_way.T))

    def _search(
        self, embedding: np.ndarray, batch_codes: np.ndarray
    ) -> Iterator[NeighborSearchResult]:
        """Neighbours in each batch, for its own cells and for all others."""
        for batch in range(batch_codes.max() + 1):
            inside, outside = (
                np.flatnonzero(batch_codes == batch),
                np.flatnonzero(batch_codes != batch),
            )
            k = resolve_n_neighbors(self.n_neighbors, len(inside))
            members = embedding[inside]
            if len(inside) > 1:
                neighbours, distances = kneighbors(members, k, self.metric)
                yield NeighborSearchResult(inside, inside[neighbours], distances, batch)
            if len(outside):
                found, distances = cross_kneighbors(embedding[outside], members, k, self.metric)
                yield NeighborSearchResult(outside, inside[found], distances, batch)
