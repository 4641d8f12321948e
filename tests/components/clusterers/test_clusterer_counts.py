"""Number of clusters: given, by silhouette or eigengap, or of another clusterer."""

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
from scgnn.components.clusterers import KMeans, Louvain
from scgnn.components.clusterers.n_clusters import (
    scale_n_clusters,
    select_n_clusters_by_eigengap,
    select_n_clusters_by_silhouette,
)
from scgnn.components.graph_builders import KNN
from scgnn.registry.introspection import collect_requirements

every_given_k = pytest.mark.parametrize("name", GIVEN_K_CLUSTERERS)


@every_given_k
def test_a_number_of_clusters_is_made(name):
    x, group = make_blobs(30, 25, 20)
    assert is_same_partition(fit_clusters(make_clusterer(name, n_clusters=3), x), group)


@every_given_k
def test_one_cluster_can_be_requested(name):
    assert not fit_clusters(make_clusterer(name, n_clusters=1), make_blobs(20, 15)[0]).any()


@every_given_k
def test_there_are_no_more_clusters_than_distinct_cells(name):
    x = np.repeat(make_blobs(4, separation=50.0)[0], 8, axis=0)
    assert fit_clusters(make_clusterer(name, n_clusters=10), x).max() <= 3


@every_given_k
@pytest.mark.parametrize("k", ["silhouette", "eigengap"])
def test_number_of_clusters_can_be_estimated(name, k):
    x, group = make_blobs(30, 25, 20, 15)
    assert is_same_partition(fit_clusters(make_clusterer(name, n_clusters=k), x), group)


def test_only_the_number_of_another_clusterer_is_scaled():
    x, _ = make_blobs(30, 25, 20, 15, 10)
    graph = KNN()(x, 0)
    five = Louvain(n_clusters=5)
    assert (
        KMeans(n_clusters=five).fit_predict(x, graph, 0).max() + 1
        == scale_n_clusters(5, 100, "auto")
        == 4
    )
    assert KMeans(n_clusters=five, n_clusters_factor=1.0).fit_predict(x, graph, 0).max() + 1 == 5
    assert KMeans(n_clusters=5, n_clusters_factor=0.2).fit_predict(x, graph, 0).max() + 1 == 5
    assert (
        KMeans(n_clusters="silhouette", n_clusters_factor=0.2).fit_predict(x, graph, 0).max() + 1
        == 5
    )


def test_scgnn_s_factors():
    assert [scale_n_clusters(10, n, "auto") for n in (1999, 2000)] == [8, 5]
    assert scale_n_clusters(1, 100, "auto") == 2


def test_eigengap_requires_the_graph():
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


def test_silhouette_uses_a_sample(monkeypatch):
    x, _ = make_blobs(60, 50, 40)
    monkeypatch.setattr("scgnn.components.clusterers.n_clusters.MAX_SILHOUETTE_CELLS", 30)
    assert select_n_clusters_by_silhouette(x, 0) == 3


@pytest.mark.parametrize("separation", [4.0, 6.0, 100.0])
def test_eigengap_is_that_of_the_normalized_laplacian(separation):
    x, _ = make_blobs(50, 50, 50, 50, separation=separation)
    graph = KNN()(x, 0)
    a = graph.toarray().astype(float)
    d = np.diag(1 / np.sqrt(a.sum(0)))
    values = np.linalg.eigvalsh(np.eye(200) - d @ a @ d)[:31]
    assert select_n_clusters_by_eigengap(graph) == np.argmax(np.diff(values)[1:]) + 2


def test_graph_with_many_components_has_the_maximum():
    assert select_n_clusters_by_eigengap(sparse.identity(50, np.float32, "csr") * 0) == 30


@pytest.mark.parametrize("n", [1, 2, 3])
def test_number_of_clusters_of_few_cells(n):
    x = make_blobs(n)[0]
    assert 1 <= select_n_clusters_by_eigengap(KNN()(x, 0)) <= n
    assert 1 <= select_n_clusters_by_silhouette(x, 0) <= n
