"""How many clusters: told, found by the silhouette or the eigengap, or counted by another."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import silhouette_score

from cell_groups import COUNTED, blobs, labels_of, of, same_groups
from scgnn.components.clusterers import (
    KMeans,
    Louvain,
    eigengap_count,
    scaled_count,
    silhouette_count,
)
from scgnn.components.graph_builders import KNN
from scgnn.registry.introspection import requirements

counted = pytest.mark.parametrize("name", COUNTED)


@counted
def test_a_number_of_clusters_is_made(name):
    x, group = blobs(30, 25, 20)
    assert same_groups(labels_of(of(name, k=3), x), group)


@counted
def test_one_cluster_may_be_wished_for(name):
    assert not labels_of(of(name, k=1), blobs(20, 15)[0]).any()


@counted
def test_there_are_no_more_clusters_than_different_cells(name):
    x = np.repeat(blobs(4, apart=50.0)[0], 8, axis=0)
    assert labels_of(of(name, k=10), x).max() <= 3


@counted
@pytest.mark.parametrize("k", ["silhouette", "eigengap"])
def test_the_number_of_clusters_may_be_found(name, k):
    x, group = blobs(30, 25, 20, 15)
    assert same_groups(labels_of(of(name, k=k), x), group)


def test_a_counted_number_of_clusters_is_scaled_and_a_number_is_not():
    x, _ = blobs(30, 25, 20, 15, 10)
    graph = KNN()(x, 0)
    five = Louvain(k=5)
    assert KMeans(k=five)(x, graph, 0).max() + 1 == scaled_count(5, 100, "auto") == 4
    assert KMeans(k=five, k_factor=1.0)(x, graph, 0).max() + 1 == 5
    assert KMeans(k=5, k_factor=0.2)(x, graph, 0).max() + 1 == 5
    assert KMeans(k="silhouette", k_factor=0.2)(x, graph, 0).max() + 1 == 5


def test_scgnn_s_factors():
    assert [scaled_count(10, n, "auto") for n in (1999, 2000)] == [8, 5]
    assert scaled_count(1, 100, "auto") == 2


def test_eigengap_needs_the_graph_and_says_so_before_a_run():
    assert requirements(KMeans(k="eigengap")) == {"graph"}
    assert requirements(KMeans(k="silhouette")) == set()
    assert KMeans.requires == frozenset()
    assert KMeans(k="eigengap") == KMeans(k="eigengap") != KMeans(k="silhouette")


def test_the_silhouette_is_the_best_over_the_numbers_of_clusters():
    x, _ = blobs(20, 20, 20, apart=4.0)
    scores = {}
    for k in range(2, 31):
        labels = KMeans(k=k)(x.astype(float), None, 0)
        scores[k] = silhouette_score(x.astype(float), labels)
    assert silhouette_count(x, 0) == max(scores, key=scores.get)


def test_the_silhouette_is_taken_of_a_sample(monkeypatch):
    x, _ = blobs(60, 50, 40)
    monkeypatch.setattr("scgnn.components.clusterers.n_clusters.SAMPLED", 30)
    assert silhouette_count(x, 0) == 3


@pytest.mark.parametrize("apart", [4.0, 6.0, 100.0])
def test_the_eigengap_is_that_of_the_normalised_laplacian(apart):
    x, _ = blobs(50, 50, 50, 50, apart=apart)
    graph = KNN()(x, 0)
    a = graph.toarray().astype(float)
    d = np.diag(1 / np.sqrt(a.sum(0)))
    values = np.linalg.eigvalsh(np.eye(200) - d @ a @ d)[:31]
    assert eigengap_count(graph) == np.argmax(np.diff(values)[1:]) + 2


def test_a_graph_in_more_parts_than_the_most_clusters_has_the_most():
    assert eigengap_count(sparse.identity(50, np.float32, "csr") * 0) == 30


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_cells_are_counted(n):
    x = blobs(n)[0]
    assert 1 <= eigengap_count(KNN()(x, 0)) <= n
    assert 1 <= silhouette_count(x, 0) <= n
