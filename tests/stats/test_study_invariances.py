"""Invariances of the effects of a study."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scgnn.stats.effects import estimate_effects
from study_tables import make_table, select_row, simulate_incomplete_study


@pytest.fixture
def study() -> pd.DataFrame:
    return simulate_incomplete_study()


def test_the_order_of_rows_changes_nothing(study):
    result = estimate_effects(study, ["ari"]).sort_values("variant", ignore_index=True)
    again = estimate_effects(study.sample(frac=1, random_state=1), ["ari"])
    pd.testing.assert_frame_equal(result, again.sort_values("variant", ignore_index=True))


def test_what_a_block_adds_to_all_of_its_runs_changes_no_difference(study):
    moved = study.assign(ari=study.ari + 7 * study.data + study.seed)
    columns = ["mean_base", "mean_change"]
    pd.testing.assert_frame_equal(
        estimate_effects(study, ["ari"]).drop(columns=columns),
        estimate_effects(moved, ["ari"]).drop(columns=columns),
        rtol=1e-9,
    )


def test_base_and_change_swapped_flip_the_signs(study):
    forward = select_row(estimate_effects(study, ["ari"]), variant="c1")
    back = select_row(estimate_effects(study, ["ari"], base="c1"), variant="base")
    for name in ("difference", "effect_size"):
        assert back[name] == pytest.approx(-forward[name])
    assert (back.ci_low, back.ci_high) == pytest.approx((-forward.ci_high, -forward.ci_low))
    assert back.p == forward.p


def test_rounding_errors_of_scores_break_no_ties():
    base = [0.1, 0.7, 0.3, 0.9, 0.2]
    gain = [0.05, 0.05, -0.05, -0.05, 0.05]
    row = estimate_effects(make_table({"base": base, "x": list(np.add(base, gain))}), ["ari"]).iloc[
        0
    ]
    assert row.p == 1
    assert row.effect_size == pytest.approx(1 / 5)
