"""Properties of all clusterers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cell_groups import (
    GIVEN_K_CLUSTERERS,
    NON_RANDOM_CLUSTERERS,
    assert_valid_clusters,
    fit_clusters,
    is_same_partition,
    make_blobs,
    make_clusterer,
)
from scgnn.components.clusterers import Clusterer
from scgnn.registry.introspection import collect_requirements

every_clusterer = pytest.mark.parametrize("name", Clusterer.names())
non_random = pytest.mark.parametrize("name", NON_RANDOM_CLUSTERERS)


@every_clusterer
@pytest.mark.parametrize("n", [1, 2, 3, 12, 45])
def test_clusters_are_sorted_by_size_for_any_number_of_cells(name, n):
    x = np.random.default_rng(n).normal(size=(n, 4)).astype(np.float32)
    assert_valid_clusters(fit_clusters(make_clusterer(name), x), n)


@every_clusterer
@pytest.mark.parametrize("value", [0, 1, 1e4])
def test_identical_cells_are_accepted(name, value):
    x = np.full((25, 3), value, np.float32)
    labels = fit_clusters(make_clusterer(name), x)
    assert_valid_clusters(labels, 25)


@every_clusterer
def test_groups_of_identical_cells_are_accepted(name):
    x = np.repeat(make_blobs(3)[0], 12, axis=0)
    assert_valid_clusters(fit_clusters(make_clusterer(name), x), 36)


@non_random
def test_two_distant_blobs_are_separated(name):
    x, group = make_blobs(40, 25)
    labels = fit_clusters(make_clusterer(name), x)
    assert labels.max() >= 1
    assert not set(labels[group == 0]) & set(labels[group == 1])


@non_random
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_embedding_of_any_scale_is_accepted(name, scale):
    x, group = make_blobs(40, 25)
    labels = fit_clusters(make_clusterer(name), x * np.float32(scale))
    assert labels.max() >= 1
    assert not set(labels[group == 0]) & set(labels[group == 1])


@non_random
def test_permuting_cells_permutes_the_clusters(name):
    x, _ = make_blobs(30, 25, 20)
    clusterer = (
        make_clusterer(name, n_clusters=3)
        if hasattr(make_clusterer(name), "n_clusters")
        else make_clusterer(name)
    )
    order = np.random.default_rng(3).permutation(len(x))
    labels, moved = fit_clusters(clusterer, x), fit_clusters(clusterer, x[order])
    assert is_same_partition(labels[order], moved)


@every_clusterer
def test_only_graph_clusterers_require_the_graph(name):
    clusterer = (
        replace(make_clusterer(name), n_clusters=2)
        if name in GIVEN_K_CLUSTERERS
        else make_clusterer(name)
    )
    needs = name in ("louvain", "leiden", "spectral")
    assert collect_requirements(clusterer) == ({"graph"} if needs else set())
    if not needs:
        assert_valid_clusters(clusterer.fit_predict(make_blobs(20, 12)[0], None, 0), 32)
