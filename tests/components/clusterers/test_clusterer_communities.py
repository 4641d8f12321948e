"""Community detection with a requested number of clusters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from cell_groups import assert_valid_clusters, fit_clusters, is_same_partition, make_blobs
from scgnn.components.clusterers import Leiden, Louvain
from scgnn.components.clusterers.community_detection import search_resolution


@pytest.mark.parametrize(
    "clusterer",
    [
        Louvain(),
        Leiden(),
        Leiden(objective="cpm"),
        Leiden(objective="rber"),
        Leiden(resolution=9.0),
    ],
)
@pytest.mark.parametrize("k", [2, 5, 10])
def test_requested_number_of_communities_is_found(clusterer, k):
    x, _ = make_blobs(40, 40, separation=2.0)
    labels = fit_clusters(replace(clusterer, n_clusters=k), x)
    assert_valid_clusters(labels, 80)
    assert labels.max() + 1 == k


@pytest.mark.parametrize("clusterer", [Louvain(n_clusters=1), Leiden(n_clusters=1)])
def test_connected_components_are_not_merged(clusterer):
    x, group = make_blobs(30, 25, 20)
    assert is_same_partition(fit_clusters(clusterer, x), group)


@pytest.mark.parametrize(("k", "nearest"), [(4, 4), (6, 5), (9, 10), (10, 10), (50, 10)])
def test_closest_number_is_used_if_none_is_exact(k, nearest):
    def cluster(resolution):
        count = 2 if resolution < 0.3 else 4 if resolution < 0.5 else 5 if resolution < 3 else 10
        return np.arange(40) % count

    assert search_resolution(k, cluster, 1.0).max() + 1 == nearest


def test_there_are_no_more_communities_than_cells():
    ring = np.roll(np.eye(6), 1, 1) + np.roll(np.eye(6), -1, 1)
    labels = Louvain(n_clusters=100).fit_predict(None, sparse.csr_matrix(ring, dtype=np.float32), 0)
    assert labels.max() + 1 == 6


@pytest.mark.parametrize("objective", ["surprise", "significance"])
def test_objectives_without_resolution_reject_n_clusters(objective):
    with pytest.raises(ValueError, match=f"n_clusters: {objective} has no resolution"):
        Leiden(objective=objective, n_clusters=3)
    labels = fit_clusters(Leiden(objective=objective), make_blobs(30, 20)[0])
    assert labels.max() >= 1
