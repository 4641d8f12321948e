"""Clusterers that break one rule each."""

from __future__ import annotations

import numpy as np

from broken_components.case import register_broken
from broken_components.every_kind import SingleCluster
from scgnn.components.clusterers import Clusterer


def split_in_halves(n: int) -> np.ndarray:
    """Return two clusters, the larger one first."""
    return (np.arange(n) >= (n + 1) // 2).astype(np.int64)


@register_broken(
    "clusters_are_consecutive",
    "30 cells: clusters are [1, 2], not 0 … K−1 by decreasing size; use clusterers.relabel_by_size",
)
class OneBased(Clusterer):
    """Numbers clusters from 1."""

    def fit_predict(self, embedding, graph, seed):
        return split_in_halves(len(embedding)) + 1


@register_broken("clusters_are_consecutive", "30 cells: clusters are float64, not integers")
class FloatClusters(Clusterer):
    """Returns floats."""

    def fit_predict(self, embedding, graph, seed):
        return split_in_halves(len(embedding)) / 1


@register_broken(
    "clusters_are_sorted_by_size",
    "30 cells: clusters have [1, 29] cells, not 0 … K−1 by decreasing size",
)
class AscendingSizes(Clusterer):
    """Numbers the smallest cluster first."""

    def fit_predict(self, embedding, graph, seed):
        return np.minimum(np.arange(len(embedding)), 1)


@register_broken(
    "separates_distant_blobs", "most cells of two distant blobs are in the same cluster, 0"
)
class NonSeparating(SingleCluster):
    """Ignores all differences."""


@register_broken("accepts_identical_cells", "10 identical cells: clusters are [1], not 0 … K−1")
class EqualityBased(Clusterer):
    """Numbers cells by whether they equal the first one."""

    def fit_predict(self, embedding, graph, seed):
        return (embedding == embedding[0]).all(1).astype(np.int64)


@register_broken("accepts_few_cells", "1 cell, clusters: expected shape (1,), got (3,)")
class AtLeastThreeCells(Clusterer):
    """Assumes three cells or more."""

    def fit_predict(self, embedding, graph, seed):
        return split_in_halves(max(3, len(embedding)))


@register_broken("accepts_edgeless_graph", "no edges: clusters are [1], not 0 … K−1")
class EdgeDependent(Clusterer):
    """Numbers cells by whether the graph has edges."""

    def fit_predict(self, embedding, graph, seed):
        return np.full(len(embedding), int(graph.nnz == 0))


@register_broken(
    "declares_graph_requirement", "AttributeError without a graph: 'NoneType' object has"
)
class UndeclaredGraph(Clusterer):
    """Reads the graph without declaring it."""

    def fit_predict(self, embedding, graph, seed):
        return np.zeros(graph.shape[0], dtype=np.int64)
