"""Effects of the axes of a factorial study, and their interactions."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from scgnn.stats.effects import estimate_effects
from scgnn.stats.factorial import estimate_interactions, estimate_main_effects
from study_tables import select_row, simulate_incomplete_study

UNNAMED = ["variant", "role", "score"]


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
    effects = estimate_main_effects(crossed(), ["ari"], AXES, directions={"ari": 1})
    assert select_row(effects, axis="k", level=10).difference == pytest.approx(1 + 3 / 2)
    assert select_row(effects, axis="encoder", level="gat").difference == pytest.approx(2 + 3 / 2)
    assert effects.p_holm.tolist() == pytest.approx([4 / 256] * 2)
    assert effects.verdict[0] == "better by 2.5 (2.5 to 2.5)"


def test_an_interaction_is_a_difference_of_differences():
    row = estimate_interactions(crossed(0.1), ["ari"], AXES, directions={"ari": 1}).iloc[0]
    assert (row.axis, row.level, row.with_axis, row.with_level) == ("k", 10, "encoder", "gat")
    assert row.difference == pytest.approx(3, abs=0.3)
    assert row.verdict.startswith("together better by ") and row.verdict.endswith("sum of both")


def test_an_axis_alone_is_what_effects_says_of_its_levels():
    runs = simulate_incomplete_study()
    axis = {"variant": ["base", "c0", "c1", "c2", "c3"]}
    effects = estimate_main_effects(runs, ["ari"], axis).rename(columns={"level": "variant"})
    expected = estimate_effects(runs, ["ari"])
    assert effects.verdict.tolist() == expected.verdict.tolist()
    numbers = expected.columns.difference([*UNNAMED, "verdict"])
    pd.testing.assert_frame_equal(effects[numbers], expected[numbers])


def test_three_axes_average_over_the_third():
    runs = pd.concat([crossed().assign(seed=lambda t: t.seed, prune=p) for p in ("no", "yes")])
    runs["ari"] += 5 * (runs.prune == "yes") * (runs.encoder == "gat")
    effects = estimate_interactions(runs, ["ari"], AXES | {"prune": ["no", "yes"]})
    assert effects.difference.tolist() == pytest.approx([3, 0, 5])
    assert effects.verdict[1] == "no interaction in any of 8 blocks"


def test_a_failed_run_leaves_the_other_pairs_of_its_block():
    runs = crossed()
    runs.loc[(runs.k == 10) & (runs.encoder == "gat") & (runs.seed == 0), "ari"] = math.nan
    row = select_row(estimate_main_effects(runs, ["ari"], AXES), axis="k")
    assert row.n_blocks == 8
    assert row.difference == pytest.approx((2 * 1 + 6 * 2.5) / 8)


def test_runs_outside_the_axes_are_passed_over():
    control = crossed().assign(k=math.nan, ari=99.0)
    both = pd.concat([crossed(), control])
    pd.testing.assert_frame_equal(
        estimate_main_effects(both, ["ari"], AXES), estimate_main_effects(crossed(), ["ari"], AXES)
    )
