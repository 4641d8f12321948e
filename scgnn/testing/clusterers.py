"""Checks of clusterers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from scgnn.components.clusterers import Clusterer
from scgnn.registry.introspection import collect_requirements
from scgnn.testing.check import register_check, require, require_shape
from scgnn.testing.edge_cases import (
    SyntheticCells,
    make_blobs,
    make_cells,
    make_few_cells,
    make_identical_cells,
)

ADVICE = "not 0 … K−1 by decreasing size; use clusterers.relabel_by_size"


def _fit_predict(clusterer: Clusterer, cells: SyntheticCells, context: str) -> np.ndarray:
    """Cluster cells and require consecutive integers 0 … K−1."""
    clusters = np.asarray(clusterer.fit_predict(cells.embedding, cells.graph, 1))
    require_shape(clusters.shape, cells.clusters.shape, f"{context}, clusters")
    require(clusters.dtype.kind in "iu", f"{context}: clusters are {clusters.dtype}, not integers")
    labels = np.unique(clusters).tolist()
    require(labels == [*range(len(labels))], f"{context}: clusters are {labels[:9]}, {ADVICE}")
    return clusters


@register_check("clusterer")
def check_clusters_are_consecutive(clusterer: Clusterer) -> None:
    """Check that clusters are numbered 0 … K−1 without gaps."""
    _fit_predict(clusterer, make_cells(), "30 cells")


@register_check("clusterer")
def check_clusters_are_sorted_by_size(clusterer: Clusterer) -> None:
    """Check that clusters are numbered by decreasing size."""
    blobs = make_blobs().take(np.arange(9, 30))
    for cells, context in ((make_cells(), "30 cells"), (blobs, "6 and 15 cells")):
        sizes = np.bincount(_fit_predict(clusterer, cells, context)).tolist()
        require(sizes == sorted(sizes)[::-1], f"{context}: clusters have {sizes} cells, {ADVICE}")


@register_check("clusterer")
def check_separates_distant_blobs(clusterer: Clusterer) -> None:
    """Check that two distant blobs without an edge between them get different clusters."""
    cells = make_blobs()
    clusters = _fit_predict(clusterer, cells, "two blobs")
    first, second = (np.bincount(clusters[cells.clusters == blob]).argmax() for blob in (0, 1))
    require(first != second, f"most cells of two distant blobs are in the same cluster, {first}")


@register_check("clusterer")
def check_accepts_identical_cells(clusterer: Clusterer) -> None:
    """Check that identical cells can be clustered."""
    _fit_predict(clusterer, make_identical_cells(10), "10 identical cells")


@register_check("clusterer")
def check_accepts_few_cells(clusterer: Clusterer) -> None:
    """Check that one, two and three cells can be clustered."""
    for n in (1, 2, 3):
        _fit_predict(clusterer, make_few_cells(n), f"{n} cell{'s' if n > 1 else ''}")


@register_check("clusterer")
def check_accepts_edgeless_graph(clusterer: Clusterer) -> None:
    """Check that cells without any edge can be clustered."""
    cells = make_cells()
    edgeless = sparse.csr_matrix(cells.graph.shape, dtype=np.float32)
    _fit_predict(clusterer, replace(cells, graph=edgeless), "no edges")


@register_check("clusterer")
def check_declares_graph_requirement(clusterer: Clusterer) -> None:
    """Check that it works without a graph unless it, or one of its parts, requires ``graph``."""
    if "graph" in collect_requirements(clusterer):
        return
    cells = make_cells()
    try:
        clusters = clusterer.fit_predict(cells.embedding, None, 1)
    except Exception as error:  # any use of None
        advice = 'declare requires = frozenset({"graph"})'
        require(False, f"{type(error).__name__} without a graph: {error}; {advice}")
    require_shape(np.shape(clusters), cells.clusters.shape, "clusters without a graph")
