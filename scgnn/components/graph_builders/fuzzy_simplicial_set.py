"""Fuzzy simplicial set of UMAP."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from scgnn.components.graph_builders.contract import GraphBuilder
from scgnn.components.graph_builders.edges import build_directed_graph, canonicalize
from scgnn.components.graph_builders.knn import NeighborGraph, PrunedNeighbors
from scgnn.components.pruners import Pruner

# constants of umap-learn; N_BISECTIONS is its n_iter
N_BISECTIONS, SMOOTH_K_TOLERANCE, MIN_K_DIST_SCALE = 64, 1e-5, 1e-3


@GraphBuilder.register("umap")
@dataclass(frozen=True)
class UMAP(NeighborGraph):
    """Fuzzy simplicial set of UMAP, as in umap-learn and scanpy (McInnes et al. 2018).

    Directed weights are ``exp(−max(d − ρ, 0) / σ)``, where ρ is the distance to the nearest
    neighbor and σ is such that the weights of a cell sum to log2(k + 1). The two directions a and b
    of an edge are combined as a + b − ab. umap-learn's n_neighbors counts the cell and corresponds
    to k + 1.

    References
    ----------
    McInnes, Healy, Melville (2018) UMAP: uniform manifold approximation and projection for
    dimension reduction. arXiv:1802.03426.
    """

    prune: Pruner | None = None

    def connect(self, knn: PrunedNeighbors) -> csr_matrix:
        excess, sigma = smooth_knn_dist(knn.distances)
        weights = np.exp(-excess / np.maximum(sigma, np.finfo(float).tiny)[:, None])
        graph = build_directed_graph(knn.neighbors, weights * knn.keep)
        return canonicalize(graph + graph.T - graph.multiply(graph.T))


def smooth_knn_dist(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``max(d − ρ, 0)``, cells x k, and σ [cells] for distances to k neighbors.

    The reference implementation is ``umap.umap_.smooth_knn_dist``.
    """
    n, k = distances.shape
    rho = np.where(distances > 0, distances, np.inf).min(1)
    rho[np.isinf(rho)] = 0  # a cell with k identical neighbors
    excess = np.maximum(distances - rho[:, None], 0)
    low, high, sigma = np.zeros(n), np.full(n, np.inf), np.ones(n)
    active = np.ones(n, dtype=bool)
    for _ in range(N_BISECTIONS):
        error = np.exp(-excess / sigma[:, None]).sum(1) - np.log2(k + 1)
        active &= np.abs(error) >= SMOOTH_K_TOLERANCE
        above, below = active & (error > 0), active & (error <= 0)
        high[above], low[below] = sigma[above], sigma[below]
        middle = np.where(np.isinf(high), 2 * sigma, (low + np.minimum(high, 1e300)) / 2)
        sigma = np.where(active, middle, sigma)
    mean = distances.sum(1) / (k + 1)  # umap-learn's mean includes the cell itself, at 0
    return excess, np.maximum(sigma, MIN_K_DIST_SCALE * np.where(rho > 0, mean, mean.mean()))
