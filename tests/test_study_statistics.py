"""What a study's table says: against scipy, by hand, unmoved by what should not move it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scgnn.errors import InputError
from scgnn.study.factors import interactions, main_effects
from scgnn.study.paired import (
    blocks_needed,
    bootstrap_t,
    detectable,
    holm,
    interval,
    rank_biserial,
    sign_flip_test,
    smallest_p,
)
from scgnn.study.ranking import critical_difference, friedman, groups, ranking
from scgnn.study.statistics import direction, effects

UNNAMED = ["variant", "role", "score"]


def table(scores: dict[str, list[float]], score: str = "ari", n_data: int = 1) -> pd.DataFrame:
    """One row per run; each variant's scores by block, seeds within data sets."""
    rows = []
    for variant, values in scores.items():
        role = {"base": "base", "random": "control"}.get(variant, "change")
        n_seeds = len(values) // n_data
        rows += [
            {"variant": variant, "role": role, "data": i // n_seeds, "seed": i % n_seeds, score: x}
            for i, x in enumerate(values)
        ]
    return pd.DataFrame(rows)


def simulated(
    rng: np.random.Generator, n_changes: int, n_data: int, n_seeds: int, effect: float = 0.0
) -> pd.DataFrame:
    """A study whose scores differ by data set and by seed, every change by the same effect."""
    n = n_data * n_seeds
    block = np.repeat(rng.normal(0, 3, n_data), n_seeds) + rng.normal(0, 1, n)
    runs = {"base": block + rng.normal(0, 1, n)}
    runs |= {f"c{i}": block + effect + rng.normal(0, 1, n) for i in range(n_changes)}
    return table({name: values.tolist() for name, values in runs.items()}, n_data=n_data)


def one(found: pd.DataFrame, **place: object) -> pd.Series:
    for column, value in place.items():
        found = found[found[column] == value]
    assert len(found) == 1
    return found.iloc[0]


# ------------------------------------------------------------------------------------- by hand


def test_a_change_that_is_always_better_says_so_with_its_interval():
    base = [0.50, 0.61, 0.72, 0.55, 0.66, 0.58]
    gain = [0.04, 0.05, 0.06, 0.05, 0.04, 0.06]
    row = effects(
        table({"base": base, "gat": [b + g for b, g in zip(base, gain, strict=True)]}), ["ari"]
    ).iloc[0]
    assert (row.variant, row.role, row.score) == ("gat", "change", "ari")
    assert (row.n_blocks, row.n_data, row.needed_blocks) == (6, 1, 6)
    assert row.mean_base == pytest.approx(np.mean(base))
    assert row.difference == pytest.approx(0.05) == row.mean_change - row.mean_base
    assert row.p == row.p_holm == 2 / 64
    assert row.effect_size == 1
    assert row.spread == pytest.approx(np.std(gain, ddof=1))
    assert 0 < row.low < 0.042 and 0.058 < row.high < 0.1
    assert row.verdict.startswith("better by .050 (.03")


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
    found = effects(table({"base": list(values), "x": list(change)}, score), [score])
    assert found.verdict[0].startswith(f"{how} by 2.00 (1.")


def test_every_score_of_a_run_with_a_better_and_a_worse_has_its_direction():
    assert [direction(name) for name in ("nmi", "peak_memory_mb", "iterations")] == [1, -1, 0]


def test_too_few_blocks_say_how_many_are_needed():
    changes = {f"c{i}": [0.9, 0.8, 0.7, 0.9 + i / 10] for i in range(3)}
    found = effects(table({"base": [0.1, 0.2, 0.3, 0.4], **changes}), ["ari"])
    assert set(found.verdict) == {"too few blocks to tell: at least 7 are needed"}  # 2/2⁷ ≤ .05/3
    assert set(found.smallest_detectable) == {math.inf}


def test_no_difference_names_the_one_that_could_have_hidden():
    rng = np.random.default_rng(0)
    base = rng.normal(0.6, 0.1, 12)
    row = effects(table({"base": [*base], "x": [*base + rng.normal(0, 0.05, 12)]}), ["ari"]).iloc[0]
    assert row.verdict == "no difference detectable with 12 blocks; one of .04 could have hidden"
    assert row.smallest_detectable == pytest.approx(row.spread * detectable(12, 0.05))


def test_an_interval_that_holds_zero_makes_a_claim_a_perhaps():
    # all six better, so the smallest p there is, yet one of them far more than the others
    change = [0.01, 0.02, 0.01, 0.02, 0.01, 0.9]
    row = effects(table({"base": [0.0] * 6, "x": change}), ["ari"]).iloc[0]
    assert row.p == 2 / 64 and row.low < 0
    assert row.verdict.startswith("perhaps better by .2 (−.2 to ")


def test_equal_scores_are_no_difference_and_warn_of_nothing():
    same = [0.1, 0.2, 0.3, 0.4, 0.5]
    row = effects(table({"base": same, "x": same}), ["ari"]).iloc[0]
    assert (row.difference, row.low, row.high, row.p, row.effect_size) == (0, 0, 0, 1, 0)
    assert row.verdict == "no difference in any of 5 blocks"


@pytest.mark.parametrize("gain", [0.0, 0.1])
def test_one_block_has_a_difference_and_no_interval(gain):
    row = effects(table({"base": [0.5], "x": [0.5 + gain]}), ["ari"]).iloc[0]
    assert (row.n_blocks, row.p) == (1, 1)
    assert row.difference == pytest.approx(gain)
    assert math.isnan(row.low) and math.isnan(row.high)
    few = "too few blocks to tell: at least 6 are needed"
    assert row.verdict == (few if gain else "no difference in any of 1 block")


def test_two_blocks_have_the_wide_interval_of_student():
    low, high = interval(np.array([0.1, 0.2]), 0.05, 0)
    assert (low, high) == pytest.approx((0.15 - 12.7062 * 0.05, 0.15 + 12.7062 * 0.05), rel=1e-4)


def test_equal_differences_are_a_point():
    assert interval(np.full(5, 0.1), 0.05, 0) == (0.1, 0.1)


def test_a_failed_run_drops_its_pair_and_no_other():
    runs = table(
        {"base": [1, 2, math.nan, 4, 5], "x": [2, math.nan, 4, 5, 7], "y": [2, 3, 4, 5, 7]}
    )
    found = effects(runs, ["ari"])
    assert found.n_blocks.tolist() == [3, 4]
    assert found.difference.tolist() == pytest.approx([4 / 3, 5 / 4])
    assert found.mean_base.tolist() == pytest.approx([10 / 3, 12 / 4])


def test_a_change_whose_runs_all_failed_has_nothing_to_compare_and_costs_the_others_nothing():
    gone = [math.nan] * 6
    runs = {"base": [0.0] * 6, "x": [1, 2, 3, 4, 5, 6], "y": gone}
    found = effects(table(runs), ["ari"])
    assert one(found, variant="x").p_holm == 2 / 64
    lost = one(found, variant="y")
    assert lost.n_blocks == 0 and math.isnan(lost.p_holm)
    assert lost.verdict == "nothing to compare: no block in which both runs succeeded"


def test_controls_are_a_family_of_their_own():
    better = [1.0, 2, 3, 4, 5, 6]
    found = effects(table({"base": [0.0] * 6, "x": better, "y": better, "random": better}), ["ari"])
    assert found.p.tolist() == [2 / 64] * 3
    assert found.p_holm.tolist() == [4 / 64, 4 / 64, 2 / 64]


def test_by_data_makes_each_data_set_one_block():
    runs = table({"base": [0.0] * 6, "x": [1, 2, 3, 3, 5, math.nan]}, n_data=3)
    seeds, data = effects(runs, ["ari"]).iloc[0], effects(runs, ["ari"], by="data").iloc[0]
    assert (seeds.n_blocks, seeds.n_data) == (5, 3) and (data.n_blocks, data.n_data) == (3, 3)
    assert seeds.difference == pytest.approx(14 / 5)
    assert data.difference == pytest.approx((1.5 + 3 + 5) / 3)


def test_two_runs_in_one_block_are_refused():
    runs = table({"base": [1, 2], "x": [2, 3]})
    with pytest.raises(InputError, match=r"two runs of one block \(data 0, seed 0, variant base\)"):
        effects(pd.concat([runs, runs]), ["ari"])


def test_a_base_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="no variant 'bse'"):
        effects(table({"base": [1.0]}), ["ari"], base="bse")


def test_a_study_of_a_base_alone_has_no_effects():
    assert effects(table({"base": [1.0, 2.0]}), ["ari"]).empty


# --------------------------------------------------------------------------------- against scipy


@pytest.mark.parametrize("n", [2, 5, 9, 13])
def test_the_sign_flip_test_is_that_of_scipy(n):
    for seed in range(5):
        d = np.random.default_rng(seed).integers(-3, 6, n).astype(float)
        p = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=9_999)
        assert sign_flip_test(d, 0) == pytest.approx(p.pvalue)


def test_the_sign_flip_test_of_many_blocks_is_near_that_of_student():
    d = np.random.default_rng(1).normal(0.25, 1, 60)
    assert sign_flip_test(d, 0) == pytest.approx(stats.ttest_1samp(d, 0).pvalue, abs=0.01)


def test_effect_size_is_that_of_the_signed_rank_sums():
    d = np.random.default_rng(2).normal(0.3, 1, 15)
    positive = stats.wilcoxon(d, alternative="greater").statistic
    assert rank_biserial(d) == pytest.approx(2 * positive / (15 * 16 / 2) - 1)


def test_holm_by_hand():
    p = np.array([0.01, math.nan, 0.04, 0.03, 0.005])
    assert holm(p) == pytest.approx([0.03, math.nan, 0.06, 0.06, 0.02], nan_ok=True)


def test_intervals_are_never_narrower_than_those_of_student():
    rng = np.random.default_rng(3)
    for n in (3, 5, 10, 20):
        d = rng.exponential(size=n)
        student = stats.ttest_1samp(d, 0).confidence_interval()
        low, high = interval(d, 0.05, 0)
        assert low <= student.low + 1e-9 and high >= student.high - 1e-9


def test_bootstrap_t_by_its_definition():
    rng = np.random.default_rng(4)
    d = rng.gamma(2, size=12)
    drawn = rng.choice(d, (40_000, 12))
    ratios = (drawn.mean(axis=1) - d.mean()) / stats.sem(drawn, axis=1)
    low, high = d.mean() - np.quantile(ratios, [0.975, 0.025]) * stats.sem(d)
    assert bootstrap_t(d, 0.05, 0) == pytest.approx((low, high), abs=0.1)


def test_fewest_blocks_are_those_whose_smallest_p_reaches_the_level():
    for level in (0.05, 0.05 / 8, 0.0625, 0.01):
        n = blocks_needed(level)
        assert smallest_p(n) <= level < smallest_p(n - 1)
        assert math.isfinite(detectable(n, level)) and math.isinf(detectable(n - 1, level))


@pytest.mark.parametrize(("n", "level"), [(6, 0.05), (9, 0.05 / 8), (12, 0.05 / 8), (20, 0.05)])
def test_four_in_five_studies_find_the_smallest_detectable_difference(n, level):
    d = np.random.default_rng(5).normal(detectable(n, level), 1, (1_000, n))
    assert np.mean([sign_flip_test(row, 0) <= level for row in d]) == pytest.approx(0.8, abs=0.04)


# ------------------------------------------------------------------------------------ invariances


@pytest.fixture
def study() -> pd.DataFrame:
    runs = simulated(np.random.default_rng(6), n_changes=4, n_data=3, n_seeds=4, effect=1.0)
    runs.loc[[5, 20], "ari"] = math.nan
    return runs


def test_the_order_of_rows_changes_nothing(study):
    found = effects(study, ["ari"]).sort_values("variant", ignore_index=True)
    again = effects(study.sample(frac=1, random_state=1), ["ari"])
    pd.testing.assert_frame_equal(found, again.sort_values("variant", ignore_index=True))


def test_what_a_block_adds_to_all_of_its_runs_changes_no_difference(study):
    moved = study.assign(ari=study.ari + 7 * study.data + study.seed)
    columns = ["mean_base", "mean_change"]
    pd.testing.assert_frame_equal(
        effects(study, ["ari"]).drop(columns=columns),
        effects(moved, ["ari"]).drop(columns=columns),
        rtol=1e-9,
    )


def test_base_and_change_swapped_flip_the_signs(study):
    there = one(effects(study, ["ari"]), variant="c1")
    back = one(effects(study, ["ari"], base="c1"), variant="base")
    for name in ("difference", "effect_size"):
        assert back[name] == pytest.approx(-there[name])
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
    assert back.p == there.p


def test_rounding_errors_of_scores_break_no_ties():
    base = [0.1, 0.7, 0.3, 0.9, 0.2]
    gain = [0.05, 0.05, -0.05, -0.05, 0.05]
    row = effects(table({"base": base, "x": list(np.add(base, gain))}), ["ari"]).iloc[0]
    assert row.p == 1
    assert row.effect_size == pytest.approx(1 / 5)


# ------------------------------------------------------------------------------- factors and ranks


def crossed(noise: float = 0.0) -> pd.DataFrame:
    """k adds 1 from 5 to 10, gat adds 2, both together 3 more."""
    rng = np.random.default_rng(7)
    rows = [
        {"data": d, "seed": s, "k": k, "encoder": encoder}
        | {"ari": d + s + (k == 10) + 2 * (encoder == "gat") + 3 * (k == 10) * (encoder == "gat")}
        for d in range(2)
        for s in range(4)
        for k in (5, 10)
        for encoder in ("gcn", "gat")
    ]
    runs = pd.DataFrame(rows)
    return runs.assign(ari=runs.ari + noise * rng.normal(size=len(runs)))


AXES = {"k": [5, 10], "encoder": ["gcn", "gat"]}


def test_main_effects_are_averaged_over_the_other_axes():
    found = main_effects(crossed(), ["ari"], AXES)
    assert one(found, axis="k", level=10).difference == pytest.approx(1 + 3 / 2)
    assert one(found, axis="encoder", level="gat").difference == pytest.approx(2 + 3 / 2)
    assert found.p_holm.tolist() == pytest.approx([4 / 256] * 2)
    assert found.verdict[0] == "better by 2.5 (2.5 to 2.5)"


def test_an_interaction_is_a_difference_of_differences():
    row = interactions(crossed(0.1), ["ari"], AXES).iloc[0]
    assert (row.axis, row.level, row.with_axis, row.with_level) == ("k", 10, "encoder", "gat")
    assert row.difference == pytest.approx(3, abs=0.3)
    assert row.verdict.startswith("together better by ") and row.verdict.endswith("sum of both")


def test_an_axis_alone_is_what_effects_says_of_its_levels(study):
    axis = {"variant": ["base", "c0", "c1", "c2", "c3"]}
    found = main_effects(study, ["ari"], axis).rename(columns={"level": "variant"})
    expected = effects(study, ["ari"])
    assert found.verdict.tolist() == expected.verdict.tolist()
    numbers = expected.columns.difference([*UNNAMED, "verdict"])
    pd.testing.assert_frame_equal(found[numbers], expected[numbers])


def test_three_axes_average_over_the_third():
    runs = pd.concat([crossed().assign(seed=lambda t: t.seed, prune=p) for p in ("no", "yes")])
    runs["ari"] += 5 * (runs.prune == "yes") * (runs.encoder == "gat")
    found = interactions(runs, ["ari"], AXES | {"prune": ["no", "yes"]})
    assert found.difference.tolist() == pytest.approx([3, 0, 5])
    assert found.verdict[1] == "no interaction in any of 8 blocks"


def test_a_failed_run_leaves_the_other_pairs_of_its_block():
    runs = crossed()
    runs.loc[(runs.k == 10) & (runs.encoder == "gat") & (runs.seed == 0), "ari"] = math.nan
    row = one(main_effects(runs, ["ari"], AXES), axis="k")
    assert row.n_blocks == 8
    assert row.difference == pytest.approx((2 * 1 + 6 * 2.5) / 8)


def test_runs_outside_the_axes_are_passed_over():
    control = crossed().assign(k=math.nan, ari=99.0)
    both = pd.concat([crossed(), control])
    pd.testing.assert_frame_equal(
        main_effects(both, ["ari"], AXES), main_effects(crossed(), ["ari"], AXES)
    )


def test_ranks_and_friedman_by_hand():
    runs = table({"base": [0.9, 0.8, 0.7, 0.9], "x": [0.8, 0.7, 0.6, 0.9], "y": [0.1, 0.2, 0.3, 0]})
    found = ranking(runs, "ari")
    assert found.mean_ranks.to_dict() == pytest.approx({"base": 1.125, "x": 1.875, "y": 3})
    expected = stats.friedmanchisquare(*runs.pivot(index="seed", columns="variant").ari.T.values)
    assert (found.statistic, found.p) == pytest.approx(tuple(expected))
    assert found.critical_difference == pytest.approx(2.343 * math.sqrt(3 * 4 / 24), abs=1e-3)
    assert found.groups == (("base", "x"), ("x", "y"))


def test_ranks_turn_where_lower_is_better():
    runs = table({"base": [3.0, 4, 5], "x": [1.0, 2, 3], "y": [9.0, 9, 9]}, "seconds")
    assert list(ranking(runs, "seconds").mean_ranks.index) == ["x", "base", "y"]


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_differences_are_those_of_the_published_table(k, q):  # Demšar 2006, table 5
    expected = q * math.sqrt(k * (k + 1) / (6 * 14))
    assert critical_difference(14, k) == pytest.approx(expected, rel=1e-3)


def test_groups_are_the_longest_runs_within_the_difference():
    ranks = pd.Series([1.0, 1.5, 3.0, 3.2, 5.0], list("abcde"))
    assert groups(ranks, 1.6) == (("a", "b"), ("b", "c"), ("c", "d"), ("e",))
    assert groups(ranks, 2) == (("a", "b", "c"), ("b", "c", "d"), ("c", "d", "e"))


def test_ranks_use_complete_blocks_and_say_so():
    runs = {"base": [1, 2, 3, math.nan], "x": [2, 3, 4, 5], "y": [3, math.nan, 5, 6]}
    found = ranking(table({**runs, "gone": [math.nan] * 4}), "ari")
    assert (found.n_blocks, found.n_incomplete, found.without_scores) == (2, 2, ("gone",))


def test_variants_that_all_tie_are_one_group():
    found = ranking(table({name: [0.5] * 4 for name in ("base", "x", "y")}), "ari")
    assert (found.statistic, found.p, found.groups) == (0, 1, (("base", "x", "y"),))
    assert found.mean_ranks.tolist() == [2, 2, 2]


def test_one_and_two_variants_can_be_ranked():
    assert ranking(table({"base": [1.0, 2]}), "ari").groups == (("base",),)
    two = ranking(table({"base": [1.0] * 8, "x": [2.0] * 8}), "ari")
    assert math.isnan(two.p) and two.groups == (("x",), ("base",))
    assert all(math.isnan(value) for value in friedman(np.ones((3, 2))))


def test_nothing_to_rank_is_said():
    with pytest.raises(InputError, match="no block in which every variant has 'ari'"):
        ranking(table({"base": [1.0, math.nan], "x": [math.nan, 1.0]}), "ari")


# ------------------------------------------------------------------------------------- simulations


@pytest.mark.slow
@pytest.mark.parametrize(("n_data", "n_seeds"), [(3, 3), (5, 2), (4, 5)])
def test_studies_without_effect_seldom_claim_one(n_data, n_seeds):
    rng = np.random.default_rng(8)
    found = [effects(simulated(rng, 8, n_data, n_seeds), ["ari"]) for _ in range(200)]
    claiming = sum((one.p_holm <= 0.05).any() for one in found)
    # as far as 200 studies can tell: a rate of .04 shows more than 10 of them every fifth time
    assert stats.binomtest(int(claiming), len(found), 0.05, alternative="greater").pvalue > 0.01


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
    ends = np.array([interval(row, 0.05, 0) for row in d])
    assert 0.93 <= np.mean((ends[:, 0] <= 0.5) & (ends[:, 1] >= 0.5)) <= 0.97
