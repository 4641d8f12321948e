"""Neighbour graphs that bridge batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from scipy import sparse

from scgnn.components.graph_builders.contract import GraphBuilder
from scgnn.components.graph_builders.edges import edge_weights, local_widths, no_edges, tidy
from scgnn.components.graph_builders.knn import WeightedNeighbours
from scgnn.components.graph_builders.neighbors import nearest, nearest_among, neighbour_count


class Found(NamedTuple):
    """Some cells, and their nearest neighbours in one batch, cells x k, nearest first."""

    cells: np.ndarray
    neighbours: np.ndarray
    distances: np.ndarray
    batch: int


@GraphBuilder.register("batch_balanced")
@dataclass(frozen=True)
class BatchBalanced(WeightedNeighbours):
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
            keep = self.prune(found.neighbours, found.distances, seed)
            cells = np.broadcast_to(found.cells[:, None], keep.shape)
            edges.append((cells[keep], found.neighbours[keep], found.distances[keep]))
        if not edges:
            return no_edges(n)
        one, other, distances = (np.concatenate(column) for column in zip(*edges, strict=True))
        sigma = local_widths(farthest)
        widths = sigma[one, code[other]] * sigma[other, code[one]]
        weights = edge_weights(self.weights, distances, widths)
        one_way = sparse.csr_matrix((weights, (one, other)), (n, n))
        return tidy(one_way.maximum(one_way.T))

    def _search(self, embedding: np.ndarray, code: np.ndarray) -> Iterator[Found]:
        """Neighbours in each batch, for its own cells and for all others."""
        for batch in range(code.max() + 1):
            inside, outside = np.flatnonzero(code == batch), np.flatnonzero(code != batch)
            k = neighbour_count(self.k, len(inside))
            members = embedding[inside]
            if len(inside) > 1:
                neighbours, distances = nearest(members, k, self.metric)
                yield Found(inside, inside[neighbours], distances, batch)
            if len(outside):
                found, distances = nearest_among(embedding[outside], members, k, self.metric)
                yield Found(outside, inside[found], distances, batch)
