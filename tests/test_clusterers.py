"""Clusters of cells: what every clusterer owes."""

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
settled = pytest.mark.parametrize("name", NON_RANDOM_CLUSTERERS)


@every_clusterer
@pytest.mark.parametrize("n", [1, 2, 3, 12, 45])
def test_labels_run_by_falling_size_whatever_the_number_of_cells(name, n):
    x = np.random.default_rng(n).normal(size=(n, 4)).astype(np.float32)
    assert_valid_clusters(fit_clusters(make_clusterer(name), x), n)


@every_clusterer
@pytest.mark.parametrize("value", [0, 1, 1e4])
def test_equal_cells_are_no_trouble(name, value):
    x = np.full((25, 3), value, np.float32)
    labels = fit_clusters(make_clusterer(name), x)
    assert_valid_clusters(labels, 25)


@every_clusterer
def test_groups_of_twins_are_no_trouble(name):
    x = np.repeat(make_blobs(3)[0], 12, axis=0)
    assert_valid_clusters(fit_clusters(make_clusterer(name), x), 36)


@settled
def test_two_far_blobs_are_found(name):
    x, group = make_blobs(40, 25)
    labels = fit_clusters(make_clusterer(name), x)
    assert labels.max() >= 1
    assert not set(labels[group == 0]) & set(labels[group == 1])


@settled
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_an_embedding_has_no_unit(name, scale):
    x, group = make_blobs(40, 25)
    labels = fit_clusters(make_clusterer(name), x * np.float32(scale))
    assert labels.max() >= 1
    assert not set(labels[group == 0]) & set(labels[group == 1])


@settled
def test_relabelling_the_cells_relabels_the_clusters(name):
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
def test_only_what_reads_the_graph_asks_for_it(name):
    clusterer = (
        replace(make_clusterer(name), n_clusters=2)
        if name in GIVEN_K_CLUSTERERS
        else make_clusterer(name)
    )
    needs = name in ("louvain", "leiden", "spectral")
    assert collect_requirements(clusterer) == ({"graph"} if needs else set())
    if not needs:
        assert_valid_clusters(clusterer.fit_predict(make_blobs(20, 12)[0], None, 0), 32)
