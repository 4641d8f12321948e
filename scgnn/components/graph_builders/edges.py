"""Edge weights, and symmetric graphs from directed edges."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.sparse import csr_matrix, spmatrix, tril, triu

EdgeWeighting = Literal["binary", "inverse_distance", "gaussian"]
Symmetry = Literal["union", "mutual", "last_written"]

MIN_WEIGHT = float(np.finfo(np.float32).tiny)


def compute_edge_weights(
    weighting: EdgeWeighting, distances: np.ndarray, scales: np.ndarray | float
) -> np.ndarray:
    """Return ``1``, ``1 / (1 + d)`` or ``exp(−d² / scale)`` for each edge, d its distance."""
    if weighting == "binary":
        return np.ones(distances.shape)
    if weighting == "inverse_distance":
        return 1 / (1 + distances)
    return compute_exponential_kernel(distances**2 / scales)


def compute_exponential_kernel(exponents: np.ndarray) -> np.ndarray:
    """Return ``exp(−x)``, at least the smallest normal number of float32."""
    return np.maximum(np.exp(-exponents), MIN_WEIGHT)


def compute_local_scales(kth_distances: np.ndarray) -> np.ndarray:
    """Return σ of each cell, the distance to its k-th neighbor.

    Cells with k identical neighbors get the smallest positive σ of all cells.
    """
    positive = kth_distances > 0
    return np.where(positive, kth_distances, kth_distances[positive].min(initial=np.inf))


def build_directed_graph(neighbors: np.ndarray, weights: np.ndarray) -> csr_matrix:
    """Return the edges from each cell to its neighbors, both cells x k, without weights of 0."""
    n, k = neighbors.shape
    ends = (np.repeat(np.arange(n), k), neighbors.ravel())
    graph = csr_matrix((weights.ravel().astype(np.float32), ends), (n, n))
    graph.eliminate_zeros()
    return graph


def symmetrize(neighbors: np.ndarray, weights: np.ndarray, symmetry: Symmetry) -> csr_matrix:
    """Return the symmetric graph of directed edges.

    Parameters
    ----------
    neighbors
        Neighbors of each cell, cells x k.
    weights
        Weights of the edges, cells x k, equal in both directions; 0 where pruned.
    symmetry
        union keeps edges of either direction, mutual of both. last_written lets the direction from
        the cell with the higher number decide where both exist.
    """
    graph = build_directed_graph(neighbors, weights)
    if symmetry == "union":
        return canonicalize(graph.maximum(graph.T))
    if symmetry == "mutual":
        return canonicalize(graph.minimum(graph.T))
    # scGNN's code writes edges cell by cell, so that of i < j the edge from j is written last
    last, first = tril(graph), triu(graph)
    overwritten = tril(build_directed_graph(neighbors, np.ones(neighbors.shape))).T
    upper = first - first.multiply(overwritten) + last.T
    return canonicalize(upper.maximum(upper.T))


def canonicalize(graph: spmatrix) -> csr_matrix:
    """Return a symmetric matrix as CSR float32 with sorted indices and without explicit zeros."""
    graph = csr_matrix(graph, dtype=np.float32)
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph


def make_empty_graph(n_cells: int) -> csr_matrix:
    """Return a graph without edges."""
    return csr_matrix((n_cells, n_cells), dtype=np.float32)
