"""Batch-balanced nearest-neighbor graphs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix

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


@GraphBuilder.register("bbknn")
@dataclass(frozen=True)
class BBKNN(WeightedNeighborGraph):
    """Batch-balanced kNN graph: k nearest neighbors in each batch (Polański et al. 2020).

    Number of neighbors, pruning and the σ of gaussian weights apply within each batch. The
    published BBKNN weights edges as UMAP does.

    References
    ----------
    Polański et al. (2020) BBKNN: fast batch alignment of single cell transcriptomes.
    Bioinformatics 36:964.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"batch"})

    def __call__(  # type: ignore[override]  # batch is an additional argument
        self, embedding: np.ndarray, seed: int, batch: np.ndarray
    ) -> csr_matrix:
        n = len(embedding)
        _, codes = np.unique(batch, return_inverse=True)
        kth_distances = np.zeros((n, codes.max() + 1))  # cells x batches
        edges = []
        for b, cells, distances, neighbors in self._search(embedding, codes):
            kth_distances[cells, b] = distances[:, -1]
            keep = self.select_edges(neighbors, distances, seed)
            sources = np.broadcast_to(cells[:, None], keep.shape)
            edges.append((sources[keep], neighbors[keep], distances[keep]))
        if not edges:
            return make_empty_graph(n)
        i, j, d = (np.concatenate(column) for column in zip(*edges, strict=True))
        sigma = compute_local_scales(kth_distances)
        scales = sigma[i, codes[j]] * sigma[j, codes[i]]
        weights = compute_edge_weights(self.weights, d, scales)
        directed = csr_matrix((weights, (i, j)), (n, n))
        return canonicalize(directed.maximum(directed.T))

    def _search(
        self, embedding: np.ndarray, codes: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
        """Yield batch, cells, and their distances and neighbors in that batch, cells x k."""
        for b in range(codes.max() + 1):
            inside, outside = np.flatnonzero(codes == b), np.flatnonzero(codes != b)
            k = resolve_n_neighbors(self.n_neighbors, len(inside))
            if len(inside) > 1:
                distances, neighbors = kneighbors(embedding[inside], k, self.metric)
                yield b, inside, distances, inside[neighbors]
            if len(outside):
                distances, neighbors = cross_kneighbors(
                    embedding[outside], embedding[inside], k, self.metric
                )
                yield b, outside, distances, inside[neighbors]
