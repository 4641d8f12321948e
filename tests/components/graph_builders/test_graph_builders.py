"""Properties of all graph builders."""

from __future__ import annotations

from typing import get_type_hints

import numpy as np
import pytest

from cell_graphs import (
    assert_valid_graph,
    build_graph,
    make_builder,
    make_embedding,
)
from scgnn.components.graph_builders import (
    BBKNN,
    KNN,
    GraphBuilder,
    MutualKNN,
    RadiusGraph,
    neighbors,
)
from scgnn.components.graph_builders.neighbors import resolve_n_neighbors
from scgnn.components.pruners import MeanStd
from scgnn.registry.introspection import iter_components

every_builder = pytest.mark.parametrize("name", GraphBuilder.names())
weighted = pytest.mark.parametrize("builder", [KNN, MutualKNN, RadiusGraph, BBKNN])


@every_builder
@pytest.mark.parametrize("n", [1, 2, 3, 40])
def test_graph_is_valid_for_any_number_of_cells(name, n):
    assert_valid_graph(build_graph(make_builder(name), make_embedding(n)), n)


@every_builder
@pytest.mark.parametrize("metric", ["euclidean", "cosine", "correlation"])
def test_identical_cells_are_accepted(name, metric):
    x = np.repeat(make_embedding(4), 15, axis=0)
    assert_valid_graph(build_graph(make_builder(name, metric=metric), x), 60)
    assert_valid_graph(
        build_graph(make_builder(name, metric=metric), np.ones((7, 3), np.float32)), 7
    )
    assert_valid_graph(
        build_graph(make_builder(name, metric=metric), np.zeros((7, 3), np.float32)), 7
    )


@weighted
@pytest.mark.parametrize("weights", ["inverse_distance", "gaussian"])
def test_weights_of_identical_cells_and_outliers_are_positive(builder, weights):
    x = np.vstack(
        [
            np.repeat(make_embedding(3), 12, axis=0),
            make_embedding(5, seed=1),
            make_embedding(1) + 1e6,
        ]
    )
    graph = build_graph(builder(weights=weights), x)
    assert_valid_graph(graph, len(x))
    assert graph.max() <= 1
    assert (graph > 0.999)[:12, :12].nnz > 0  # identical cells


@every_builder
def test_two_distant_blobs_are_not_connected(name):
    x = make_embedding(60)
    x[30:] += 1000
    graph = build_graph(make_builder(name), x)
    assert graph[:30, :30].nnz and graph[30:, 30:].nnz
    assert not graph[:30, 30:].nnz


@every_builder
@pytest.mark.parametrize("k", [3, 0.1, "adaptive"])
def test_n_neighbors_can_be_a_number_a_fraction_or_adaptive(name, k):
    assert_valid_graph(build_graph(make_builder(name, n_neighbors=k), make_embedding()), 40)


@every_builder
def test_shared_settings_have_one_default(name):
    builder = make_builder(name)
    shared = {field: getattr(KNN(), field) for field in ("n_neighbors", "metric", "weights")}
    assert {f: getattr(builder, f, default) for f, default in shared.items()} == shared


@every_builder
def test_shared_settings_have_one_type(name):
    hints, shared = (
        get_type_hints(cls, include_extras=True) for cls in (type(make_builder(name)), KNN)
    )
    for field in ("n_neighbors", "metric", "prune", "weights"):
        assert hints.get(field, shared[field]) == shared[field]


def test_resolve_n_neighbors():
    assert [resolve_n_neighbors(k, 1000) for k in (7, 0.05, 1e-9)] == [7, 50, 1]
    counts = [resolve_n_neighbors("adaptive", n) for n in (1, 100, 400, 1000, 10**6)]
    assert counts == [5, 5, 10, 16, 30]


@pytest.mark.parametrize(
    "name", [n for n in GraphBuilder.names() if hasattr(make_builder(n), "prune")]
)
def test_pruner_is_used(name):
    unpruned, few = (
        build_graph(make_builder(name, prune=p), make_embedding())
        for p in (None, MeanStd(n_std=0.0))
    )
    assert 0 < few.nnz < unpruned.nnz


def test_only_unweighted_graphs_prune_by_default():
    pruning = {
        name
        for name in GraphBuilder.names()
        if any(isinstance(part, MeanStd) for part in iter_components(make_builder(name)))
    }
    assert pruning == {"knn", "mutual_knn", "bbknn"}


@pytest.mark.parametrize(
    ("scale", "offset", "first"), [(1e-2, 1e6, 3000), (1e-3, 1e5, 1), (1e19, 0, 1), (1, 0, 1)]
)
def test_neighbors_beyond_the_precision_of_float32(scale, offset, first):
    points = np.random.default_rng(0).normal(size=(300, 16))
    points[0] = first
    x = points * scale + offset
    distances, _ = neighbors.kneighbors(x, 10, "euclidean")
    apart = np.sqrt(np.square(x[:, None] - x[None]).sum(-1))
    np.fill_diagonal(apart, np.inf)
    np.testing.assert_allclose(distances, np.sort(apart, axis=1)[:, :10], rtol=1e-6)
