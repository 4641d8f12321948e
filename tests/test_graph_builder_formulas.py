"""Graphs of cells: each builder's formula against a plain computation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from cell_graphs import assert_contract, assert_same, batches, cells
from scgnn.components.graph_builders import (
    KNN,
    SNN,
    UMAP,
    BatchBalanced,
    Gaussian,
    MutualKNN,
    Radius,
    nearest,
)
from scgnn.components.pruners import KeepAll

# --- knn ----------------------------------------------------------------------------------------


def test_knn_is_scgnn_s_graph_by_default():
    x = cells()
    d = cdist(x.astype(float), x.astype(float))
    np.fill_diagonal(d, np.inf)
    near = np.argsort(d, axis=1)[:, :10]
    ten = np.take_along_axis(d, near, 1)
    keep = ten <= ten.mean(1, keepdims=True) + ten.std(1, keepdims=True)
    expected = np.zeros((40, 40), np.float32)
    np.put_along_axis(expected, near, keep.astype(np.float32), 1)
    np.testing.assert_array_equal(KNN()(x, 0).toarray(), np.maximum(expected, expected.T))


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "correlation"])
def test_distance_weights_fall_with_the_distance(metric):
    x = cells()
    d = cdist(x.astype(float), x.astype(float), metric)
    graph = KNN(weights="distance", metric=metric)(x, 0).tocoo()
    np.testing.assert_allclose(graph.data, 1 / (1 + d[graph.row, graph.col]), rtol=1e-5)


def test_gaussian_weights_are_scaled_by_the_k_th_neighbour_of_both():
    x = cells()
    d = cdist(x.astype(float), x.astype(float))
    sigma = np.sort(d, axis=1)[:, 5]
    graph = KNN(k=5, weights="gaussian")(x, 0).tocoo()
    exponent = d[graph.row, graph.col] ** 2 / (sigma[graph.row] * sigma[graph.col])
    np.testing.assert_allclose(graph.data, np.exp(-exponent), rtol=1e-5)


@pytest.mark.parametrize("symmetry", ["union", "mutual", "last_written"])
@pytest.mark.parametrize("weights", ["distance", "gaussian"])
def test_weights_do_not_change_which_edges_there_are(symmetry, weights):
    plain = KNN(symmetry=symmetry)(cells(), 0)
    assert_same(plain, (KNN(symmetry=symmetry, weights=weights)(cells(), 0) > 0) * np.float32(1))


def test_mutual_knn_is_knn_with_mutual_edges():
    assert_same(MutualKNN(k=7)(cells(), 0), KNN(k=7, symmetry="mutual")(cells(), 0))


# --- snn ----------------------------------------------------------------------------------------


def jaccard(x, k):
    near, _ = nearest(x, k, "euclidean")
    sets = [{cell, *map(int, row)} for cell, row in enumerate(near)]
    n = len(x)
    found = np.array([[len(a & b) / len(a | b) for b in sets] for a in sets])
    return found * ~np.eye(n, dtype=bool)


def test_snn_weighs_by_the_jaccard_index_of_the_neighbours():
    expected = jaccard(cells(), 6)
    expected[expected < 1 / 15] = 0
    np.testing.assert_allclose(SNN(k=6)(cells(), 0).toarray(), expected, rtol=1e-6)


def test_snn_drops_what_shares_too_little():
    expected = jaccard(cells(), 6)
    assert ((expected > 0) & (expected < 0.2)).any()
    expected[expected < 0.2] = 0
    found = SNN(k=6, min_jaccard=0.2)(cells(), 0).toarray()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_snn_counts_in_blocks_as_it_counts_at_once(monkeypatch):
    whole = SNN()(cells(), 0)
    monkeypatch.setattr("scgnn.components.graph_builders.knn.CELLS_AT_ONCE", 7)
    assert_same(SNN()(cells(), 0), whole)


# --- radius, gaussian ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "radius"), [("euclidean", 2.5), ("cosine", 0.4), ("correlation", 0.4)]
)
def test_radius_connects_all_within_it(metric, radius):
    x = cells()
    d = cdist(x.astype(float), x.astype(float), metric)
    expected = (d <= radius) & ~np.eye(40, dtype=bool)
    assert 0 < expected.mean() < 0.9
    np.testing.assert_array_equal(Radius(radius, metric=metric)(x, 0).toarray(), expected)


def test_a_cell_just_on_the_radius_is_within_it():
    x = np.arange(5, dtype=float)[:, None] + 1e3
    np.testing.assert_array_equal(Radius(1.0)(x, 0).toarray(), np.eye(5, k=1) + np.eye(5, k=-1))


def test_the_auto_radius_gives_half_of_the_cells_k_neighbours():
    degrees = np.diff(Radius(k=6)(cells(41), 0).indptr)
    assert np.median(degrees) == 6


def test_gaussian_weights_within_a_radius_are_scaled_by_it():
    x = cells()
    d = cdist(x.astype(float), x.astype(float))
    graph = Radius(2.5, weights="gaussian")(x, 0).tocoo()
    np.testing.assert_allclose(graph.data, np.exp(-((d[graph.row, graph.col] / 2.5) ** 2)), 1e-5)


@pytest.mark.parametrize("bandwidth", ["auto", 1.7])
def test_gaussian_has_one_bandwidth(bandwidth):
    x = cells()
    d = cdist(x.astype(float), x.astype(float))
    h = np.median(np.sort(d, axis=1)[:, 10]) if bandwidth == "auto" else bandwidth
    graph = Gaussian(bandwidth=bandwidth)(x, 0).tocoo()
    expected = np.exp(-(d[graph.row, graph.col] ** 2) / (2 * h**2))
    np.testing.assert_allclose(graph.data, expected, rtol=1e-5)
    edges = KNN(prune=KeepAll())(x, 0)
    np.testing.assert_array_equal(graph.tocsr().indices, edges.indices)


# --- umap ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 4, 15])
def test_umap_is_the_fuzzy_simplicial_set_of_umap_learn(k):
    pytest.importorskip("umap")
    from umap.umap_ import fuzzy_simplicial_set

    x = cells(80)
    x[:20] *= 10
    near, distances = nearest(x, k, "euclidean")
    itself = np.arange(len(x))[:, None]
    expected, _, _ = fuzzy_simplicial_set(
        x,
        k + 1,
        np.random.RandomState(0),
        "euclidean",
        knn_indices=np.hstack([itself, near]),
        knn_dists=np.hstack([0.0 * itself, distances]),
    )
    np.testing.assert_allclose(UMAP(k=k)(x, 0).toarray(), expected.toarray(), atol=1e-5)


def test_umap_with_twins_is_that_of_umap_learn():
    pytest.importorskip("umap")
    from umap.umap_ import fuzzy_simplicial_set

    x = np.vstack([np.repeat(cells(2), 3, axis=0), cells(20, seed=1)])
    near, distances = nearest(x, 5, "euclidean")
    itself = np.arange(len(x))[:, None]
    knn = {
        "knn_indices": np.hstack([itself, near]),
        "knn_dists": np.hstack([0.0 * itself, distances]),
    }
    expected, _, _ = fuzzy_simplicial_set(x, 6, np.random.RandomState(0), "euclidean", **knn)
    np.testing.assert_allclose(UMAP(k=5)(x, 0).toarray(), expected.toarray(), atol=1e-5)


# --- batch_balanced -----------------------------------------------------------------------------


def test_every_cell_has_neighbours_in_every_batch():
    x = cells(60)
    batch = np.repeat([4, 7], 30)  # codes need not be 0, 1
    x[30:] += 1000
    graph = BatchBalanced(k=3, prune=KeepAll())(x, 0, batch)
    for one in (4, 7):
        for other in (4, 7):
            assert (np.diff(graph[batch == one][:, batch == other].indptr) >= 3).all()


def test_batch_balanced_is_the_union_of_the_nearest_in_each_batch():
    x, batch = cells(), batches(40)
    d = cdist(x.astype(float), x.astype(float))
    np.fill_diagonal(d, np.inf)
    expected = np.zeros((40, 40))
    for cell in range(40):
        for one in range(3):
            members = np.flatnonzero(batch == one)
            expected[cell, members[np.argsort(d[cell, members])[:4]]] = 1
    found = BatchBalanced(k=4, prune=KeepAll())(x, 0, batch)
    np.testing.assert_array_equal(found.toarray(), np.maximum(expected, expected.T))


def test_one_batch_is_knn():
    one = np.zeros(40, dtype=int)
    for settings in ({}, {"weights": "gaussian"}, {"metric": "cosine"}, {"k": 0.2}):
        assert_same(BatchBalanced(**settings)(cells(), 0, one), KNN(**settings)(cells(), 0))


def test_a_batch_of_one_cell_is_joined_to_the_others():
    graph = BatchBalanced(weights="gaussian")(cells(), 0, np.arange(40) == 5)
    assert_contract(graph, 40)
    assert graph[5].nnz == 39
