"""Graphs made of the k nearest neighbours of each cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy import sparse

from scgnn.components.graph_builders.contract import GraphBuilder
from scgnn.components.graph_builders.edges import (
    Symmetry,
    Weights,
    directed,
    edge_weights,
    kernel,
    local_widths,
    no_edges,
    symmetric,
    tidy,
)
from scgnn.components.graph_builders.neighbors import (
    EXACT_UP_TO,
    RECALL,
    Metric,
    nearest,
    neighbour_count,
)
from scgnn.components.pruners import KeepAll, MeanSd, Pruner
from scgnn.field_types import Neighbours, Positive, Rate, Share

CELLS_AT_ONCE = 2**12  # whose shared neighbours are counted together


class Neighbourhoods(NamedTuple):
    """The k nearest neighbours of each cell, all cells x k, nearest first."""

    neighbours: np.ndarray
    distances: np.ndarray
    keep: np.ndarray  # False where pruned


@dataclass(frozen=True)
class NeighbourGraph(GraphBuilder):
    """What builders of neighbour graphs share.

    Parameters
    ----------
    k
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

    k: Neighbours = 10
    metric: Metric = "euclidean"
    prune: Pruner = MeanSd()
    exact_up_to: Positive = EXACT_UP_TO
    recall: Share = RECALL

    def __call__(self, embedding: np.ndarray, seed: int) -> sparse.csr_matrix:
        k = neighbour_count(self.k, len(embedding))
        neighbours, distances = nearest(embedding, k, self.metric, self.exact_up_to, self.recall)
        if neighbours.shape[1] == 0:
            return no_edges(len(embedding))
        keep = self.prune(neighbours, distances, seed)
        return self.connect(Neighbourhoods(neighbours, distances, keep))

    def connect(self, found: Neighbourhoods) -> sparse.csr_matrix:
        """The graph of these neighbourhoods."""
        raise NotImplementedError


@dataclass(frozen=True)
class WeightedNeighbours(NeighbourGraph):
    """What neighbour graphs share whose edges can be weighted.

    Parameters
    ----------
    weights
        binary is 1; distance is 1 / (1 + d); gaussian is exp(−d² / (σ_i σ_j)), σ a cell's distance
        to its k-th neighbour (Zelnik-Manor & Perona 2004).
    """

    weights: Weights = "binary"

    def joined(self, found: Neighbourhoods, rule: Symmetry) -> sparse.csr_matrix:
        """The weighted edges, made symmetric."""
        sigma = local_widths(found.distances[:, -1])
        widths = sigma[:, None] * sigma[found.neighbours]
        weights = edge_weights(self.weights, found.distances, widths)
        return symmetric(found.neighbours, weights * found.keep, rule)


@GraphBuilder.register("knn")
@dataclass(frozen=True)
class KNN(WeightedNeighbours):
    """k nearest neighbours, far ones pruned, every edge in both directions (scGNN).

    Parameters
    ----------
    symmetry
        union keeps an edge that either cell kept, mutual one that both kept. last_written is what
        scGNN's code hands to Louvain: where two cells name each other, the later cell decides.
    """

    symmetry: Symmetry = "union"

    def connect(self, found: Neighbourhoods) -> sparse.csr_matrix:
        return self.joined(found, self.symmetry)


@GraphBuilder.register("mutual_knn")
@dataclass(frozen=True)
class MutualKNN(WeightedNeighbours):
    """Cells that are each among the other's k nearest neighbours (Brito et al. 1997).

    A cell that is nobody's neighbour in return stays alone.
    """

    def connect(self, found: Neighbourhoods) -> sparse.csr_matrix:
        return self.joined(found, "mutual")


@GraphBuilder.register("snn")
@dataclass(frozen=True)
class SNN(NeighbourGraph):
    """Cells that share neighbours, weighted by how many (Jarvis & Patrick 1973; Seurat).

    The weight is the Jaccard index of the two sets of k neighbours, each with the cell itself, as
    Seurat's FindNeighbors has it (whose k.param counts the cell and so is k + 1).

    Parameters
    ----------
    min_jaccard
        Edges under this weight are dropped; Seurat's prune.SNN.
    """

    prune: Pruner = KeepAll()
    min_jaccard: Share = 1 / 15

    def connect(self, found: Neighbourhoods) -> sparse.csr_matrix:
        n = len(found.keep)
        sets = directed(found.neighbours, found.keep) + sparse.identity(n, np.float32, "csr")
        parts = [
            self._shared(sets, np.arange(start, min(start + CELLS_AT_ONCE, n)))
            for start in range(0, n, CELLS_AT_ONCE)
        ]
        return tidy(sparse.vstack(parts))

    def _shared(self, sets: sparse.csr_matrix, cells: np.ndarray) -> sparse.csr_matrix:
        """Jaccard index of some cells with all others, cells given x cells."""
        sizes = np.diff(sets.indptr)
        both = (sets[cells] @ sets.T).tocoo()
        one, other = cells[both.row], both.col
        jaccard = both.data / (sizes[one] + sizes[other] - both.data)
        keep = (jaccard >= self.min_jaccard) & (one != other)
        return sparse.csr_matrix((jaccard[keep], (both.row[keep], other[keep])), both.shape)


@GraphBuilder.register("gaussian")
@dataclass(frozen=True)
class Gaussian(NeighbourGraph):
    """Neighbours weighted by one Gaussian kernel, ``exp(−d² / 2h²)`` (Belkin & Niyogi 2003).

    Parameters
    ----------
    bandwidth
        h, in the metric's unit; auto is the median distance of a cell to its k-th neighbour.
    """

    prune: Pruner = KeepAll()
    bandwidth: Rate | Literal["auto"] = "auto"

    def connect(self, found: Neighbourhoods) -> sparse.csr_matrix:
        auto = self.bandwidth == "auto"
        h = np.median(local_widths(found.distances[:, -1])) if auto else self.bandwidth
        weights = kernel(np.square(found.distances / h) / 2)
        return symmetric(found.neighbours, weights * found.keep, "union")
