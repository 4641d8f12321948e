"""What clusterers keep to."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scgnn.components.clusterers import Clusterer
from scgnn.testing.check import Broken, check, demand
from scgnn.testing.edge_cases import Cells, blobs, cells, equal, few
from scgnn.testing.exercise import needs_graph


def _labels(clusterer: Clusterer, some: Cells, what: str) -> np.ndarray:
    """Labels of some cells; demands whole numbers 0 … K−1, none missing."""
    labels = np.asarray(clusterer(some.embedding, some.graph, 1))
    n = len(some.embedding)
    demand(labels.shape == (n,), f"{what}: labels have the shape {labels.shape}, not ({n},)")
    demand(labels.dtype.kind in "iu", f"{what}: labels are {labels.dtype}, not whole numbers")
    found = np.unique(labels)
    demand(
        np.array_equal(found, np.arange(len(found))),
        f"{what}: labels are {', '.join(map(str, found[:9]))}, not 0 … {len(found) - 1}; "
        "see clusterers.canonical",
    )
    return labels


@check("clusterer")
def check_labels_are_numbered(clusterer: Clusterer) -> None:
    """Labels are 0 … K−1, none missing."""
    _labels(clusterer, cells(), "30 cells")


@check("clusterer")
def check_larger_clusters_come_first(clusterer: Clusterer) -> None:
    """Clusters are numbered by falling size."""
    for some, what in (
        (cells(), "30 cells"),
        (blobs().ordered(np.arange(9, 30)), "6 and 15 cells"),
    ):
        sizes = np.bincount(_labels(clusterer, some, what))
        demand(
            bool((np.diff(sizes) <= 0).all()),
            f"{what}: clusters have {', '.join(map(str, sizes))} cells, in this order; "
            "see clusterers.canonical",
        )


@check("clusterer")
def check_two_far_blobs_are_two(clusterer: Clusterer) -> None:
    """Two far groups without a link between them are not one cluster."""
    some = blobs()
    labels = _labels(clusterer, some, "two far groups")
    most = [np.bincount(labels[some.labels == group]).argmax() for group in (0, 1)]
    demand(most[0] != most[1], f"most cells of two far groups are in one cluster, {most[0]}")


@check("clusterer")
def check_takes_equal_cells(clusterer: Clusterer) -> None:
    """Cells that are all the same can be clustered."""
    _labels(clusterer, equal(10), "10 equal cells")


@check("clusterer")
def check_takes_few_cells(clusterer: Clusterer) -> None:
    """One cell is cluster 0; two and three cells have labels."""
    for n in (1, 2, 3):
        _labels(clusterer, few(n), f"{n} cell{'s' if n > 1 else ''}")


@check("clusterer")
def check_takes_a_graph_without_edges(clusterer: Clusterer) -> None:
    """Cells without any link have labels."""
    some = cells()
    edgeless = sparse.csr_matrix(some.graph.shape, dtype=np.float32)
    _labels(
        clusterer, Cells(some.counts, some.embedding, edgeless, some.labels, some.batch), "no edges"
    )


@check("clusterer")
def check_says_when_it_needs_the_graph(clusterer: Clusterer) -> None:
    """Without ``graph`` in its requires, or in those of its parts, it does without one."""
    if needs_graph(clusterer):
        return
    some = cells()
    try:
        labels = clusterer(some.embedding, None, 1)
    except Exception as error:  # whatever None leads to
        advice = 'declare requires = frozenset({"graph"})'
        raise Broken(f"without a graph: {type(error).__name__}: {error}; {advice}") from error
    demand(len(labels) == len(some.x), "without a graph it labels too few cells")
