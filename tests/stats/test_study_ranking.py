"""Ranks of variants over blocks, Friedman's test, and groups that do not differ."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scgnn.errors import InputError
from scgnn.stats.ranking import critical_difference, friedman_test, group_ranks, rank_variants
from study_tables import make_table


def test_ranks_and_friedman_by_hand():
    runs = make_table(
        {"base": [0.9, 0.8, 0.7, 0.9], "x": [0.8, 0.7, 0.6, 0.9], "y": [0.1, 0.2, 0.3, 0]}
    )
    result = rank_variants(runs, "ari")
    assert result.mean_ranks.to_dict() == pytest.approx({"base": 1.125, "x": 1.875, "y": 3})
    expected = stats.friedmanchisquare(*runs.pivot(index="seed", columns="variant").ari.T.values)
    assert (result.statistic, result.p) == pytest.approx(tuple(expected))
    assert result.critical_difference == pytest.approx(2.343 * math.sqrt(3 * 4 / 24), abs=1e-3)
    assert result.groups == (("base", "x"), ("x", "y"))


def test_ranks_turn_where_lower_is_better():
    runs = make_table({"base": [3.0, 4, 5], "x": [1.0, 2, 3], "y": [9.0, 9, 9]}, "seconds")
    assert list(rank_variants(runs, "seconds", direction=-1).mean_ranks.index) == ["x", "base", "y"]


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_differences_are_those_of_the_published_table(k, q):  # Demšar 2006, table 5
    expected = q * math.sqrt(k * (k + 1) / (6 * 14))
    assert critical_difference(14, k) == pytest.approx(expected, rel=1e-3)


def test_groups_are_the_longest_runs_within_the_difference():
    ranks = pd.Series([1.0, 1.5, 3.0, 3.2, 5.0], list("abcde"))
    assert group_ranks(ranks, 1.6) == (("a", "b"), ("b", "c"), ("c", "d"), ("e",))
    assert group_ranks(ranks, 2) == (("a", "b", "c"), ("b", "c", "d"), ("c", "d", "e"))


def test_ranks_use_complete_blocks_and_say_so():
    runs = {"base": [1, 2, 3, math.nan], "x": [2, 3, 4, 5], "y": [3, math.nan, 5, 6]}
    result = rank_variants(make_table({**runs, "gone": [math.nan] * 4}), "ari")
    assert (result.n_blocks, result.n_incomplete_blocks, result.unscored_variants) == (
        2,
        2,
        ("gone",),
    )


def test_variants_that_all_tie_are_one_group():
    result = rank_variants(make_table({name: [0.5] * 4 for name in ("base", "x", "y")}), "ari")
    assert (result.statistic, result.p, result.groups) == (0, 1, (("base", "x", "y"),))
    assert result.mean_ranks.tolist() == [2, 2, 2]


def test_one_and_two_variants_can_be_ranked():
    assert rank_variants(make_table({"base": [1.0, 2]}), "ari").groups == (("base",),)
    two = rank_variants(make_table({"base": [1.0] * 8, "x": [2.0] * 8}), "ari")
    assert math.isnan(two.p) and two.groups == (("x",), ("base",))
    assert all(math.isnan(value) for value in friedman_test(np.ones((3, 2))))


def test_nothing_to_rank_is_said():
    with pytest.raises(InputError, match="no block in which every variant has 'ari'"):
        rank_variants(make_table({"base": [1.0, math.nan], "x": [math.nan, 1.0]}), "ari")
