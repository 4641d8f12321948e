"""Tests and intervals of paired differences: by hand, against scipy, and their coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from scgnn.stats.effects import estimate_effects
from scgnn.stats.paired import (
    bootstrap_t_interval,
    compare_blocks,
    confidence_interval,
    holm_correction,
    minimum_blocks,
    minimum_detectable_effect,
    minimum_p_value,
    rank_biserial_correlation,
    sign_flip_test,
)
from study_tables import simulate_study


def test_two_blocks_have_the_wide_interval_of_student():
    low, high = confidence_interval(np.array([0.1, 0.2]), 0.05, 0)
    assert (low, high) == pytest.approx((0.15 - 12.7062 * 0.05, 0.15 + 12.7062 * 0.05), rel=1e-4)


def test_equal_differences_are_a_point():
    assert confidence_interval(np.full(5, 0.1), 0.05, 0) == (0.1, 0.1)


@pytest.mark.parametrize("n", [2, 5, 9, 13])
def test_the_sign_flip_test_is_that_of_scipy(n):
    for seed in range(5):
        d = np.random.default_rng(seed).integers(-3, 6, n).astype(float)
        p = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=9_999)
        assert sign_flip_test(d, 0) == pytest.approx(p.pvalue)


def test_the_sign_flip_test_of_many_blocks_is_near_that_of_student():
    d = np.random.default_rng(1).normal(0.25, 1, 60)
    assert sign_flip_test(d, 0) == pytest.approx(stats.ttest_1samp(d, 0).pvalue, abs=0.01)


@pytest.mark.parametrize("n", [1_023, 1_024, 1_500])
def test_comparisons_of_many_blocks_are_those_of_scipy(n):
    d = np.random.default_rng(n).normal(0.05, 1, n)
    expected = stats.ttest_1samp(d, 0)
    result = compare_blocks(d, np.zeros(n), 0.05, 0)
    assert result.p == pytest.approx(expected.pvalue, abs=0.015)
    assert (result.ci_low, result.ci_high) == pytest.approx(expected.confidence_interval())
    assert minimum_p_value(n) == 1e-4


@pytest.mark.parametrize("n", [1_024, 5_000, 100_000])
def test_the_power_of_many_blocks_is_that_of_student(n):
    effect = minimum_detectable_effect(n, 0.05) * math.sqrt(n)
    limit = stats.t.ppf(0.975, n - 1)
    assert stats.nct.sf(limit, n - 1, effect) == pytest.approx(0.8, abs=0.001)


@pytest.mark.slow
def test_effects_of_5000_blocks_are_those_of_scipy():
    runs = simulate_study(np.random.default_rng(7), n_changes=3, n_data=1, n_seeds=5_000)
    effects = estimate_effects(runs, ["ari"]).set_index("variant")
    base = runs.loc[runs["variant"] == "base", "ari"].to_numpy()
    for name, row in effects.iterrows():
        d = runs.loc[runs["variant"] == name, "ari"].to_numpy() - base
        expected = stats.ttest_1samp(d, 0)
        assert row.p == pytest.approx(expected.pvalue, abs=0.015)
        assert (row.ci_low, row.ci_high) == pytest.approx(expected.confidence_interval())
        signed_ranks = stats.wilcoxon(d, alternative="greater").statistic
        assert row.effect_size == pytest.approx(2 * signed_ranks / (5_000 * 5_001 / 2) - 1)


@pytest.mark.parametrize("scale", [1e-320, 1e-150, 1e-30, 1e30, 1e150])
def test_scores_of_any_scale_are_compared(scale):
    result = compare_blocks(np.array([2.0, 3.0, 4.5]) * scale, np.full(3, 1.0) * scale, 0.05, 0)
    assert result.p == (1 if scale < 1e-100 else 0.25)
    assert result.ci_low <= result.difference <= result.ci_high


def test_effect_size_is_that_of_the_signed_rank_sums():
    d = np.random.default_rng(2).normal(0.3, 1, 15)
    positive = stats.wilcoxon(d, alternative="greater").statistic
    assert rank_biserial_correlation(d) == pytest.approx(2 * positive / (15 * 16 / 2) - 1)


def test_holm_by_hand():
    p = np.array([0.01, math.nan, 0.04, 0.03, 0.005])
    assert holm_correction(p) == pytest.approx([0.03, math.nan, 0.06, 0.06, 0.02], nan_ok=True)


def test_intervals_are_never_narrower_than_those_of_student():
    rng = np.random.default_rng(3)
    for n in (3, 5, 10, 20):
        d = rng.exponential(size=n)
        student = stats.ttest_1samp(d, 0).confidence_interval()
        low, high = confidence_interval(d, 0.05, 0)
        assert low <= student.low + 1e-9 and high >= student.high - 1e-9


def test_bootstrap_t_by_its_definition():
    rng = np.random.default_rng(4)
    d = rng.gamma(2, size=12)
    drawn = rng.choice(d, (40_000, 12))
    ratios = (drawn.mean(axis=1) - d.mean()) / stats.sem(drawn, axis=1)
    low, high = d.mean() - np.quantile(ratios, [0.975, 0.025]) * stats.sem(d)
    assert bootstrap_t_interval(d, 0.05, 0) == pytest.approx((low, high), abs=0.1)


def test_fewest_blocks_are_those_whose_smallest_p_reaches_the_level():
    for level in (0.05, 0.05 / 8, 0.0625, 0.01):
        n = minimum_blocks(level)
        assert minimum_p_value(n) <= level < minimum_p_value(n - 1)
        assert math.isfinite(minimum_detectable_effect(n, level)) and math.isinf(
            minimum_detectable_effect(n - 1, level)
        )


@pytest.mark.parametrize(("n", "level"), [(6, 0.05), (9, 0.05 / 8), (12, 0.05 / 8), (20, 0.05)])
def test_four_in_five_studies_find_the_smallest_detectable_difference(n, level):
    d = np.random.default_rng(5).normal(minimum_detectable_effect(n, level), 1, (1_000, n))
    assert np.mean([sign_flip_test(row, 0) <= level for row in d]) == pytest.approx(0.8, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize(("n_data", "n_seeds"), [(3, 3), (5, 2), (4, 5)])
def test_studies_without_effect_seldom_claim_one(n_data, n_seeds):
    rng = np.random.default_rng(8)
    studies = [
        estimate_effects(simulate_study(rng, 8, n_data, n_seeds), ["ari"]) for _ in range(200)
    ]
    claiming = sum((effects.p_holm <= 0.05).any() for effects in studies)
    # as far as 200 studies can tell: a rate of .04 shows more than 10 of them every fifth time
    assert stats.binomtest(int(claiming), len(studies), 0.05, alternative="greater").pvalue > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 10, 20])
@pytest.mark.parametrize("shape", ["normal", "skewed", "discrete"])
def test_intervals_hold_a_known_effect(n, shape):
    rng = np.random.default_rng(9)
    d = {
        "normal": rng.normal(0.5, 1, (3_000, n)),
        "skewed": rng.gamma(4, 1, (3_000, n)) - 3.5,
        "discrete": np.round(2 * rng.normal(0.5, 1, (3_000, n))) / 2,
    }[shape]
    ends = np.array([confidence_interval(row, 0.05, 0) for row in d])
    assert 0.93 <= np.mean((ends[:, 0] <= 0.5) & (ends[:, 1] >= 0.5)) <= 0.97
