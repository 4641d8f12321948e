"""Each graph builder against a direct computation of its formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from cell_graphs import assert_graphs_equal, assert_valid_graph, make_batches, make_embedding
from paths import DATA
from scgnn.components.graph_builders import (
    BBKNN,
    KNN,
    SNN,
    UMAP,
    GaussianKernelGraph,
    MutualKNN,
    RadiusGraph,
    kneighbors,
)

# --- knn ----------------------------------------------------------------------------------------


def test_knn_is_scgnn_s_graph_by_default():
    x = make_embedding()
    d = cdist(x.astype(float), x.astype(float))
    np.fill_diagonal(d, np.inf)
    near = np.argsort(d, axis=1)[:, :10]
    ten = np.take_along_axis(d, near, 1)
    keep = ten <= ten.mean(1, keepdims=True) + ten.std(1, keepdims=True)
    expected = np.zeros((40, 40), np.float32)
    np.put_along_axis(expected, near, keep.astype(np.float32), 1)
    np.testing.assert_array_equal(KNN()(x, 0).toarray(), np.maximum(expected, expected.T))


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "correlation"])
def test_inverse_distance_weights(metric):
    x = make_embedding()
    d = cdist(x.astype(float), x.astype(float), metric)
    graph = KNN(weights="inverse_distance", metric=metric)(x, 0).tocoo()
    np.testing.assert_allclose(graph.data, 1 / (1 + d[graph.row, graph.col]), rtol=1e-5)


def test_gaussian_weights_are_scaled_by_the_kth_neighbor_of_both():
    x = make_embedding()
    d = cdist(x.astype(float), x.astype(float))
    sigma = np.sort(d, axis=1)[:, 5]
    graph = KNN(n_neighbors=5, weights="gaussian")(x, 0).tocoo()
    exponent = d[graph.row, graph.col] ** 2 / (sigma[graph.row] * sigma[graph.col])
    np.testing.assert_allclose(graph.data, np.exp(-exponent), rtol=1e-5)


@pytest.mark.parametrize("symmetry", ["union", "mutual", "last_written"])
@pytest.mark.parametrize("weights", ["inverse_distance", "gaussian"])
def test_weights_do_not_change_the_edges(symmetry, weights):
    plain = KNN(symmetry=symmetry)(make_embedding(), 0)
    assert_graphs_equal(
        plain, (KNN(symmetry=symmetry, weights=weights)(make_embedding(), 0) > 0) * np.float32(1)
    )


def test_mutual_knn_is_knn_with_mutual_edges():
    assert_graphs_equal(
        MutualKNN(n_neighbors=7)(make_embedding(), 0),
        KNN(n_neighbors=7, symmetry="mutual")(make_embedding(), 0),
    )


# --- snn ----------------------------------------------------------------------------------------


def jaccard(x, k):
    _, near = kneighbors(x, k, "euclidean")
    sets = [{cell, *map(int, row)} for cell, row in enumerate(near)]
    n = len(x)
    result = np.array([[len(a & b) / len(a | b) for b in sets] for a in sets])
    return result * ~np.eye(n, dtype=bool)


def test_snn_weights_are_jaccard_indices_of_the_neighbors():
    expected = jaccard(make_embedding(), 6)
    expected[expected < 1 / 15] = 0
    np.testing.assert_allclose(
        SNN(n_neighbors=6)(make_embedding(), 0).toarray(), expected, rtol=1e-6
    )


def test_snn_drops_small_jaccard_indices():
    expected = jaccard(make_embedding(), 6)
    assert ((expected > 0) & (expected < 0.2)).any()
    expected[expected < 0.2] = 0
    result = SNN(n_neighbors=6, min_jaccard=0.2)(make_embedding(), 0).toarray()
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_snn_does_not_depend_on_blocks(monkeypatch):
    full = SNN()(make_embedding(), 0)
    monkeypatch.setattr("scgnn.components.graph_builders.knn.CELLS_PER_BLOCK", 7)
    assert_graphs_equal(SNN()(make_embedding(), 0), full)


# --- radius, gaussian ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "radius"), [("euclidean", 2.5), ("cosine", 0.4), ("correlation", 0.4)]
)
def test_radius_connects_all_within_it(metric, radius):
    x = make_embedding()
    d = cdist(x.astype(float), x.astype(float), metric)
    expected = (d <= radius) & ~np.eye(40, dtype=bool)
    assert 0 < expected.mean() < 0.9
    np.testing.assert_array_equal(RadiusGraph(radius, metric=metric)(x, 0).toarray(), expected)


def test_radius_is_inclusive():
    x = np.arange(5, dtype=float)[:, None] + 1e3
    np.testing.assert_array_equal(
        RadiusGraph(1.0)(x, 0).toarray(), np.eye(5, k=1) + np.eye(5, k=-1)
    )


def test_auto_radius_gives_half_of_the_cells_k_neighbors():
    degrees = np.diff(RadiusGraph(n_neighbors=6)(make_embedding(41), 0).indptr)
    assert np.median(degrees) == 6


def test_gaussian_weights_within_a_radius_are_scaled_by_it():
    x = make_embedding()
    d = cdist(x.astype(float), x.astype(float))
    graph = RadiusGraph(2.5, weights="gaussian")(x, 0).tocoo()
    np.testing.assert_allclose(graph.data, np.exp(-((d[graph.row, graph.col] / 2.5) ** 2)), 1e-5)


@pytest.mark.parametrize("bandwidth", ["auto", 1.7])
def test_gaussian_has_one_bandwidth(bandwidth):
    x = make_embedding()
    d = cdist(x.astype(float), x.astype(float))
    h = np.median(np.sort(d, axis=1)[:, 10]) if bandwidth == "auto" else bandwidth
    graph = GaussianKernelGraph(bandwidth=bandwidth)(x, 0).tocoo()
    expected = np.exp(-(d[graph.row, graph.col] ** 2) / (2 * h**2))
    np.testing.assert_allclose(graph.data, expected, rtol=1e-5)
    edges = KNN(prune=None)(x, 0)
    np.testing.assert_array_equal(graph.tocsr().indices, edges.indices)


# --- umap ---------------------------------------------------------------------------------------


def make_umap_cases():
    """Return embeddings and numbers of neighbors; the last one has identical cells."""
    x = make_embedding(80)
    x[:20] *= 10
    repeated = np.vstack([np.repeat(make_embedding(2), 3, axis=0), make_embedding(20, seed=1)])
    return [(x, 1), (x, 4), (x, 15), (repeated, 5)]


@pytest.mark.parametrize("case", range(4))
def test_umap_is_the_fuzzy_simplicial_set_of_umap_learn(case):
    x, k = make_umap_cases()[case]
    with np.load(DATA / "umap_learn.npz") as arrays:
        expected = arrays[f"graph_{case}"]
    np.testing.assert_allclose(UMAP(n_neighbors=k)(x, 0).toarray(), expected, atol=1e-5)


@pytest.mark.slow  # umap-learn compiles for half a minute
@pytest.mark.filterwarnings("ignore:Tensorflow not installed")
def test_recorded_fuzzy_simplicial_sets_are_those_of_umap_learn():
    from umap.umap_ import fuzzy_simplicial_set

    with np.load(DATA / "umap_learn.npz") as arrays:
        recorded = dict(arrays)
    for case, (x, k) in enumerate(make_umap_cases()):
        distances, near = kneighbors(x, k, "euclidean")
        itself = np.arange(len(x))[:, None]
        knn = {
            "knn_indices": np.hstack([itself, near]),
            "knn_dists": np.hstack([0.0 * itself, distances]),
        }
        random = np.random.RandomState(0)
        graph, _, _ = fuzzy_simplicial_set(x, k + 1, random, "euclidean", **knn)
        np.testing.assert_allclose(recorded[f"graph_{case}"], graph.toarray(), atol=1e-5)


# --- bbknn -----------------------------------------------------------------------------


def test_every_cell_has_neighbors_in_every_batch():
    x = make_embedding(60)
    batch = np.repeat([4, 7], 30)  # codes need not be 0, 1
    x[30:] += 1000
    graph = BBKNN(n_neighbors=3, prune=None)(x, 0, batch)
    for one in (4, 7):
        for other in (4, 7):
            assert (np.diff(graph[batch == one][:, batch == other].indptr) >= 3).all()


def test_bbknn_is_the_union_of_the_nearest_in_each_batch():
    x, batch = make_embedding(), make_batches(40)
    d = cdist(x.astype(float), x.astype(float))
    np.fill_diagonal(d, np.inf)
    expected = np.zeros((40, 40))
    for cell in range(40):
        for one in range(3):
            members = np.flatnonzero(batch == one)
            expected[cell, members[np.argsort(d[cell, members])[:4]]] = 1
    result = BBKNN(n_neighbors=4, prune=None)(x, 0, batch)
    np.testing.assert_array_equal(result.toarray(), np.maximum(expected, expected.T))


def test_one_batch_is_knn():
    one = np.zeros(40, dtype=int)
    for settings in ({}, {"weights": "gaussian"}, {"metric": "cosine"}, {"n_neighbors": 0.2}):
        assert_graphs_equal(
            BBKNN(**settings)(make_embedding(), 0, one), KNN(**settings)(make_embedding(), 0)
        )


def test_a_batch_of_one_cell_is_joined_to_the_others():
    graph = BBKNN(weights="gaussian")(make_embedding(), 0, np.arange(40) == 5)
    assert_valid_graph(graph, 40)
    assert graph[5].nnz == 39
