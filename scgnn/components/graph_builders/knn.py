"""Graphs made of the k nearest neighbours of each cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy import sparse

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

CELLS_PER_BLOCK = 2**12  # whose shared neighbours are counted together


class PrunedNeighbors(NamedTuple):
    """The k nearest neighbours of each cell, all cells x k, nearest first."""

    neighbors: np.ndarray
    distances: np.ndarray
    keep: np.ndarray  # False where pruned


@dataclass(frozen=True)
class NeighborGraph(GraphBuilder):
    """What builders of neighbour graphs share.

    Parameters
    ----------
    n_neighbors
        Neighbours of a cell besides itself, fewer where there are fewer cells; below 1 a share of
        the cells; adaptive is half the square root of their number, between 5 and 30.
    metric
        Distance between embeddings: euclidean, cosine (1 − cos) or correlation (1 − Pearson).
    prune
        Which of a cell's k edges are dropped again.
    exact_up_to
        Cells up to which neighbours are exact. Beyond, they come from an index (Malkov & Yashunin
        2020; faiss, by ``pip install scgnn[scale]``); without faiss they stay exact.
    recall
        Share of the exact neighbours that the index finds at least; the log says what it is. What
        is hard to find is mostly noise: cells that many others are as near to.
    """

    n_neighbors: NeighborCount = 10
    metric: Metric = "euclidean"
    prune: Pruner | None = MeanStd()
    exact_up_to: PositiveInt = DEFAULT_EXACT_UP_TO
    recall: Fraction = DEFAULT_RECALL

    def __call__(self, embedding: np.ndarray, seed: int) -> sparse.csr_matrix:
        k = resolve_n_neighbors(self.n_neighbors, len(embedding))
        neighbours, distances = kneighbors(embedding, k, self.metric, self.exact_up_to, self.recall)
        if neighbours.shape[1] == 0:
            return make_empty_graph(len(embedding))
        keep = self.select_edges(neighbours, distances, seed)
        return self.connect(PrunedNeighbors(neighbours, distances, keep))

    def select_edges(self, neighbors: np.ndarray, distances: np.ndarray, seed: int) -> np.ndarray:
        """A mask, cells x k, of the edges that the pruner keeps."""
        if self.prune is None:
            return np.ones(distances.shape, dtype=bool)
        return self.prune(neighbors, distances, seed)

    def connect(self, knn: PrunedNeighbors) -> sparse.csr_matrix:
        """The graph of these neighbourhoods."""
        raise NotImplementedError


@dataclass(frozen=True)
class WeightedNeighborGraph(NeighborGraph):
    """What neighbour graphs share whose edges can be weighted.

    Parameters
    ----------
    weights
        binary is 1; inverse_distance is 1 / (1 + d); gaussian is exp(−d² / (σ_i σ_j)), σ a cell's distance
        to its k-th neighbour (Zelnik-Manor & Perona 2004).
    """

    weights: EdgeWeighting = "binary"

    def build_weighted_graph(self, knn: PrunedNeighbors, symmetry: Symmetry) -> sparse.csr_matrix:
        """The weighted edges, made symmetric."""
        sigma = compute_local_scales(knn.distances[:, -1])
        widths = sigma[:, None] * sigma[knn.neighbors]
        weights = compute_edge_weights(self.weights, knn.distances, widths)
        return symmetrize(knn.neighbors, weights * knn.keep, symmetry)


@GraphBuilder.register("knn")
@dataclass(frozen=True)
class KNN(WeightedNeighborGraph):
    """k nearest neighbours, far ones pruned, every edge in both directions (scGNN).

    Parameters
    ----------
    symmetry
        union keeps an edge that either cell kept, mutual one that both kept. last_written is what
        scGNN's code hands to Louvain: where two cells name each other, the later cell decides.
    """

    symmetry: Symmetry = "union"

    def select_edges(self, neighbors: np.ndarray, distances: np.ndarray, seed: int) -> np.ndarray:
        """A mask, cells x k, of the edges that the pruner keeps."""
        if self.prune is None:
            return np.ones(distances.shape, dtype=bool)
        return self.prune(neighbors, distances, seed)

    def connect(self, knn: PrunedNeighbors) -> sparse.csr_matrix:
        return self.build_weighted_graph(knn, self.symmetry)


@GraphBuilder.register("mutual_knn")
@dataclass(frozen=True)
class MutualKNN(WeightedNeighborGraph):
    """Cells that are each among the other's k nearest neighbours (Brito et al. 1997).

    A cell that is nobody's neighbour in return stays alone.
    """

    def select_edges(self, neighbors: np.ndarray, distances: np.ndarray, seed: int) -> np.ndarray:
        """A mask, cells x k, of the edges that the pruner keeps."""
        if self.prune is None:
            return np.ones(distances.shape, dtype=bool)
        return self.prune(neighbors, distances, seed)

    def connect(self, knn: PrunedNeighbors) -> sparse.csr_matrix:
        return self.build_weighted_graph(knn, "mutual")


@GraphBuilder.register("snn")
@dataclass(frozen=True)
class SNN(NeighborGraph):
    """Cells that share neighbours, weighted by how many (Jarvis & Patrick 1973; Seurat).

    The weight is the Jaccard index of the two sets of k neighbours, each with the cell itself, as
    Seurat's FindNeighbors has it (whose k.param counts the cell and so is k + 1).

    Parameters
    ----------
    min_jaccard
        Edges under this weight are dropped; Seurat's prune.SNN.
    """

    prune: Pruner | None = None
    min_jaccard: Fraction = 1 / 15

    def select_edges(self, neighbors: np.ndarray, distances: np.ndarray, seed: int) -> np.ndarray:
        """A mask, cells x k, of the edges that the pruner keeps."""
        if self.prune is None:
            return np.ones(distances.shape, dtype=bool)
        return self.prune(neighbors, distances, seed)

    def connect(self, knn: PrunedNeighbors) -> sparse.csr_matrix:
        n = len(knn.keep)
        sets = build_directed_graph(knn.neighbors, knn.keep) + sparse.identity(n, np.float32, "csr")
        parts = [
            self._compute_jaccard(sets, np.arange(start, min(start + CELLS_PER_BLOCK, n)))
            for start in range(0, n, CELLS_PER_BLOCK)
        ]
        return canonicalize(sparse.vstack(parts))

    def _compute_jaccard(
        self, neighbor_sets: sparse.csr_matrix, cells: np.ndarray
    ) -> sparse.csr_matrix:
        """Jaccard index of some cells with all others, cells given x cells."""
        sizes = np.diff(neighbor_sets.indptr)
        both = (neighbor_sets[cells] @ neighbor_sets.T).tocoo()
        one, other = cells[both.row], both.col
        jaccard = both.data / (sizes[one] + sizes[other] - both.data)
        keep = (jaccard >= self.min_jaccard) & (one != other)
        return sparse.csr_matrix((jaccard[keep], (both.row[keep], other[keep])), both.shape)


@GraphBuilder.register("gaussian")
@dataclass(frozen=True)
class GaussianKernelGraph(NeighborGraph):
    """Neighbours weighted by one Gaussian kernel, ``exp(−d² / 2h²)`` (Belkin & Niyogi 2003).

    Parameters
    ----------
    bandwidth
        h, in the metric's unit; auto is the median distance of a cell to its k-th neighbour.
    """

    prune: Pruner | None = None
    bandwidth: PositiveFloat | Literal["auto"] = "auto"

    def select_edges(self, neighbors: np.ndarray, distances: np.ndarray, seed: int) -> np.ndarray:
        """A mask, cells x k, of the edges that the pruner keeps."""
        if self.prune is None:
            return np.ones(distances.shape, dtype=bool)
        return self.prune(neighbors, distances, seed)

    def connect(self, knn: PrunedNeighbors) -> sparse.csr_matrix:
        auto = self.bandwidth == "auto"
        h = np.median(compute_local_scales(knn.distances[:, -1])) if auto else self.bandwidth
        weights = compute_exponential_kernel(np.square(knn.distances / h) / 2)
        return symmetrize(knn.neighbors, weights * knn.keep, "union")
