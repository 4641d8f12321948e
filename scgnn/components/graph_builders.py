"""Graph builders: an embedding into a graph of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from scgnn.components.pruners import MeanSd, Pruner
from scgnn.fields import Positive
from scgnn.registry import Component

Metric = Literal["euclidean", "cosine", "correlation"]


class GraphBuilder(Component, kind="graph_builder"):
    """Connects cells that are near each other in an embedding."""

    def __call__(self, embedding: np.ndarray, seed: int) -> sparse.csr_matrix:
        """The graph, cells x cells: symmetric CSR, no self-loops, weights > 0."""
        raise NotImplementedError


@GraphBuilder.register("knn")
@dataclass(frozen=True)
class KNN(GraphBuilder):
    """k nearest neighbours, far ones pruned, every edge in both directions with weight 1.

    Parameters
    ----------
    k
        Neighbours of a cell, fewer where there are fewer cells.
    metric
        Distance between embeddings: euclidean, cosine (1 − cos) or correlation (1 − Pearson).
    prune
        Which of a cell's k edges are dropped again.
    symmetry
        union keeps an edge that either cell kept, mutual one that both kept. last_written is what
        scGNN's code hands to Louvain: where two cells name each other, the later cell decides.
    """

    k: Positive = 10
    metric: Metric = "euclidean"
    prune: Pruner = MeanSd()
    symmetry: Literal["union", "mutual", "last_written"] = "union"

    def __call__(self, embedding: np.ndarray, seed: int) -> sparse.csr_matrix:
        neighbours, distances = nearest(embedding, self.k, self.metric)
        if neighbours.shape[1] == 0:
            return sparse.csr_matrix((len(embedding), len(embedding)), dtype=np.float32)
        keep = self.prune(neighbours, distances)
        return symmetric(neighbours, keep, self.symmetry)


def nearest(embedding: np.ndarray, k: int, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest other cells and their distances, both cells x k, nearest first.

    Neighbours come from scikit-learn's exact search in blocks; the distances are then recomputed
    in float64, and ties are ordered by cell.
    """
    from sklearn.neighbors import NearestNeighbors

    points = _points(np.asarray(embedding, dtype=np.float64), metric)
    n = len(points)
    k = min(k, n - 1)
    if k < 1:
        return np.empty((n, 0), dtype=np.int64), np.empty((n, 0))
    search = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(points)
    found = search.kneighbors(points, return_distance=False)
    # the cell itself goes; where equal cells pushed it out, the last of the list goes
    itself = found == np.arange(n)[:, None]
    itself[~itself.any(axis=1), -1] = True
    found = found[~itself].reshape(n, k)
    distances = np.empty((n, k))
    for j in range(k):
        distances[:, j] = np.sqrt(np.square(points - points[found[:, j]]).sum(1))
    if metric != "euclidean":
        distances = distances**2 / 2  # |a − b|² = 2 (1 − cos) for unit vectors
    order = np.lexsort((found, distances), axis=1)
    return np.take_along_axis(found, order, 1), np.take_along_axis(distances, order, 1)


def _points(embedding: np.ndarray, metric: Metric) -> np.ndarray:
    """Points whose Euclidean distance ranks cells as the metric does."""
    if metric == "euclidean":
        return embedding
    if metric == "correlation":
        embedding = embedding - embedding.mean(1, keepdims=True)
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    return np.divide(embedding, length, out=np.zeros_like(embedding), where=length > 0)


def symmetric(
    neighbours: np.ndarray, keep: np.ndarray, rule: Literal["union", "mutual", "last_written"]
) -> sparse.csr_matrix:
    """Directed edges, cells x k with a mask of those kept, as a symmetric 0/1 graph."""
    n, k = neighbours.shape
    rows = np.repeat(np.arange(n), k)
    shape = (n, n)
    kept = sparse.csr_matrix((keep.ravel().astype(np.float32), (rows, neighbours.ravel())), shape)
    kept.eliminate_zeros()
    if rule == "union":
        graph = kept.maximum(kept.T)
    elif rule == "mutual":
        graph = kept.minimum(kept.T)
    else:
        # edges are written cell by cell, so of i < j the edge from j is the last one written
        named = sparse.csr_matrix((np.ones(n * k, np.float32), (rows, neighbours.ravel())), shape)
        later, earlier = sparse.tril(kept), sparse.triu(kept)
        decided = sparse.tril(named)
        upper = earlier - earlier.multiply(decided.T) + later.T
        graph = upper.maximum(upper.T)
    graph = sparse.csr_matrix(graph, dtype=np.float32)
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph
