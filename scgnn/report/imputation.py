"""Scores of imputation beside those of controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from scgnn.plotting.formatting import format_number, format_score_name
from scgnn.report.wording import TextTable
from scgnn.study.tables import flatten_scores

SCORE_GROUPS = ("thinning", "truth", "false_signal", "imputation")
BASELINE_PREFIX = "imputation_baselines."


def tabulate_run(metrics: Mapping[str, Any]) -> TextTable | None:
    """One run beside its controls; None where nothing was imputed or hidden."""
    return _tabulate_scores(flatten_scores(metrics), "this run")


def tabulate_study(table: pd.DataFrame) -> TextTable | None:
    """The base beside the controls, means over its runs."""
    base = table[table["role"] == "base"]
    means = base.select_dtypes("number").mean()
    return _tabulate_scores({str(name): value for name, value in means.items()}, "base")


def _tabulate_scores(scores: Mapping[str, Any], column: str) -> TextTable | None:
    mine = [name for name in scores if name.split(".")[0] in SCORE_GROUPS]
    asked = [
        name.removeprefix(BASELINE_PREFIX) for name in scores if name.startswith(BASELINE_PREFIX)
    ]
    controls = list(dict.fromkeys(name.split(".")[0] for name in asked))
    if not mine or not controls:
        return None
    rows = [
        (
            format_score_name(name),
            format_number(scores[name]),
            *(
                format_number(scores.get(f"{BASELINE_PREFIX}{control}.{name}"))
                for control in controls
            ),
        )
        for name in mine
    ]
    head = ("score", column, *(control.replace("_", " ") for control in controls))
    return TextTable("Imputation beside controls", head, tuple(rows))
