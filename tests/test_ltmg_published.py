"""LTMG as published, against the R program."""

from __future__ import annotations

import numpy as np
import pytest

from ltmg_genes import load_reference, needs_reference, to_dense_states, to_log_matrix
from scgnn.components.ltmg import LTMG
from scgnn.components.ltmg.cutoffs import find_density_crossing
from scgnn.components.ltmg.mixture import Mixture, assign_states
from scgnn.components.ltmg.published import MIN_LOG_DENSITY, fit_published
from scgnn.components.ltmg.sorted_values import sort_expression


def furthest(ours: Mixture, theirs: dict[str, np.ndarray]) -> float:
    """Largest difference of weights, means and standard deviations; NaN and -inf must agree."""
    worst = 0.0
    for name, mine in ours._asdict().items():
        np.testing.assert_array_equal(np.isfinite(mine), np.isfinite(theirs[name]))
        finite = np.isfinite(mine)
        worst = max(worst, np.abs(mine[finite] - theirs[name][finite]).max())
    return worst


@needs_reference
def test_published_fed_the_jittered_logs_of_r_equals_r_on_simulated_genes():
    data = load_reference("ltmg_simulated.npz")
    starts = np.full((len(data["y"]), 3, 3, 2), np.nan)
    for gene, trial, *start in data["em_start"]:
        starts[int(gene) - 1, int(trial) - 1] = np.reshape(start, (3, 2))
    observed, entries = sort_expression(to_log_matrix(data["y"]))
    fits = fit_published(observed, data["cutoff"], data["truncated"], starts)
    state = assign_states(observed, data["cutoff"], fits.mixture, min_log_density=MIN_LOG_DENSITY)
    np.testing.assert_array_equal(entries.to_states(state).toarray().T, data["states"])
    np.testing.assert_array_equal(fits.n_components, data["n_components"])
    assert furthest(fits.mixture, data) < 1e-6


@needs_reference
def test_published_fed_the_jittered_logs_of_r_equals_the_shipped_states():
    data = load_reference("ltmg_goolam_shipped.npz")
    observed, entries = sort_expression(to_log_matrix(data["y"]))
    truncated = (data["x"] <= 0).any(1)
    no_starts = np.empty((len(data["y"]), 0, 3, 2))
    fits = fit_published(observed, data["cutoff"], truncated, no_starts, shrinking_k=True)
    state = assign_states(observed, data["cutoff"], fits.mixture, min_log_density=MIN_LOG_DENSITY)
    np.testing.assert_array_equal(entries.to_states(state).toarray().T, data["states"])
    assert furthest(fits.mixture, data) < 1e-6


@needs_reference
def test_own_jitter_differs_from_the_shipped_states_no_more_than_r_from_itself():
    data = load_reference("ltmg_goolam_shipped.npz")
    model = LTMG(variant="published", cutoff=0.0, shrinking_k=True, ordinary_starts=0)
    differ = [
        (to_dense_states(model.fit(data["x"].T, s)) != data["states"]).mean() for s in range(3)
    ]
    assert np.mean(differ) <= 0.010  # R against itself: 0.008 to 0.010


@needs_reference
@pytest.mark.slow
def test_own_jitter_differs_from_r_no_more_than_r_from_itself_on_simulated_genes():
    data = load_reference("ltmg_simulated.npz")
    regular = data["kind"] == "regular"
    model = LTMG(variant="published", cutoff=data["cutoff"].min())
    x, states = data["x"][regular].T, data["states"][regular]
    differ = [(to_dense_states(model.fit(x, seed)) != states).mean() for seed in range(3)]
    assert np.mean(differ) <= 0.0015  # R against itself: 0.0011 to 0.0015


@needs_reference
def test_global_cutoff_is_near_that_of_r():
    data = load_reference("ltmg_simulated.npz")
    lowest = np.array([np.log(x[x > 0].min()) for x in data["x"]])
    assert find_density_crossing(lowest) == pytest.approx(data["cutoff"].min(), abs=1e-3)
    assert find_density_crossing(lowest[::-1]) == find_density_crossing(lowest)
