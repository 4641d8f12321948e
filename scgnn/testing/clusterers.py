"""What clusterers keep to."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scgnn.components.clusterers import Clusterer
from scgnn.testing.check import CheckFailedError, register_check, require
from scgnn.testing.edge_cases import (
    SyntheticCells,
    make_blobs,
    make_cells,
    make_few_cells,
    make_identical_cells,
)
from scgnn.testing.exercise import needs_graph


def _fit_valid_clusters(clusterer: Clusterer, cells: SyntheticCells, context: str) -> np.ndarray:
    """Labels of some cells; demands whole numbers 0 … K−1, none missing."""
    labels = np.asarray(clusterer(cells.embedding, cells.graph, 1))
    n = len(cells.embedding)
    require(labels.shape == (n,), f"{context}: labels have the shape {labels.shape}, not ({n},)")
    require(labels.dtype.kind in "iu", f"{context}: labels are {labels.dtype}, not whole numbers")
    found = np.unique(labels)
    require(
        np.array_equal(found, np.arange(len(found))),
        f"{context}: labels are {', '.join(map(str, found[:9]))}, not 0 … {len(found) - 1}; "
        "see clusterers.canonical",
    )
    return labels


@register_check("clusterer")
def check_clusters_are_consecutive(clusterer: Clusterer) -> None:
    """Labels are 0 … K−1, none missing."""
    _fit_valid_clusters(clusterer, make_cells(), "30 cells")


@register_check("clusterer")
def check_clusters_are_sorted_by_size(clusterer: Clusterer) -> None:
    """Clusters are numbered by falling size."""
    for some, what in (
        (make_cells(), "30 cells"),
        (make_blobs().take(np.arange(9, 30)), "6 and 15 cells"),
    ):
        sizes = np.bincount(_fit_valid_clusters(clusterer, some, what))
        require(
            bool((np.diff(sizes) <= 0).all()),
            f"{what}: clusters have {', '.join(map(str, sizes))} cells, in this order; "
            "see clusterers.canonical",
        )


@register_check("clusterer")
def check_separates_distant_blobs(clusterer: Clusterer) -> None:
    """Two far groups without a link between them are not one cluster."""
    some = make_blobs()
    labels = _fit_valid_clusters(clusterer, some, "two far groups")
    most = [np.bincount(labels[some.clusters == group]).argmax() for group in (0, 1)]
    require(most[0] != most[1], f"most cells of two far groups are in one cluster, {most[0]}")


@register_check("clusterer")
def check_accepts_identical_cells(clusterer: Clusterer) -> None:
    """Cells that are all the same can be clustered."""
    _fit_valid_clusters(clusterer, make_identical_cells(10), "10 equal cells")


@register_check("clusterer")
def check_accepts_few_cells(clusterer: Clusterer) -> None:
    """One cell is cluster 0; two and three cells have labels."""
    for n in (1, 2, 3):
        _fit_valid_clusters(clusterer, make_few_cells(n), f"{n} cell{'s' if n > 1 else ''}")


@register_check("clusterer")
def check_accepts_edgeless_graph(clusterer: Clusterer) -> None:
    """Cells without any link have labels."""
    some = make_cells()
    edgeless = sparse.csr_matrix(some.graph.shape, dtype=np.float32)
    _fit_valid_clusters(
        clusterer,
        SyntheticCells(some.counts, some.embedding, edgeless, some.clusters, some.batch),
        "no edges",
    )


@register_check("clusterer")
def check_declares_graph_requirement(clusterer: Clusterer) -> None:
    """Without ``graph`` in its requires, or in those of its parts, it does without one."""
    if needs_graph(clusterer):
        return
    some = make_cells()
    try:
        labels = clusterer(some.embedding, None, 1)
    except Exception as error:  # whatever None leads to
        advice = 'declare requires = frozenset({"graph"})'
        raise CheckFailedError(
            f"without a graph: {type(error).__name__}: {error}; {advice}"
        ) from error
    require(len(labels) == len(some.x), "without a graph it labels too few cells")
