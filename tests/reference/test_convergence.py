"""Stopping rules: agreement of clusters and change of the graph."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scgnn.components.graph_builders.edges import symmetrize
from scgnn.components.stopping import (
    AllOf,
    AnyOf,
    ClusterConvergence,
    GraphConvergence,
    _normalize_symmetric,
    compute_graph_change,
    compute_last_ari,
)
from scgnn.state import Snapshot

from . import assert_near

ARRAYS = {
    r"labels_[ab]|n_cells|graph\d_edges|graph\d_weight": "input",
    r"ari_published": "test_agreement_is_the_adjusted_rand_index",
    r"ari_threshold|graph_ratio": "test_thresholds_are_those_of_the_published_code",
    r"alpha": "test_smoothed_graph_weights_the_first_graph_by_alpha",
    r"graph\d_adj_lastwriter": "test_graphs_are_those_of_the_reference",
    r"graph\d_adj_union_described": "test_graphs_are_those_of_the_reference",
    r"normadj0_union_described": "test_first_graph_is_normalized_symmetrically",
    r"change_adjacency(_rownorm)?_described": "test_change_of_the_graph",
    r"threshold_adjacency(_rownorm)?_described": "test_change_of_the_graph",
    r"(change|threshold)_laplacian(_samegraph)?_described": "test_change_of_the_laplacian_differs",
    r"(change|threshold)_published|node_order_published": (
        "test_published_change_compares_graphs_in_different_orders"
    ),
    r"adjnew\d_published": "test_published_change_compares_graphs_in_different_orders",
}

LABELS = np.zeros(40, dtype=np.int64)


def graph(arrays, number, rule="union"):
    edges, weight = arrays[f"graph{number}_edges"], arrays[f"graph{number}_weight"]
    n = int(arrays["n_cells"])
    np.testing.assert_array_equal(edges[:, 0], np.repeat(np.arange(n), len(edges) // n))
    return symmetrize(edges[:, 1].reshape(n, -1), weight.reshape(n, -1) > 0, rule)


def snapshots(arrays, upto):
    return [Snapshot(graph(arrays, number), LABELS) for number in range(upto + 1)]


def label_pairs(arrays):
    for a, b in zip(arrays["labels_a"], arrays["labels_b"], strict=True):
        yield [Snapshot(None, a), Snapshot(None, b)]


def test_agreement_is_the_adjusted_rand_index(arrays):
    aris = [compute_last_ari(pair) for pair in label_pairs(arrays)]
    assert_near(aris, arrays["ari_published"], atol=1e-12)


def test_cluster_rule_stops_where_the_published_code_stops(arrays):
    stops = [bool(ClusterConvergence()(pair)) for pair in label_pairs(arrays)]
    assert stops == (arrays["ari_published"] > arrays["ari_threshold"]).tolist()
    assert sum(stops) == 1


def test_thresholds_are_those_of_the_published_code(arrays):
    for stop in (ClusterConvergence(), AllOf(), AnyOf()):
        assert stop.min_ari == float(arrays["ari_threshold"])
    for stop in (GraphConvergence(), AllOf(), AnyOf()):
        assert stop.tolerance == float(arrays["graph_ratio"])


@pytest.mark.parametrize("number", [0, 1, 2])
def test_graphs_are_those_of_the_reference(arrays, number):
    union = graph(arrays, number).toarray()
    np.testing.assert_array_equal(union, arrays[f"graph{number}_adj_union_described"])
    last = graph(arrays, number, "last_written").toarray()
    np.testing.assert_array_equal(last, arrays[f"graph{number}_adj_lastwriter"])


def test_first_graph_is_normalized_symmetrically(arrays):
    ours = _normalize_symmetric(graph(arrays, 0)).toarray()
    assert_near(ours, arrays["normadj0_union_described"], atol=1e-12)


@pytest.mark.parametrize("variant", ["adjacency", "adjacency_rownorm"])
@pytest.mark.parametrize("iteration", [1, 2])
def test_change_of_the_graph(arrays, iteration, variant):
    """The change here is relative to the mean of the first graph: the threshold is the ratio."""
    change = arrays[f"change_{variant}_described"][iteration - 1]
    threshold = arrays[f"threshold_{variant}_described"]
    ours = compute_graph_change(snapshots(arrays, iteration))
    assert_near(ours, change * arrays["graph_ratio"] / threshold, rtol=1e-10)
    size = arrays["normadj0_union_described"].mean()
    assert_near(float(arrays["graph_ratio"]) * size, threshold, rtol=1e-10)


@pytest.mark.parametrize("iteration", [1, 2])
def test_graph_rule_stops_when_the_change_is_below_the_threshold(arrays, iteration):
    ours = compute_graph_change(snapshots(arrays, iteration))
    assert GraphConvergence()(snapshots(arrays, iteration)) == ""
    assert GraphConvergence(tolerance=ours * (1 + 1e-9))(snapshots(arrays, iteration))
    assert not GraphConvergence(tolerance=ours * (1 - 1e-9))(snapshots(arrays, iteration))


def test_smoothed_graph_weights_the_first_graph_by_alpha(arrays):
    """A graph that loses all its edges changes by 1 − alpha."""
    empty = Snapshot(sparse.csr_matrix((40, 40), dtype=np.float32), LABELS)
    change = compute_graph_change([snapshots(arrays, 0)[0], empty])
    assert_near(change, 1 - float(arrays["alpha"]), rtol=1e-12)


@pytest.mark.parametrize("variant", ["laplacian", "laplacian_samegraph"])
def test_change_of_the_laplacian_differs(arrays, variant):
    """The code's L_0 is a Laplacian; METHOD section 1.8 writes the normalized adjacency."""
    relative = (
        arrays[f"change_{variant}_described"]
        * arrays["graph_ratio"]
        / arrays[f"threshold_{variant}_described"]
    )
    ours = [compute_graph_change(snapshots(arrays, iteration)) for iteration in (1, 2)]
    assert (abs(np.array(ours) - relative) > 0.1 * np.array(ours)).all()


def test_published_change_compares_graphs_in_different_orders(arrays):
    """METHOD section 2, row 13: with one order of cells the change between iterations shrinks."""
    first, second = arrays["adjnew1_published"], arrays["adjnew2_published"]
    assert_near(abs(second - first).mean(), arrays["change_published"][1], rtol=1e-10)
    ratio = float(arrays["graph_ratio"])
    published = arrays["change_published"] * ratio / arrays["threshold_published"]
    shuffled = [
        Snapshot(graph(arrays, number)[order][:, order], LABELS)
        for number, order in enumerate(arrays["node_order_published"])
    ]
    ours = compute_graph_change(snapshots(arrays, 2))
    assert compute_graph_change(shuffled) > 1.5 * ours
    assert published[1] > 1.2 * ours
