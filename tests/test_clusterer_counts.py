"""How many clusters: told, found by the silhouette or the eigengap, or counted by another."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import silhouette_score

from cell_groups import (
    GIVEN_K_CLUSTERERS,
    fit_clusters,
    is_same_partition,
    make_blobs,
    make_clusterer,
)
from scgnn.components.clusterers import (
    KMeans,
    Louvain,
    scale_n_clusters,
    select_n_clusters_by_eigengap,
    select_n_clusters_by_silhouette,
)
from scgnn.components.graph_builders import KNN
from scgnn.registry.introspection import collect_requirements

counted = pytest.mark.parametrize("name", GIVEN_K_CLUSTERERS)


@counted
def test_a_number_of_clusters_is_made(name):
    x, group = make_blobs(30, 25, 20)
    assert is_same_partition(fit_clusters(make_clusterer(name, n_clusters=3), x), group)


@counted
def test_one_cluster_may_be_wished_for(name):
    assert not fit_clusters(make_clusterer(name, n_clusters=1), make_blobs(20, 15)[0]).any()


@counted
def test_there_are_no_more_clusters_than_different_cells(name):
    x = np.repeat(make_blobs(4, separation=50.0)[0], 8, axis=0)
    assert fit_clusters(make_clusterer(name, n_clusters=10), x).max() <= 3


@counted
@pytest.mark.parametrize("k", ["silhouette", "eigengap"])
def test_the_number_of_clusters_may_be_found(name, k):
    x, group = make_blobs(30, 25, 20, 15)
    assert is_same_partition(fit_clusters(make_clusterer(name, n_clusters=k), x), group)


def test_a_counted_number_of_clusters_is_scaled_and_a_number_is_not():
    x, _ = make_blobs(30, 25, 20, 15, 10)
    graph = KNN()(x, 0)
    five = Louvain(n_clusters=5)
    assert KMeans(n_clusters=five).fit_predict(x, graph, 0).max() + 1 == scale_n_clusters(5, 100, "auto") == 4
    assert KMeans(n_clusters=five, n_clusters_factor=1.0).fit_predict(x, graph, 0).max() + 1 == 5
    assert KMeans(n_clusters=5, n_clusters_factor=0.2).fit_predict(x, graph, 0).max() + 1 == 5
    assert KMeans(n_clusters="silhouette", n_clusters_factor=0.2).fit_predict(x, graph, 0).max() + 1 == 5


def test_scgnn_s_factors():
    assert [scale_n_clusters(10, n, "auto") for n in (1999, 2000)] == [8, 5]
    assert scale_n_clusters(1, 100, "auto") == 2


def test_eigengap_needs_the_graph_and_says_so_before_a_run():
    assert collect_requirements(KMeans(n_clusters="eigengap")) == {"graph"}
    assert collect_requirements(KMeans(n_clusters="silhouette")) == set()
    assert KMeans.requires == frozenset()
    assert (
        KMeans(n_clusters="eigengap")
        == KMeans(n_clusters="eigengap")
        != KMeans(n_clusters="silhouette")
    )


def test_the_silhouette_is_the_best_over_the_numbers_of_clusters():
    x, _ = make_blobs(20, 20, 20, separation=4.0)
    scores = {}
    for k in range(2, 31):
        labels = KMeans(n_clusters=k).fit_predict(x.astype(float), None, 0)
        scores[k] = silhouette_score(x.astype(float), labels)
    assert select_n_clusters_by_silhouette(x, 0) == max(scores, key=scores.get)


def test_the_silhouette_is_taken_of_a_sample(monkeypatch):
    x, _ = make_blobs(60, 50, 40)
    monkeypatch.setattr("scgnn.components.clusterers.n_clusters.MAX_SILHOUETTE_CELLS", 30)
    assert select_n_clusters_by_silhouette(x, 0) == 3


@pytest.mark.parametrize("apart", [4.0, 6.0, 100.0])
def test_the_eigengap_is_that_of_the_normalised_laplacian(apart):
    x, _ = make_blobs(50, 50, 50, 50, separation=apart)
    graph = KNN()(x, 0)
    a = graph.toarray().astype(float)
    d = np.diag(1 / np.sqrt(a.sum(0)))
    values = np.linalg.eigvalsh(np.eye(200) - d @ a @ d)[:31]
    assert select_n_clusters_by_eigengap(graph) == np.argmax(np.diff(values)[1:]) + 2


def test_a_graph_in_more_parts_than_the_most_clusters_has_the_most():
    assert select_n_clusters_by_eigengap(sparse.identity(50, np.float32, "csr") * 0) == 30


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_cells_are_counted(n):
    x = make_blobs(n)[0]
    assert 1 <= select_n_clusters_by_eigengap(KNN()(x, 0)) <= n
    assert 1 <= select_n_clusters_by_silhouette(x, 0) <= n
