"""UMAP's fuzzy simplicial set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from scgnn.components.graph_builders.contract import GraphBuilder
from scgnn.components.graph_builders.edges import build_directed_graph, canonicalize
from scgnn.components.graph_builders.knn import NeighborGraph, PrunedNeighbors
from scgnn.components.pruners import Pruner

N_BISECTIONS, SMOOTH_K_TOLERANCE = 64, 1e-5  # umap-learn's n_iter and SMOOTH_K_TOLERANCE
MIN_K_DIST_SCALE = 1e-3  # umap-learn's MIN_K_DIST_SCALE


@GraphBuilder.register("umap")
@dataclass(frozen=True)
class UMAP(NeighborGraph):
    """The fuzzy neighbour graph of UMAP (McInnes et al. 2018), as in umap-learn and scanpy.

    A cell is connected to a neighbour by ``exp(−(d − ρ) / σ)``, ρ its distance to the nearest
    neighbour and σ such that its edges sum to log2(k + 1); the two directions of an edge are
    joined as a + b − ab. umap-learn's n_neighbors counts the cell itself and so is k + 1.
    """

    prune: Pruner | None = None

    def connect(self, knn: PrunedNeighbors) -> sparse.csr_matrix:
        beyond, sigma = smooth_knn_dist(knn.distances)
        member = np.exp(-beyond / np.maximum(sigma, np.finfo(float).tiny)[:, None])
        one_way = build_directed_graph(knn.neighbors, member * knn.keep)
        return canonicalize(one_way + one_way.T - one_way.multiply(one_way.T))


def smooth_knn_dist(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``max(d − ρ, 0)``, cells x k, and σ of each cell, from distances to k neighbours."""
    n, k = distances.shape
    rho = np.where(distances > 0, distances, np.inf).min(1)
    rho[np.isinf(rho)] = 0  # a cell with k twins
    beyond = np.maximum(distances - rho[:, None], 0)
    low, high, sigma = np.zeros(n), np.full(n, np.inf), np.ones(n)
    searching = np.ones(n, dtype=bool)
    for _ in range(N_BISECTIONS):
        excess = np.exp(-beyond / sigma[:, None]).sum(1) - np.log2(k + 1)
        searching &= np.abs(excess) >= SMOOTH_K_TOLERANCE
        above, below = searching & (excess > 0), searching & (excess <= 0)
        high[above], low[below] = sigma[above], sigma[below]
        middle = np.where(np.isinf(high), 2 * sigma, (low + np.minimum(high, 1e300)) / 2)
        sigma = np.where(searching, middle, sigma)
    own = distances.sum(1) / (k + 1)  # umap-learn's mean has the cell itself in it, at 0
    least = MIN_K_DIST_SCALE * np.where(rho > 0, own, own.mean())
    return beyond, np.maximum(sigma, least)
