"""What each clusterer promises beyond what all owe."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from cell_groups import blobs, labels_of, same_groups
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
    Random,
    Spectral,
)
from scgnn.components.clusterers.relabel import join_noise
from scgnn.components.graph_builders import KNN
from scgnn.errors import UserError

# --- density, exemplars -------------------------------------------------------------------------


@pytest.mark.parametrize("clusterer", [HDBSCAN(), MeanShift(), AffinityPropagation()])
def test_the_number_of_blobs_is_found_without_being_told(clusterer):
    x, group = blobs(40, 30, 20)
    assert same_groups(labels_of(clusterer, x), group)


def test_noise_joins_the_cluster_of_the_nearest_labelled_cell():
    points = np.array([[0.0], [1], [2], [10], [11], [4], [8], [7]])
    labels = np.array([5, 5, 5, 3, 3, -1, -1, 3])
    np.testing.assert_array_equal(join_noise(labels, points), [5, 5, 5, 3, 3, 5, 3, 3])


@pytest.mark.parametrize("clusterer", [HDBSCAN(min_cluster_size=50), OPTICS(min_samples=19)])
def test_cells_that_are_all_noise_are_one_cluster(clusterer):
    assert not labels_of(clusterer, np.random.default_rng(0).normal(size=(20, 4))).any()


def test_no_cell_is_left_as_noise():
    x, group = blobs(40, 30)
    strays = x[[0, 40]] + 20
    labels = labels_of(HDBSCAN(), np.vstack([x, strays]))
    assert same_groups(labels, [*group, 0, 1])


def test_exemplars_by_the_median_are_more_than_by_the_minimum():
    x, _ = blobs(40, 30, apart=8.0)
    few, many = (labels_of(AffinityPropagation(preference=p), x) for p in ("minimum", "median"))
    assert few.max() < many.max()


@pytest.mark.parametrize(
    ("clusterer", "instead"), [(Agglomerative(k=2), "birch"), (AffinityPropagation(), "hdbscan")]
)
def test_more_cells_than_memory_has_room_for_are_refused(clusterer, instead):
    pairs = 8 if instead == "birch" else 40  # bytes for each ordered pair, at most
    assert pairs * clusterer.max_cells**2 < 8.1e9
    message = f"^{clusterer.name} holds every pair of cells .* 30 cells .* 29; take {instead}"
    with pytest.raises(UserError, match=message):
        replace(clusterer, max_cells=29)(blobs(20, 10)[0], None, 0)


# --- others -------------------------------------------------------------------------------------


@pytest.mark.parametrize("linkage", ["ward", "average", "complete", "single"])
def test_each_linkage_finds_far_blobs(linkage):
    x, group = blobs(30, 25, 20)
    assert same_groups(Agglomerative(k=3, linkage=linkage)(x, None, 0), group)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_a_mixture_finds_blobs_by_each_kind_of_covariance(covariance):
    x, group = blobs(60, 50, 40, apart=12.0)
    assert same_groups(GaussianMixture(k=3, covariance=covariance)(x, None, 0), group)


def test_a_mixture_with_shapes_finds_what_k_means_cuts():
    x = np.random.default_rng(0).normal(size=(300, 2)) * [2, 0.3]
    x[150:] += [1, 3]
    group = np.arange(300) // 150
    assert same_groups(GaussianMixture(k=2)(x, None, 0), group)
    assert not same_groups(KMeans(k=2)(x, None, 0), group)


def test_birch_joins_enough_leaves_for_the_clusters():
    x, group = blobs(100, 3, 3, apart=30.0)
    assert same_groups(Birch(k=3)(x, None, 0), group)


def test_spectral_follows_the_graph_and_not_the_embedding():
    x, group = blobs(30, 30)
    other = np.random.default_rng(0).normal(size=x.shape)
    assert same_groups(Spectral(k=2)(other, KNN()(x, 0), 0), group)


def test_consensus_is_the_member_that_agrees_best_with_the_others():
    x, _ = blobs(30, 30, 30, apart=3.0)
    consensus = Consensus(resolutions=(0.3, 1.0, 2.0), neighbours=(5, 15), dimensions=(2, 5))
    family = list(consensus._family(x.astype(float), 4))
    assert len(family) == 12
    agreement = [math.fsum(adjusted_rand_score(one, other) for other in family) for one in family]
    np.testing.assert_array_equal(consensus(x, None, 4), family[int(np.argmax(agreement))])


def test_consensus_does_not_count_a_partition_twice():
    x, _ = blobs(6, 5)
    consensus = Consensus(resolutions=(1.0, 1.0), neighbours=(20, 30), dimensions=(10, 20))
    assert len(list(consensus._family(x.astype(float), 0))) == 1


def test_random_labels_follow_the_seed_alone():
    x, group = blobs(300, 300)
    labels = Random(k=4)(x, None, 1)
    assert labels.max() + 1 == 4
    assert abs(adjusted_rand_score(labels, group)) < 0.02
    np.testing.assert_array_equal(labels, Random(k=4)(x + 5, None, 1))
    assert (labels != Random(k=4)(x, None, 2)).any()
