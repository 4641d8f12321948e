"""Clusterers that break one rule of their kind each."""

from __future__ import annotations

import numpy as np

from broken_components.case import register_broken
from broken_components.every_kind import SingleCluster
from scgnn.components.clusterers import Clusterer


def split_in_halves(n: int) -> np.ndarray:
    """Two clusters, the larger first."""
    return (np.arange(n) >= (n + 1) // 2).astype(np.int64)


@register_broken(
    "clusters_are_consecutive", "30 cells: labels are 1, 2, not 0 … 1; see clusterers.canonical"
)
class OneBased(Clusterer):
    """Counts from one."""

    def fit_predict(self, embedding, graph, seed):
        return split_in_halves(len(embedding)) + 1


@register_broken("clusters_are_consecutive", "30 cells: labels are float64, not whole numbers")
class FloatClusters(Clusterer):
    """Counts in fractions."""

    def fit_predict(self, embedding, graph, seed):
        return split_in_halves(len(embedding)) / 1


@register_broken(
    "clusters_are_sorted_by_size", "30 cells: clusters have 1, 29 cells, in this order"
)
class AscendingSizes(Clusterer):
    """Numbers the smallest first."""

    def fit_predict(self, embedding, graph, seed):
        return np.minimum(np.arange(len(embedding)), 1)


@register_broken("separates_distant_blobs", "most cells of two far groups are in one cluster, 0")
class NonSeparating(SingleCluster):
    """Sees no difference."""


@register_broken("accepts_identical_cells", "10 equal cells: labels are 1, not 0 … 0")
class EqualityBased(Clusterer):
    """Numbers cells by whether they differ from the mean."""

    def fit_predict(self, embedding, graph, seed):
        return (embedding == embedding[0]).all(1).astype(np.int64)


@register_broken("accepts_few_cells", "1 cell: labels have the shape (3,), not (1,)")
class AtLeastThreeCells(Clusterer):
    """Wants three cells."""

    def fit_predict(self, embedding, graph, seed):
        return split_in_halves(max(3, len(embedding)))


@register_broken("accepts_edgeless_graph", "no edges: labels are 1, not 0 … 0")
class EdgeDependent(Clusterer):
    """Numbers cells by whether any has a link."""

    def fit_predict(self, embedding, graph, seed):
        return np.full(len(embedding), int(graph.nnz == 0))


@register_broken(
    "declares_graph_requirement", "without a graph: AttributeError: 'NoneType' object has"
)
class UndeclaredGraph(Clusterer):
    """Reads the graph and does not say so."""

    def fit_predict(self, embedding, graph, seed):
        return np.zeros(graph.shape[0], dtype=np.int64)
