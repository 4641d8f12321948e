"""Clusterers that break one rule of their kind each."""

from __future__ import annotations

import numpy as np

from broken_components.case import breaks
from broken_components.every_kind import One
from scgnn.components.clusterers import Clusterer


def halves(n: int) -> np.ndarray:
    """Two clusters, the larger first."""
    return (np.arange(n) >= (n + 1) // 2).astype(np.int64)


@breaks("labels_are_numbered", "30 cells: labels are 1, 2, not 0 … 1; see clusterers.canonical")
class FromOne(Clusterer):
    """Counts from one."""

    def __call__(self, embedding, graph, seed):
        return halves(len(embedding)) + 1


@breaks("labels_are_numbered", "30 cells: labels are float64, not whole numbers")
class Fractions(Clusterer):
    """Counts in fractions."""

    def __call__(self, embedding, graph, seed):
        return halves(len(embedding)) / 1


@breaks("larger_clusters_come_first", "30 cells: clusters have 1, 29 cells, in this order")
class Rising(Clusterer):
    """Numbers the smallest first."""

    def __call__(self, embedding, graph, seed):
        return np.minimum(np.arange(len(embedding)), 1)


@breaks("two_far_blobs_are_two", "most cells of two far groups are in one cluster, 0")
class Lump(One):
    """Sees no difference."""


@breaks("takes_equal_cells", "10 equal cells: labels are 1, not 0 … 0")
class ByDistance(Clusterer):
    """Numbers cells by whether they differ from the mean."""

    def __call__(self, embedding, graph, seed):
        return (embedding == embedding[0]).all(1).astype(np.int64)


@breaks("takes_few_cells", "1 cell: labels have the shape (3,), not (1,)")
class AtLeastThree(Clusterer):
    """Wants three cells."""

    def __call__(self, embedding, graph, seed):
        return halves(max(3, len(embedding)))


@breaks("takes_a_graph_without_edges", "no edges: labels are 1, not 0 … 0")
class Linked(Clusterer):
    """Numbers cells by whether any has a link."""

    def __call__(self, embedding, graph, seed):
        return np.full(len(embedding), int(graph.nnz == 0))


@breaks("says_when_it_needs_the_graph", "without a graph: AttributeError: 'NoneType' object has")
class Greedy(Clusterer):
    """Reads the graph and does not say so."""

    def __call__(self, embedding, graph, seed):
        return np.zeros(graph.shape[0], dtype=np.int64)
