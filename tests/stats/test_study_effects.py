"""Effects of changes against the base, computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from scgnn.errors import InputError
from scgnn.evaluation.scores import get_direction
from scgnn.stats.effects import estimate_effects
from scgnn.stats.paired import minimum_detectable_effect
from study_tables import make_table, select_row


def test_a_change_that_is_always_better_says_so_with_its_interval():
    base = [0.50, 0.61, 0.72, 0.55, 0.66, 0.58]
    gain = [0.04, 0.05, 0.06, 0.05, 0.04, 0.06]
    table = make_table({"base": base, "gat": [b + g for b, g in zip(base, gain, strict=True)]})
    row = estimate_effects(table, ["ari"], directions={"ari": 1}).iloc[0]
    assert (row.variant, row.role, row.score) == ("gat", "change", "ari")
    assert (row.n_blocks, row.n_data, row.min_blocks) == (6, 1, 6)
    assert row.mean_base == pytest.approx(np.mean(base))
    assert row.difference == pytest.approx(0.05) == row.mean_change - row.mean_base
    assert row.p == row.p_holm == 2 / 64
    assert row.effect_size == 1
    assert row.sd_difference == pytest.approx(np.std(gain, ddof=1))
    assert 0 < row.ci_low < 0.042 and 0.058 < row.ci_high < 0.1
    assert row.verdict.startswith("better by 0.050 (0.03")


@pytest.mark.parametrize(
    ("score", "sign", "how"),
    [
        ("ari", 1, "better"),
        ("ari", -1, "worse"),
        ("davies_bouldin", 1, "worse"),
        ("seconds.cluster", -1, "better"),
        ("imputation.median_l1", 1, "worse"),
        ("n_clusters", 1, "higher"),
        ("n_clusters", -1, "lower"),
    ],
)
def test_better_and_worse_follow_the_score(score, sign, how):
    values = 10 + np.arange(8.0)
    change = values + sign * np.array([2, 2.1, 1.9, 2, 2.2, 1.8, 2, 2.0])
    table = make_table({"base": list(values), "x": list(change)}, score)
    effects = estimate_effects(table, [score], directions={score: get_direction(score)})
    assert effects.verdict[0].startswith(f"{how} by 2.00 (1.")


def test_every_score_of_a_run_with_a_better_and_a_worse_has_its_direction():
    assert [get_direction(name) for name in ("nmi", "peak_memory_mb", "iterations")] == [1, -1, 0]


def test_too_few_blocks_say_how_many_are_needed():
    changes = {f"c{i}": [0.9, 0.8, 0.7, 0.9 + i / 10] for i in range(3)}
    effects = estimate_effects(make_table({"base": [0.1, 0.2, 0.3, 0.4], **changes}), ["ari"])
    assert set(effects.verdict) == {"too few blocks to tell: at least 7 are needed"}  # 2/2⁷ ≤ .05/3
    assert set(effects.minimum_detectable_effect) == {math.inf}


def test_no_difference_names_the_smallest_detectable_one():
    rng = np.random.default_rng(0)
    base = rng.normal(0.6, 0.1, 12)
    row = estimate_effects(
        make_table({"base": [*base], "x": [*base + rng.normal(0, 0.05, 12)]}), ["ari"]
    ).iloc[0]
    assert row.verdict == (
        "no difference detected with 12 blocks; differences below 0.04 could not have been detected"
    )
    assert row.minimum_detectable_effect == pytest.approx(
        row.sd_difference * minimum_detectable_effect(12, 0.05)
    )


def test_an_interval_that_holds_zero_makes_a_claim_a_perhaps():
    # all six are better, which gives the smallest possible p, but one of them by far more
    change = [0.01, 0.02, 0.01, 0.02, 0.01, 0.9]
    table = make_table({"base": [0.0] * 6, "x": change})
    row = estimate_effects(table, ["ari"], directions={"ari": 1}).iloc[0]
    assert row.p == 2 / 64 and row.ci_low < 0
    assert row.verdict.startswith("perhaps better by 0.2 (−0.2 to ")


def test_equal_scores_are_no_difference_and_warn_of_nothing():
    same = [0.1, 0.2, 0.3, 0.4, 0.5]
    row = estimate_effects(make_table({"base": same, "x": same}), ["ari"]).iloc[0]
    assert (row.difference, row.ci_low, row.ci_high, row.p, row.effect_size) == (0, 0, 0, 1, 0)
    assert row.verdict == "no difference in any of 5 blocks"


@pytest.mark.parametrize("gain", [0.0, 0.1])
def test_one_block_has_a_difference_and_no_interval(gain):
    row = estimate_effects(make_table({"base": [0.5], "x": [0.5 + gain]}), ["ari"]).iloc[0]
    assert (row.n_blocks, row.p) == (1, 1)
    assert row.difference == pytest.approx(gain)
    assert math.isnan(row.ci_low) and math.isnan(row.ci_high)
    few = "too few blocks to tell: at least 6 are needed"
    assert row.verdict == (few if gain else "no difference in any of 1 block")


def test_a_failed_run_drops_its_pair_and_no_other():
    runs = make_table(
        {"base": [1, 2, math.nan, 4, 5], "x": [2, math.nan, 4, 5, 7], "y": [2, 3, 4, 5, 7]}
    )
    effects = estimate_effects(runs, ["ari"])
    assert effects.n_blocks.tolist() == [3, 4]
    assert effects.difference.tolist() == pytest.approx([4 / 3, 5 / 4])
    assert effects.mean_base.tolist() == pytest.approx([10 / 3, 12 / 4])


def test_a_change_whose_runs_all_failed_has_nothing_to_compare_and_costs_the_others_nothing():
    gone = [math.nan] * 6
    runs = {"base": [0.0] * 6, "x": [1, 2, 3, 4, 5, 6], "y": gone}
    effects = estimate_effects(make_table(runs), ["ari"])
    assert select_row(effects, variant="x").p_holm == 2 / 64
    lost = select_row(effects, variant="y")
    assert lost.n_blocks == 0 and math.isnan(lost.p_holm)
    assert lost.verdict == "nothing to compare: no block in which both runs have this score"


def test_controls_are_a_family_of_their_own():
    better = [1.0, 2, 3, 4, 5, 6]
    effects = estimate_effects(
        make_table({"base": [0.0] * 6, "x": better, "y": better, "random": better}), ["ari"]
    )
    assert effects.p.tolist() == [2 / 64] * 3
    assert effects.p_holm.tolist() == [4 / 64, 4 / 64, 2 / 64]


def test_by_data_makes_each_data_set_one_block():
    runs = make_table({"base": [0.0] * 6, "x": [1, 2, 3, 3, 5, math.nan]}, n_data=3)
    seeds, data = (
        estimate_effects(runs, ["ari"]).iloc[0],
        estimate_effects(runs, ["ari"], by="data").iloc[0],
    )
    assert (seeds.n_blocks, seeds.n_data) == (5, 3) and (data.n_blocks, data.n_data) == (3, 3)
    assert seeds.difference == pytest.approx(14 / 5)
    assert data.difference == pytest.approx((1.5 + 3 + 5) / 3)


def test_two_runs_in_one_block_are_refused():
    runs = make_table({"base": [1, 2], "x": [2, 3]})
    with pytest.raises(InputError, match=r"two runs of one block \(data 0, seed 0, variant base\)"):
        estimate_effects(pd.concat([runs, runs]), ["ari"])


def test_a_base_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="no variant 'bse'"):
        estimate_effects(make_table({"base": [1.0]}), ["ari"], base="bse")


def test_a_study_of_a_base_alone_has_no_effects():
    assert estimate_effects(make_table({"base": [1.0, 2.0]}), ["ari"]).empty
