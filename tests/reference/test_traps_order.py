"""Errors of the published code (METHOD, section 2), corrected here: order of cells (rows 4, 13)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scgnn.components.clusterers import Leiden, Louvain, relabel_by_size
from scgnn.components.stopping import (
    AllOf,
    AnyOf,
    ClusterConvergence,
    GraphConvergence,
    compute_graph_change,
)
from scgnn.state import Snapshot

from .small_scgnn import N_CELLS, make_random_graph

# Row 4: clusters belong to cells


@pytest.mark.parametrize("clusterer", [Louvain(), Leiden()])
def test_row_4_labels_belong_to_the_cells_whose_graph_it_is(clusterer):
    draw = np.random.default_rng(0)
    groups = draw.permutation(np.repeat(np.arange(4), 10))
    graph = sparse.csr_matrix(groups[:, None] == groups, dtype=np.float32)
    graph.setdiag(0)
    graph.eliminate_zeros()
    labels = clusterer.fit_predict(np.zeros((40, 1)), graph, seed=1)
    np.testing.assert_array_equal(labels, relabel_by_size(groups))


# Row 13: graphs are compared in the same order of cells


def in_order(graph, order):
    return graph[order][:, order]


def change_of(graphs):
    return compute_graph_change([Snapshot(graph, np.zeros(N_CELLS, int)) for graph in graphs])


@pytest.mark.parametrize("n_rounds", [2, 3])
def test_row_13_the_order_of_cells_does_not_move_the_change_of_the_graph(n_rounds):
    graphs = [make_random_graph(seed) for seed in range(n_rounds)]
    order = np.random.default_rng(9).permutation(N_CELLS)
    change = change_of(graphs)
    reordered = [in_order(graph, order) for graph in graphs]
    np.testing.assert_allclose(change_of(reordered), change, rtol=1e-12)
    only_last = [*graphs[:-1], reordered[-1]]
    assert abs(change_of(only_last) - change) > 1e-6


def test_row_13_an_unchanged_graph_differs_only_in_another_order():
    first, now = make_random_graph(0), make_random_graph(1)
    assert change_of([first, now, now]) == 0
    order = np.random.default_rng(9).permutation(N_CELLS)
    assert change_of([first, now, in_order(now, order)]) > 0.1
    labels = np.arange(N_CELLS) % 4
    rounds = [Snapshot(first, labels[::-1]), Snapshot(now, labels), Snapshot(now, labels)]
    for stop in (GraphConvergence(), ClusterConvergence(), AllOf(), AnyOf()):
        assert "converged" in stop(rounds)
