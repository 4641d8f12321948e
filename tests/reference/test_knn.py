"""Neighbors, pruning and symmetry of the cell graph."""

from __future__ import annotations

import numpy as np
import pytest

from scgnn.components.graph_builders import KNN, kneighbors
from scgnn.components.pruners import MeanStd

from . import assert_near

ARRAYS = {
    r"embedding|k": "input",
    r"cluster_of_origin|margin_.*": "information",
    r"\w+_edges": "test_neighbors_are_the_same_in_the_same_order",
    r"\w+_distance": "test_distances_are_the_same",
    r"\w+_weight_published": "test_mean_plus_one_sd_drops_the_same_edges",
    r"\w+_boundary": "test_the_boundary_is_the_mean_plus_the_population_sd",
    r"\w+_adj_published": "test_without_pruning_the_graph_is_that_of_the_published_code",
    r"[a-z]+_adj_described": "test_a_pruned_edge_is_absent_from_the_graph",
    r"\w+_adj_mutual_described": "test_mutual_edges_survive_in_both_directions",
}

METRICS = ("euclidean", "cosine", "correlation")
all_metrics = pytest.mark.parametrize("metric", METRICS)


@pytest.fixture
def knn(arrays, metric):
    return kneighbors(arrays["embedding"], int(arrays["k"]), metric)


def graph(arrays, metric, **settings):
    return KNN(n_neighbors=int(arrays["k"]), metric=metric, **settings)(arrays["embedding"], seed=0)


@all_metrics
def test_neighbors_are_the_same_in_the_same_order(arrays, metric, knn):
    _, neighbors = knn
    cells = np.repeat(np.arange(len(neighbors)), neighbors.shape[1])
    edges = np.column_stack([cells, neighbors.ravel()])
    np.testing.assert_array_equal(edges, arrays[f"{metric}_edges"])


@all_metrics
def test_distances_are_the_same(arrays, metric, knn):
    distances, _ = knn
    assert_near(distances.ravel(), arrays[f"{metric}_distance"], rtol=1e-10)


@all_metrics
def test_mean_plus_one_sd_drops_the_same_edges(arrays, metric, knn):
    distances, neighbors = knn
    mask = MeanStd()(neighbors, distances)
    np.testing.assert_array_equal(mask.ravel(), arrays[f"{metric}_weight_published"])


@all_metrics
def test_the_boundary_is_the_mean_plus_the_population_sd(arrays, metric, knn):
    """The boundary is found by the edges that are kept.

    With an ``n_std`` for which the boundary is just beyond a cell's farthest neighbor, that one is
    kept; with a slightly smaller one it is dropped.
    """
    for cell, boundary in enumerate(arrays[f"{metric}_boundary"]):
        distances, neighbors = (array[[cell]] for array in knn)
        mean, farthest = distances.mean(), distances.max()
        sds = (farthest - mean) / (boundary - mean)
        assert MeanStd(n_std=sds * (1 + 1e-9))(neighbors, distances).all()
        assert not MeanStd(n_std=sds * (1 - 1e-9))(neighbors, distances)[0, -1]


@all_metrics
def test_without_pruning_the_graph_is_that_of_the_published_code(arrays, metric):
    """Its graph autoencoder and imputation keep the edges that its pruning drops."""
    full = graph(arrays, metric, prune=None)
    np.testing.assert_array_equal(full.toarray(), arrays[f"{metric}_adj_published"])


@all_metrics
def test_a_pruned_edge_is_absent_from_the_graph(arrays, metric):
    pruned = graph(arrays, metric)
    np.testing.assert_array_equal(pruned.toarray(), arrays[f"{metric}_adj_described"])
    assert (pruned.data > 0).all()


@all_metrics
def test_mutual_edges_survive_in_both_directions(arrays, metric):
    mutual = graph(arrays, metric, symmetry="mutual")
    np.testing.assert_array_equal(mutual.toarray(), arrays[f"{metric}_adj_mutual_described"])
