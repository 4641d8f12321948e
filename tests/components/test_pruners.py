"""Masks of the pruners."""

from __future__ import annotations

import numpy as np
import pytest

from scgnn.components import pruners
from scgnn.components.pruners import IsolationForest, LocalOutlierFactor, MeanStd, Pruner

every_pruner = pytest.mark.parametrize("name", Pruner.names())
outliers = pytest.mark.parametrize("pruner", [IsolationForest(), LocalOutlierFactor()])


def prune(pruner, distances, seed=0):
    distances = np.atleast_2d(np.asarray(distances, dtype=float))
    neighbors = np.broadcast_to(np.arange(distances.shape[1]), distances.shape)
    return pruner(neighbors, distances, seed)


@every_pruner
@pytest.mark.parametrize("k", [1, 2, 3, 12])
def test_nearest_is_kept_and_mask_has_the_shape_of_the_distances(name, k):
    distances = np.sort(np.random.default_rng(0).random((6, k)), axis=1)
    mask = prune(Pruner.get(name)(), distances)
    assert mask.shape == distances.shape and mask.dtype == bool
    assert mask[:, 0].all()


@every_pruner
@pytest.mark.parametrize("distance", [0.0, 2.0])
def test_equal_distances_are_all_kept(name, distance):
    assert prune(Pruner.get(name)(), np.full((3, 10), distance)).all()


@every_pruner
def test_identical_cells_are_accepted(name):
    assert prune(Pruner.get(name)(), [[0.0] * 8 + [1.0, 1.0]])[0, :8].all()


def test_mean_std_drops_edges_above_one_sd():
    distances = np.array([1.0, 1, 1, 2, 3, 9])
    np.testing.assert_array_equal(
        prune(MeanStd(), distances)[0], distances <= distances.mean() + distances.std()
    )
    assert prune(MeanStd(n_std=0.0), distances)[0].sum() == 4


@outliers
def test_an_outlier_is_dropped(pruner):
    mask = prune(pruner, [[1.0, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08, 50]])
    assert not mask[0, -1]
    assert mask[0, :5].all()


@outliers
def test_edges_below_the_median_are_kept(pruner):
    assert prune(pruner, [[0.001, 5, 5.01, 5.02, 5.03, 5.04, 5.05, 5.06]])[0, :4].all()


def test_local_outliers_are_those_of_scikit_learn():
    from sklearn.neighbors import LocalOutlierFactor as Detector

    distances = np.sort(np.random.default_rng(1).exponential(size=15))
    expected = Detector(n_neighbors=5).fit_predict(distances[:, None]) == 1
    result = prune(LocalOutlierFactor(), distances)[0]
    np.testing.assert_array_equal(result, expected | (distances <= np.median(distances)))


def test_paths_are_as_long_as_those_of_scikit_learn():
    from sklearn.ensemble import IsolationForest as Detector

    distances = np.sort(np.random.default_rng(1).exponential(size=(1, 10)), axis=1)
    draws = np.random.default_rng(2).random((4, 4000, 10))  # depth x trees x k
    result = pruners._compute_path_lengths(distances, draws)
    usual = pruners._average_path_length(np.array(10))
    for row, paths in zip(distances, result, strict=True):
        score = Detector(n_estimators=2000, random_state=0).fit(row[:, None]).score_samples
        np.testing.assert_allclose(2 ** (-paths / usual), -score(row[:, None]), atol=0.01)


def test_forest_depends_on_the_seed():
    distances = np.sort(np.random.default_rng(0).exponential(size=(20, 12)), axis=1)
    masks = [prune(IsolationForest(n_estimators=2), distances, seed) for seed in range(4)]
    assert any((mask != masks[0]).any() for mask in masks)
