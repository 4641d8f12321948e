"""Properties of single clusterers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from cell_groups import fit_clusters, is_same_partition, make_blobs
from scgnn.components.clusterers import (
    HDBSCAN,
    OPTICS,
    AffinityPropagation,
    Agglomerative,
    Birch,
    Consensus,
    GaussianMixture,
    KMeans,
    MeanShift,
    RandomClusters,
    Spectral,
)
from scgnn.components.clusterers.relabel import reassign_noise
from scgnn.components.graph_builders import KNN
from scgnn.errors import UserError

# --- density, exemplars -------------------------------------------------------------------------


@pytest.mark.parametrize("clusterer", [HDBSCAN(), MeanShift(), AffinityPropagation()])
def test_number_of_blobs_is_determined(clusterer):
    x, group = make_blobs(40, 30, 20)
    assert is_same_partition(fit_clusters(clusterer, x), group)


def test_noise_joins_the_cluster_of_the_nearest_cell():
    points = np.array([[0.0], [1], [2], [10], [11], [4], [8], [7]])
    labels = np.array([5, 5, 5, 3, 3, -1, -1, 3])
    np.testing.assert_array_equal(reassign_noise(labels, points), [5, 5, 5, 3, 3, 5, 3, 3])


@pytest.mark.parametrize("clusterer", [HDBSCAN(min_cluster_size=50), OPTICS(min_samples=19)])
def test_cells_that_are_all_noise_are_one_cluster(clusterer):
    assert not fit_clusters(clusterer, np.random.default_rng(0).normal(size=(20, 4))).any()


def test_no_cell_is_left_as_noise():
    x, group = make_blobs(40, 30)
    outliers = x[[0, 40]] + 20
    labels = fit_clusters(HDBSCAN(), np.vstack([x, outliers]))
    assert is_same_partition(labels, [*group, 0, 1])


def test_exemplars_by_the_median_are_more_than_by_the_minimum():
    x, _ = make_blobs(40, 30, separation=8.0)
    few, many = (fit_clusters(AffinityPropagation(preference=p), x) for p in ("minimum", "median"))
    assert few.max() < many.max()


@pytest.mark.parametrize(
    ("clusterer", "alternative"),
    [(Agglomerative(n_clusters=2), "birch"), (AffinityPropagation(), "hdbscan")],
)
def test_more_than_max_cells_are_rejected(clusterer, alternative):
    pairs = 8 if alternative == "birch" else 40  # bytes for each ordered pair, at most
    assert pairs * clusterer.max_cells**2 < 8.1e9
    message = f"^{clusterer.name} holds every pair of cells .* 30 cells .* 29; use {alternative}"
    with pytest.raises(UserError, match=message):
        replace(clusterer, max_cells=29).fit_predict(make_blobs(20, 10)[0], None, 0)


# --- others -------------------------------------------------------------------------------------


@pytest.mark.parametrize("linkage", ["ward", "average", "complete", "single"])
def test_each_linkage_finds_distant_blobs(linkage):
    x, group = make_blobs(30, 25, 20)
    assert is_same_partition(
        Agglomerative(n_clusters=3, linkage=linkage).fit_predict(x, None, 0), group
    )


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_a_mixture_finds_blobs_by_each_kind_of_covariance(covariance):
    x, group = make_blobs(60, 50, 40, separation=12.0)
    assert is_same_partition(
        GaussianMixture(n_clusters=3, covariance_type=covariance).fit_predict(x, None, 0), group
    )


def test_full_covariance_finds_what_kmeans_splits():
    x = np.random.default_rng(0).normal(size=(300, 2)) * [2, 0.3]
    x[150:] += [1, 3]
    group = np.arange(300) // 150
    assert is_same_partition(GaussianMixture(n_clusters=2).fit_predict(x, None, 0), group)
    assert not is_same_partition(KMeans(n_clusters=2).fit_predict(x, None, 0), group)


def test_birch_joins_enough_leaves_for_the_clusters():
    x, group = make_blobs(100, 3, 3, separation=30.0)
    assert is_same_partition(Birch(n_clusters=3).fit_predict(x, None, 0), group)


def test_spectral_follows_the_graph_and_not_the_embedding():
    x, group = make_blobs(30, 30)
    other = np.random.default_rng(0).normal(size=x.shape)
    assert is_same_partition(Spectral(n_clusters=2).fit_predict(other, KNN()(x, 0), 0), group)


def test_consensus_is_the_member_that_agrees_best_with_the_others():
    x, _ = make_blobs(30, 30, 30, separation=3.0)
    consensus = Consensus(resolutions=(0.3, 1.0, 2.0), n_neighbors=(5, 15), n_pcs=(2, 5))
    partitions = list(consensus._iter_partitions(x.astype(float), 4))
    assert len(partitions) == 12
    agreement = [
        math.fsum(adjusted_rand_score(one, other) for other in partitions) for one in partitions
    ]
    np.testing.assert_array_equal(
        consensus.fit_predict(x, None, 4), partitions[int(np.argmax(agreement))]
    )


def test_consensus_has_no_duplicate_partitions():
    x, _ = make_blobs(6, 5)
    consensus = Consensus(resolutions=(1.0, 1.0), n_neighbors=(20, 30), n_pcs=(10, 20))
    assert len(list(consensus._iter_partitions(x.astype(float), 0))) == 1


def test_random_labels_follow_the_seed_alone():
    x, group = make_blobs(300, 300)
    labels = RandomClusters(n_clusters=4).fit_predict(x, None, 1)
    assert labels.max() + 1 == 4
    assert abs(adjusted_rand_score(labels, group)) < 0.02
    np.testing.assert_array_equal(labels, RandomClusters(n_clusters=4).fit_predict(x + 5, None, 1))
    assert (labels != RandomClusters(n_clusters=4).fit_predict(x, None, 2)).any()
