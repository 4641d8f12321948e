"""Graphs of cells: what every builder owes."""

from __future__ import annotations

from typing import get_type_hints

import numpy as np
import pytest

from cell_graphs import assert_contract, assert_same, batches, built, cells, of
from scgnn.components.graph_builders import (
    KNN,
    BatchBalanced,
    GraphBuilder,
    MutualKNN,
    Radius,
    neighbors,
    neighbour_count,
)
from scgnn.components.pruners import KeepAll, MeanSd
from scgnn.registry.introspection import parts

every_builder = pytest.mark.parametrize("name", GraphBuilder.names())
weighted = pytest.mark.parametrize("builder", [KNN, MutualKNN, Radius, BatchBalanced])


@every_builder
@pytest.mark.parametrize("n", [1, 2, 3, 40])
def test_a_graph_is_symmetric_without_loops_whatever_the_number_of_cells(name, n):
    assert_contract(built(of(name), cells(n)), n)


@every_builder
@pytest.mark.parametrize("metric", ["euclidean", "cosine", "correlation"])
def test_twins_are_no_trouble(name, metric):
    x = np.repeat(cells(4), 15, axis=0)
    assert_contract(built(of(name, metric=metric), x), 60)
    assert_contract(built(of(name, metric=metric), np.ones((7, 3), np.float32)), 7)
    assert_contract(built(of(name, metric=metric), np.zeros((7, 3), np.float32)), 7)


@weighted
@pytest.mark.parametrize("weights", ["distance", "gaussian"])
def test_weights_of_twins_and_of_outliers_are_above_zero(builder, weights):
    x = np.vstack([np.repeat(cells(3), 12, axis=0), cells(5, seed=1), cells(1) + 1e6])
    graph = built(builder(weights=weights), x)
    assert_contract(graph, len(x))
    assert graph.max() <= 1
    assert (graph > 0.999)[:12, :12].nnz > 0  # twins hold together


@every_builder
def test_a_seed_gives_the_same_graph_again_and_the_embedding_stays(name):
    x = cells()
    before = x.copy()
    assert_same(built(of(name), x), built(of(name), x))
    np.testing.assert_array_equal(x, before)


@every_builder
def test_relabelling_the_cells_relabels_the_graph(name):
    x, order = cells(), np.random.default_rng(5).permutation(40)
    graph, moved = built(of(name), x), built(of(name), x[order], batches(40)[order])
    np.testing.assert_allclose(moved.toarray(), graph.toarray()[order][:, order], rtol=1e-5)


@every_builder
def test_two_far_blobs_are_not_connected(name):
    x = cells(60)
    x[30:] += 1000
    graph = built(of(name), x)
    assert graph[:30, :30].nnz and graph[30:, 30:].nnz
    assert not graph[:30, 30:].nnz


@every_builder
@pytest.mark.parametrize("k", [3, 0.1, "adaptive"])
def test_k_may_be_a_number_a_share_or_adaptive(name, k):
    assert_contract(built(of(name, k=k), cells()), 40)


@every_builder
def test_shared_settings_have_one_default(name):
    builder = of(name)
    shared = {field: getattr(KNN(), field) for field in ("k", "metric", "weights")}
    assert {f: getattr(builder, f, default) for f, default in shared.items()} == shared


@every_builder
def test_shared_settings_have_one_type(name):
    hints, shared = (get_type_hints(cls, include_extras=True) for cls in (type(of(name)), KNN))
    for field in ("k", "metric", "prune", "weights"):
        assert hints.get(field, shared[field]) == shared[field]


def test_the_share_and_the_adaptive_number_of_neighbours():
    assert [neighbour_count(k, 1000) for k in (7, 0.05, 1e-9)] == [7, 50, 1]
    counts = [neighbour_count("adaptive", n) for n in (1, 100, 400, 1000, 10**6)]
    assert counts == [5, 5, 10, 16, 30]


@pytest.mark.parametrize("name", [n for n in GraphBuilder.names() if hasattr(of(n), "prune")])
def test_a_builder_prunes_by_the_pruner_it_is_given(name):
    all_kept, few = (built(of(name, prune=p), cells()) for p in (KeepAll(), MeanSd(sds=0.0)))
    assert 0 < few.nnz < all_kept.nnz


def test_only_graphs_that_do_not_weigh_their_edges_prune_by_default():
    pruning = {
        name
        for name in GraphBuilder.names()
        if any(isinstance(part, MeanSd) for part in parts(of(name)))
    }
    assert pruning == {"knn", "mutual_knn", "batch_balanced"}


@pytest.mark.parametrize(
    ("scale", "offset", "first"), [(1e-2, 1e6, 3000), (1e-3, 1e5, 1), (1e19, 0, 1), (1, 0, 1)]
)
def test_neighbours_where_single_precision_has_too_few_digits(scale, offset, first):
    points = np.random.default_rng(0).normal(size=(300, 16))
    points[0] = first
    nasty = points * scale + offset
    _, distances = neighbors.nearest(nasty, 10, "euclidean")
    apart = np.sqrt(np.square(nasty[:, None] - nasty[None]).sum(-1))
    np.fill_diagonal(apart, np.inf)
    np.testing.assert_allclose(distances, np.sort(apart, axis=1)[:, :10], rtol=1e-6)
