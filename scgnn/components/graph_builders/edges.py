"""From directed edges to a graph: their weights and their symmetry."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import sparse

Weights = Literal["binary", "distance", "gaussian"]
Symmetry = Literal["union", "mutual", "last_written"]

LEAST = float(np.finfo(np.float32).tiny)  # an edge that is kept never weighs nothing


def edge_weights(rule: Weights, distances: np.ndarray, widths: np.ndarray | float) -> np.ndarray:
    """1, ``1 / (1 + d)`` or ``exp(−d² / width)`` of each edge; the width is σ_i σ_j."""
    if rule == "binary":
        return np.ones(distances.shape)
    if rule == "distance":
        return 1 / (1 + distances)
    return kernel(distances**2 / widths)


def kernel(exponents: np.ndarray) -> np.ndarray:
    """``exp(−x)``, above zero in float32 too."""
    return np.maximum(np.exp(-exponents), LEAST)


def local_widths(farthest: np.ndarray) -> np.ndarray:
    """σ of each cell from its distance to its last neighbour.

    A cell with k twins has none of its own; the smallest of the others stands in.
    """
    positive = farthest > 0
    return np.where(positive, farthest, farthest[positive].min(initial=np.inf))


def directed(neighbours: np.ndarray, weights: np.ndarray) -> sparse.csr_matrix:
    """Edges from each cell to its neighbours, both cells x k; those of weight 0 are none."""
    n, k = neighbours.shape
    ends = (np.repeat(np.arange(n), k), neighbours.ravel())
    graph = sparse.csr_matrix((weights.ravel().astype(np.float32), ends), (n, n))
    graph.eliminate_zeros()
    return graph


def symmetric(neighbours: np.ndarray, weights: np.ndarray, rule: Symmetry) -> sparse.csr_matrix:
    """Directed edges, cells x k, weighing the same from both ends, 0 where dropped, as a graph."""
    kept = directed(neighbours, weights)
    if rule == "union":
        return tidy(kept.maximum(kept.T))
    if rule == "mutual":
        return tidy(kept.minimum(kept.T))
    # edges are written cell by cell, so of i < j the edge from j is the last one written
    later, earlier = sparse.tril(kept), sparse.triu(kept)
    decided = sparse.tril(directed(neighbours, np.ones(neighbours.shape)))
    upper = earlier - earlier.multiply(decided.T) + later.T
    return tidy(upper.maximum(upper.T))


def tidy(graph: sparse.spmatrix) -> sparse.csr_matrix:
    """A symmetric matrix as a graph: float32, sorted, nothing at zero."""
    graph = sparse.csr_matrix(graph, dtype=np.float32)
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph


def no_edges(n_cells: int) -> sparse.csr_matrix:
    """The graph of cells that have no neighbours."""
    return sparse.csr_matrix((n_cells, n_cells), dtype=np.float32)
