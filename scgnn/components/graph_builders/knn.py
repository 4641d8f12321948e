"""k-nearest-neighbor graphs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, identity, vstack

from scgnn.components.graph_builders.contract import GraphBuilder
from scgnn.components.graph_builders.edges import (
    EdgeWeighting,
    Symmetry,
    build_directed_graph,
    canonicalize,
    compute_edge_weights,
    compute_exponential_kernel,
    compute_local_scales,
    make_empty_graph,
    symmetrize,
)
from scgnn.components.graph_builders.neighbors import (
    DEFAULT_EXACT_UP_TO,
    DEFAULT_RECALL,
    Metric,
    kneighbors,
    resolve_n_neighbors,
)
from scgnn.components.pruners import MeanStd, Pruner
from scgnn.field_types import Fraction, NeighborCount, PositiveFloat, PositiveInt

CELLS_PER_BLOCK = 2**12  # whose shared neighbors are counted at a time


class PrunedNeighbors(NamedTuple):
    """k nearest neighbors, all cells x k, by increasing distance."""

    neighbors: np.ndarray
    distances: np.ndarray
    keep: np.ndarray  # False where pruned


@dataclass(frozen=True)
class NeighborGraph(GraphBuilder):
    """Base class of k-nearest-neighbor graphs.

    Parameters
    ----------
    n_neighbors
        Number of neighbors of a cell, not counting itself, limited by the number of cells; below 1
        a fraction of the cells; adaptive is half the square root of their number, within 5 and 30.
    metric
        Distance between embeddings: euclidean, cosine (1 − cos) or correlation (1 − Pearson).
    prune
        Pruner that drops some of the k edges of each cell; null keeps all.
    exact_up_to
        Number of cells up to which the neighbor search is exact; on a GPU, at least 500,000.
        Beyond, it is approximate (HNSW,
        Malkov & Yashunin 2020; requires faiss, ``pip install scgnn[scale]``, else exact).
    recall
        Minimum fraction of the exact neighbors that the approximate search finds; the fraction
        reached is logged.
    """

    n_neighbors: NeighborCount = 10
    metric: Metric = "euclidean"
    prune: Pruner | None = MeanStd()
    exact_up_to: PositiveInt = DEFAULT_EXACT_UP_TO
    recall: Fraction = DEFAULT_RECALL

    def __call__(self, embedding: np.ndarray, seed: int) -> csr_matrix:
        k = resolve_n_neighbors(self.n_neighbors, len(embedding))
        distances, neighbors = kneighbors(embedding, k, self.metric, self.exact_up_to, self.recall)
        if neighbors.shape[1] == 0:
            return make_empty_graph(len(embedding))
        keep = self.select_edges(neighbors, distances, seed)
        return self.connect(PrunedNeighbors(neighbors, distances, keep))

    def select_edges(self, neighbors: np.ndarray, distances: np.ndarray, seed: int) -> np.ndarray:
        """Return the mask of the edges that ``prune`` keeps, cells x k."""
        if self.prune is None:
            return np.ones(distances.shape, dtype=bool)
        return self.prune(neighbors, distances, seed)

    def connect(self, knn: PrunedNeighbors) -> csr_matrix:
        """Return the graph of these neighbors, cells x cells."""
        raise NotImplementedError(f"{type(self).__name__} must define connect()")

    def estimate_n_edges(self, n_cells: int) -> float:
        k = min(resolve_n_neighbors(self.n_neighbors, n_cells), n_cells - 1)
        return 1.6 * n_cells * k


@dataclass(frozen=True)
class WeightedNeighborGraph(NeighborGraph):
    """Base class of k-nearest-neighbor graphs with a choice of edge weights.

    Parameters
    ----------
    weights
        Edge weights: binary is 1; inverse_distance is 1 / (1 + d); gaussian is
        exp(−d² / (σ_i σ_j)), σ a cell's distance to its k-th neighbor (Zelnik-Manor & Perona 2004).
    """

    weights: EdgeWeighting = "binary"

    def build_weighted_graph(self, knn: PrunedNeighbors, symmetry: Symmetry) -> csr_matrix:
        """Return the symmetric graph with weights, cells x cells."""
        sigma = compute_local_scales(knn.distances[:, -1])
        scales = sigma[:, None] * sigma[knn.neighbors]
        weights = compute_edge_weights(self.weights, knn.distances, scales)
        return symmetrize(knn.neighbors, weights * knn.keep, symmetry)


@GraphBuilder.register("knn")
@dataclass(frozen=True)
class KNN(WeightedNeighborGraph):
    """k-nearest-neighbor graph, pruned and symmetrized (scGNN, Wang et al. 2021).

    Parameters
    ----------
    symmetry
        union keeps edges of either direction, mutual of both. last_written follows the graph that
        scGNN's code clusters: where both directions exist, that of the later cell decides.
    """

    symmetry: Symmetry = "union"

    def connect(self, knn: PrunedNeighbors) -> csr_matrix:
        return self.build_weighted_graph(knn, self.symmetry)


@GraphBuilder.register("mutual_knn")
@dataclass(frozen=True)
class MutualKNN(WeightedNeighborGraph):
    """Mutual k-nearest-neighbor graph: both cells are neighbors of each other (Brito et al. 1997).

    A cell without mutual neighbors is isolated.

    References
    ----------
    Brito, Chávez, Quiroz, Yukich (1997) Connectivity of the mutual k-nearest-neighbor graph in
    clustering and outlier detection. Statistics & Probability Letters 35:33.
    """

    def connect(self, knn: PrunedNeighbors) -> csr_matrix:
        return self.build_weighted_graph(knn, "mutual")


@GraphBuilder.register("snn")
@dataclass(frozen=True)
class SNN(NeighborGraph):
    """Shared-nearest-neighbor graph, weighted by the Jaccard index (Jarvis & Patrick 1973).

    The Jaccard index is that of two cells' sets of k neighbors and the cell itself, as in Seurat's
    FindNeighbors, whose k.param counts the cell and corresponds to k + 1.

    Parameters
    ----------
    min_jaccard
        Minimum weight; edges below are dropped (prune.SNN of Seurat).

    References
    ----------
    Jarvis, Patrick (1973) Clustering using a similarity measure based on shared near neighbors.
    IEEE Transactions on Computers C-22:1025.
    """

    prune: Pruner | None = None
    min_jaccard: Fraction = 1 / 15

    def connect(self, knn: PrunedNeighbors) -> csr_matrix:
        n = len(knn.keep)
        sets = build_directed_graph(knn.neighbors, knn.keep) + identity(n, np.float32, "csr")
        starts = range(0, n, CELLS_PER_BLOCK)
        return canonicalize(vstack([self._compute_jaccard(sets, start) for start in starts]))

    def _compute_jaccard(self, sets: csr_matrix, start: int) -> csr_matrix:
        """Return the Jaccard indices of a block of cells with all others, block x cells."""
        sizes = np.diff(sets.indptr)
        shared = (sets[start : start + CELLS_PER_BLOCK] @ sets.T).tocoo()
        i, j = shared.row + start, shared.col
        weights = shared.data / (sizes[i] + sizes[j] - shared.data)
        keep = (i != j) & (weights >= self.min_jaccard)
        return csr_matrix((weights[keep], (shared.row[keep], j[keep])), shared.shape)


@GraphBuilder.register("gaussian")
@dataclass(frozen=True)
class GaussianKernelGraph(NeighborGraph):
    """k-nearest-neighbor graph with Gaussian weights of a single bandwidth (Belkin & Niyogi 2003).

    Weights are ``exp(−d² / 2h²)``.

    Parameters
    ----------
    bandwidth
        Bandwidth h, in units of the metric; auto is the median distance of a cell to its k-th
        neighbor.

    References
    ----------
    Belkin, Niyogi (2003) Laplacian eigenmaps for dimensionality reduction and data representation.
    Neural Computation 15:1373.
    """

    prune: Pruner | None = None
    bandwidth: PositiveFloat | Literal["auto"] = "auto"

    def connect(self, knn: PrunedNeighbors) -> csr_matrix:
        auto = self.bandwidth == "auto"
        h = np.median(compute_local_scales(knn.distances[:, -1])) if auto else self.bandwidth
        weights = compute_exponential_kernel(np.square(knn.distances / h) / 2)
        return symmetrize(knn.neighbors, weights * knn.keep, "union")
