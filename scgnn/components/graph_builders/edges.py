"""From directed edges to a graph: their weights and their symmetry."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import sparse

EdgeWeighting = Literal["binary", "inverse_distance", "gaussian"]
Symmetry = Literal["union", "mutual", "last_written"]

MIN_WEIGHT = float(np.finfo(np.float32).tiny)  # an edge that is kept never weighs nothing


def compute_edge_weights(
    weighting: EdgeWeighting, distances: np.ndarray, widths: np.ndarray | float
) -> np.ndarray:
    """1, ``1 / (1 + d)`` or ``exp(−d² / width)`` of each edge; the width is σ_i σ_j."""
    if weighting == "binary":
        return np.ones(distances.shape)
    if weighting == "inverse_distance":
        return 1 / (1 + distances)
    return compute_exponential_kernel(distances**2 / widths)


def compute_exponential_kernel(exponents: np.ndarray) -> np.ndarray:
    """``exp(−x)``, above zero in float32 too."""
    return np.maximum(np.exp(-exponents), MIN_WEIGHT)


def compute_local_scales(kth_distances: np.ndarray) -> np.ndarray:
    """σ of each cell from its distance to its last neighbour.

    A cell with k twins has none of its own; the smallest of the others stands in.
    """
    positive = kth_distances > 0
    return np.where(positive, kth_distances, kth_distances[positive].min(initial=np.inf))


def build_directed_graph(neighbors: np.ndarray, weights: np.ndarray) -> sparse.csr_matrix:
    """Edges from each cell to its neighbours, both cells x k; those of weight 0 are none."""
    n, k = neighbors.shape
    ends = (np.repeat(np.arange(n), k), neighbors.ravel())
    graph = sparse.csr_matrix((weights.ravel().astype(np.float32), ends), (n, n))
    graph.eliminate_zeros()
    return graph


def symmetrize(neighbors: np.ndarray, weights: np.ndarray, symmetry: Symmetry) -> sparse.csr_matrix:
    """Directed edges, cells x k, weighing the same from both ends, 0 where dropped, as a graph."""
    kept = build_directed_graph(neighbors, weights)
    if symmetry == "union":
        return canonicalize(kept.maximum(kept.T))
    if symmetry == "mutual":
        return canonicalize(kept.minimum(kept.T))
    # edges are written cell by cell, so of i < j the edge from j is the last one written
    later, earlier = sparse.tril(kept), sparse.triu(kept)
    decided = sparse.tril(build_directed_graph(neighbors, np.ones(neighbors.shape)))
    upper = earlier - earlier.multiply(decided.T) + later.T
    return canonicalize(upper.maximum(upper.T))


def canonicalize(graph: sparse.spmatrix) -> sparse.csr_matrix:
    """A symmetric matrix as a graph: float32, sorted, nothing at zero."""
    graph = sparse.csr_matrix(graph, dtype=np.float32)
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph


def make_empty_graph(n_cells: int) -> sparse.csr_matrix:
    """The graph of cells that have no neighbours."""
    return sparse.csr_matrix((n_cells, n_cells), dtype=np.float32)
