"""Pruners: what each keeps of a cell's neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from scgnn.components import pruners
from scgnn.components.pruners import IsolationForest, LocalOutlierFactor, MeanStd, Pruner

every_pruner = pytest.mark.parametrize("name", Pruner.names())
outliers = pytest.mark.parametrize("pruner", [IsolationForest(), LocalOutlierFactor()])


def kept(pruner, distances, seed=0):
    distances = np.atleast_2d(np.asarray(distances, dtype=float))
    neighbours = np.broadcast_to(np.arange(distances.shape[1]), distances.shape)
    return pruner(neighbours, distances, seed)


@every_pruner
@pytest.mark.parametrize("k", [1, 2, 3, 12])
def test_the_nearest_is_kept_and_the_mask_has_the_shape_of_the_distances(name, k):
    distances = np.sort(np.random.default_rng(0).random((6, k)), axis=1)
    mask = kept(Pruner.get(name)(), distances)
    assert mask.shape == distances.shape and mask.dtype == bool
    assert mask[:, 0].all()


@every_pruner
@pytest.mark.parametrize("distance", [0.0, 2.0])
def test_equal_distances_are_all_kept(name, distance):
    assert kept(Pruner.get(name)(), np.full((3, 10), distance)).all()


@every_pruner
def test_twins_are_no_trouble(name):
    assert kept(Pruner.get(name)(), [[0.0] * 8 + [1.0, 1.0]])[0, :8].all()


def test_mean_sd_drops_what_is_beyond_the_mean_and_one_sd():
    own = np.array([1.0, 1, 1, 2, 3, 9])
    np.testing.assert_array_equal(kept(MeanStd(), own)[0], own <= own.mean() + own.std())
    assert kept(MeanStd(n_std=0.0), own)[0].sum() == 4


@outliers
def test_an_outlier_is_dropped(pruner):
    mask = kept(pruner, [[1.0, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08, 50]])
    assert not mask[0, -1]
    assert mask[0, :5].all()


@outliers
def test_an_edge_below_the_median_is_kept_however_odd(pruner):
    assert kept(pruner, [[0.001, 5, 5.01, 5.02, 5.03, 5.04, 5.05, 5.06]])[0, :4].all()


def test_local_outliers_are_those_of_scikit_learn():
    from sklearn.neighbors import LocalOutlierFactor as Detector

    own = np.sort(np.random.default_rng(1).exponential(size=15))
    expected = Detector(n_neighbors=5).fit_predict(own[:, None]) == 1
    found = kept(LocalOutlierFactor(), own)[0]
    np.testing.assert_array_equal(found, expected | (own <= np.median(own)))


def test_paths_are_as_long_as_those_of_scikit_learn():
    from sklearn.ensemble import IsolationForest as Detector

    distances = np.sort(np.random.default_rng(1).exponential(size=(2, 10)), axis=1)
    draws = np.random.default_rng(2).random((4, 4000, 10))  # depth x trees x k
    found = pruners._compute_path_lengths(distances, draws)
    usual = pruners._average_path_length(np.array(10))
    for own, paths in zip(distances, found, strict=True):
        score = Detector(n_estimators=2000, random_state=0).fit(own[:, None]).score_samples
        np.testing.assert_allclose(2 ** (-paths / usual), -score(own[:, None]), atol=0.01)


def test_the_forest_follows_the_seed_it_is_called_with():
    distances = np.sort(np.random.default_rng(0).exponential(size=(20, 12)), axis=1)
    masks = [kept(IsolationForest(n_estimators=2), distances, seed) for seed in range(4)]
    assert any((mask != masks[0]).any() for mask in masks)
