"""LTMG as published, against extracts of the R program's results."""

from __future__ import annotations

import numpy as np
import pytest

from ltmg_genes import load_reference, to_dense_states, to_log_matrix
from scgnn.components.ltmg import LTMG
from scgnn.components.ltmg.cutoffs import find_density_crossing
from scgnn.components.ltmg.mixture import Mixture, assign_states
from scgnn.components.ltmg.padding import GenePadder
from scgnn.components.ltmg.published import MIN_LOG_DENSITY, fit_published
from scgnn.components.ltmg.sorted_expression import sort_expression, to_states


def assert_states(expression, value_index, cutoff: np.ndarray, mixture: Mixture, states) -> None:
    above = GenePadder(expression, np.nextafter(cutoff, np.inf))
    state = assign_states(above, mixture, MIN_LOG_DENSITY)
    np.testing.assert_array_equal(to_states(value_index, state).toarray().T, states)


def test_published_fed_the_jittered_logs_of_r_equals_r_on_simulated_genes():
    data = load_reference("ltmg_simulated.npz")
    assert len(set(data["kind"])) == 8
    starts = np.full((len(data["y"]), 3, 3, 2), np.nan)
    for gene, trial, *start in data["em_start"]:
        starts[int(gene) - 1, int(trial) - 1] = np.reshape(start, (3, 2))
    expression, value_index = sort_expression(to_log_matrix(data["y"]))
    fits = fit_published(expression, data["cutoff"], data["truncated"], starts)
    assert_states(expression, value_index, data["cutoff"], fits.mixture, data["states"])
    np.testing.assert_array_equal(fits.mixture.n_components, data["n_components"])
    for name, ours in fits.mixture._asdict().items():
        np.testing.assert_allclose(ours, data[name], rtol=0, atol=1e-6)


def restore_goolam_counts() -> np.ndarray:
    """Counts that R's jittered logs were made of; genes x cells."""
    return np.round(np.exp(load_reference("ltmg_goolam.npz")["y"]))


def test_published_fed_the_jittered_logs_of_r_equals_the_shipped_states():
    data, x = load_reference("ltmg_goolam.npz"), restore_goolam_counts()
    expression, value_index = sort_expression(to_log_matrix(data["y"]))
    no_starts = np.empty((len(x), 0, 3, 2))
    fits = fit_published(expression, data["cutoff"], (x == 0).any(1), no_starts, shrinking_k=True)
    assert_states(expression, value_index, data["cutoff"], fits.mixture, data["states"])


def test_own_jitter_differs_from_the_shipped_states_no_more_than_r_from_itself():
    x, states = restore_goolam_counts(), load_reference("ltmg_goolam.npz")["states"]
    model = LTMG(variant="published", cutoff=0.0, shrinking_k=True, ordinary_starts=0)
    differ = [(to_dense_states(model.fit(x.T, seed)) != states).mean() for seed in range(3)]
    assert np.mean(differ) <= 0.010  # R against itself, on all genes: 0.008 to 0.010


def test_own_jitter_differs_from_r_no_more_than_r_from_itself_on_simulated_genes():
    data = load_reference("ltmg_simulated.npz")
    regular = data["kind"] == "regular"
    model = LTMG(variant="published", cutoff=data["cutoff"].min())
    x, states = data["x"][regular].T, data["states"][regular]
    differ = [(to_dense_states(model.fit(x, seed)) != states).mean() for seed in range(3)]
    assert np.mean(differ) <= 0.0015  # R against itself, on all genes: 0.0011 to 0.0015


def test_global_cutoff_is_near_that_of_r():
    data = load_reference("ltmg_simulated.npz")
    minimum = data["log_minimum"]  # of all 500 genes
    assert find_density_crossing(minimum) == pytest.approx(data["cutoff"].min(), abs=1e-3)
    assert find_density_crossing(minimum[::-1]) == find_density_crossing(minimum)
