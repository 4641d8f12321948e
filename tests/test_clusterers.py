"""Clusters of cells: what every clusterer owes, and what each of them promises."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score, silhouette_score

from scgnn.components.clusterers import (
    HDBSCAN,
    OPTICS,
    AffinityPropagation,
    Agglomerative,
    Birch,
    Clusterer,
    Consensus,
    Counted,
    GaussianMixture,
    KMeans,
    Leiden,
    Louvain,
    MeanShift,
    Random,
    Spectral,
    canonical,
    eigengap_count,
    merge_small,
    nearest_small,
    scaled_count,
    silhouette_count,
)
from scgnn.components.clusterers.communities import with_count
from scgnn.components.clusterers.labels import join_noise
from scgnn.components.graph_builders import KNN
from scgnn.errors import UserError
from scgnn.registry import requirements

SETTLED = sorted(set(Clusterer.names()) - {"random"})  # by the cells, not by chance
COUNTED = [name for name in SETTLED if issubclass(Clusterer.named(name), Counted)]
every_clusterer = pytest.mark.parametrize("name", Clusterer.names())
settled = pytest.mark.parametrize("name", SETTLED)
counted = pytest.mark.parametrize("name", COUNTED)


def blobs(*sizes, apart=100.0, width=5, seed=0):
    """Round groups of cells, one on each axis, and which of them each cell is of."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    noise = np.random.default_rng(seed).normal(size=(len(group), width))
    return (noise + apart * np.eye(len(sizes), width)[group]).astype(np.float32), group


def labels_of(clusterer, x, seed=0):
    return clusterer(x, KNN()(x, seed), seed)


def of(name, **settings):
    return Clusterer.named(name)(**settings)


def assert_contract(labels, n):
    assert labels.shape == (n,) and np.issubdtype(labels.dtype, np.integer)
    np.testing.assert_array_equal(labels, canonical(labels))


def same_groups(one, other):
    return adjusted_rand_score(one, other) == 1


# --- every clusterer ----------------------------------------------------------------------------


@every_clusterer
@pytest.mark.parametrize("n", [1, 2, 3, 12, 45])
def test_labels_run_by_falling_size_whatever_the_number_of_cells(name, n):
    x = np.random.default_rng(n).normal(size=(n, 4)).astype(np.float32)
    assert_contract(labels_of(of(name), x), n)


@every_clusterer
@pytest.mark.parametrize("value", [0, 1, 1e4])
def test_equal_cells_are_no_trouble(name, value):
    x = np.full((25, 3), value, np.float32)
    labels = labels_of(of(name), x)
    assert_contract(labels, 25)


@every_clusterer
def test_groups_of_twins_are_no_trouble(name):
    x = np.repeat(blobs(3)[0], 12, axis=0)
    assert_contract(labels_of(of(name), x), 36)


@settled
def test_two_far_blobs_are_found(name):
    x, group = blobs(40, 25)
    labels = labels_of(of(name), x)
    assert labels.max() >= 1
    assert not set(labels[group == 0]) & set(labels[group == 1])


@settled
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_an_embedding_has_no_unit(name, scale):
    x, group = blobs(40, 25)
    labels = labels_of(of(name), x * np.float32(scale))
    assert labels.max() >= 1
    assert not set(labels[group == 0]) & set(labels[group == 1])


@every_clusterer
def test_a_seed_gives_the_same_labels_again_and_the_cells_stay(name):
    x, _ = blobs(20, 20, apart=3.0)
    graph, before = KNN()(x, 0), x.copy()
    edges = graph.copy()
    once, again = of(name)(x, graph, 7), of(name)(x, graph, 7)
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(x, before)
    assert (graph != edges).nnz == 0


@settled
def test_relabelling_the_cells_relabels_the_clusters(name):
    x, _ = blobs(30, 25, 20)
    clusterer = of(name, k=3) if hasattr(of(name), "k") else of(name)
    order = np.random.default_rng(3).permutation(len(x))
    labels, moved = labels_of(clusterer, x), labels_of(clusterer, x[order])
    assert same_groups(labels[order], moved)


@every_clusterer
def test_only_what_reads_the_graph_asks_for_it(name):
    clusterer = replace(of(name), k=2) if name in COUNTED else of(name)
    needs = name in ("louvain", "leiden", "spectral")
    assert requirements(clusterer) == ({"graph"} if needs else set())
    if not needs:
        assert_contract(clusterer(blobs(20, 12)[0], None, 0), 32)


# --- a number of clusters -----------------------------------------------------------------------


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
    monkeypatch.setattr("scgnn.components.clusterers.counts.SAMPLED", 30)
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


# --- communities --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "clusterer",
    [Louvain(), Leiden(), Leiden(quality="cpm"), Leiden(quality="rber"), Leiden(resolution=9.0)],
)
@pytest.mark.parametrize("k", [2, 5, 10])
def test_a_wished_number_of_communities_is_found(clusterer, k):
    x, _ = blobs(40, 40, apart=2.0)
    labels = labels_of(replace(clusterer, k=k), x)
    assert_contract(labels, 80)
    assert labels.max() + 1 == k


@pytest.mark.parametrize("clusterer", [Louvain(k=1), Leiden(k=1)])
def test_parts_of_the_graph_stay_apart_whatever_is_wished(clusterer):
    x, group = blobs(30, 25, 20)
    assert same_groups(labels_of(clusterer, x), group)


@pytest.mark.parametrize(("k", "nearest"), [(4, 4), (6, 5), (9, 10), (10, 10), (50, 10)])
def test_where_the_number_cannot_be_had_the_nearest_is_taken(k, nearest):
    def found(resolution):
        count = 2 if resolution < 0.3 else 4 if resolution < 0.5 else 5 if resolution < 3 else 10
        return np.arange(40) % count

    assert with_count(k, found, 1.0).max() + 1 == nearest


def test_there_are_no_more_communities_than_cells():
    ring = np.roll(np.eye(6), 1, 1) + np.roll(np.eye(6), -1, 1)
    labels = Louvain(k=100)(None, sparse.csr_matrix(ring, dtype=np.float32), 0)
    assert labels.max() + 1 == 6


@pytest.mark.parametrize("quality", ["surprise", "significance"])
def test_qualities_without_a_resolution_refuse_a_wished_number(quality):
    with pytest.raises(ValueError, match=f"k: {quality} has no resolution"):
        Leiden(quality=quality, k=3)
    labels = labels_of(Leiden(quality=quality), blobs(30, 20)[0])
    assert labels.max() >= 1


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


# --- small clusters -----------------------------------------------------------------------------

SMALL = np.array([0] * 5 + [1] * 4 + [2, 2, 3])
PLACES = np.array([[0.0]] * 5 + [[10.0]] * 4 + [[4.0], [6.0], [9.0]])


def test_small_clusters_are_made_one():
    np.testing.assert_array_equal(merge_small(SMALL, 3, 30), [0] * 5 + [1] * 4 + [2, 2, 2])


def test_cells_of_small_clusters_join_the_nearest_that_is_kept():
    labels = nearest_small(SMALL, PLACES, 3, 30)
    np.testing.assert_array_equal(labels, [0] * 5 + [1] * 4 + [0, 1, 1])


def test_clusters_beyond_the_most_are_small_too():
    np.testing.assert_array_equal(nearest_small(SMALL, PLACES, 1, 1), np.zeros(12))


def test_where_no_cluster_is_kept_all_cells_are_one():
    np.testing.assert_array_equal(nearest_small(SMALL, PLACES, 99, 30), np.zeros(12))


def test_kept_clusters_keep_their_cells():
    np.testing.assert_array_equal(nearest_small(SMALL, PLACES, 1, 30), SMALL)
