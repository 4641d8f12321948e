"""Table of imputation scores beside those of baselines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from scgnn.evaluation.baselines import BASELINES
from scgnn.evaluation.scores import flatten_scores
from scgnn.execution.formatting import format_decimals
from scgnn.plotting.formatting import GROUP_LABELS, format_score_name
from scgnn.report.tables import count_mean_decimals
from scgnn.report.text_table import TextTable

BASELINE_PREFIX = "imputation_baselines."


def build_imputation_table(
    metrics: Mapping[Any, Any], column: str, baselines: Collection[str] = tuple(BASELINES)
) -> TextTable | None:
    """Build the table of a run or of means over runs; None without imputation scores.

    Parameters
    ----------
    metrics
        Nested, as in ``metrics.json``, or with dotted names.
    column
        Header of the scores.
    baselines
        Names of the baselines to show; all by default.
    """
    scores = flatten_scores(metrics)
    names = [name for name in scores if name.split(".")[0] in GROUP_LABELS]
    if not names:
        return None
    shown = [name for name in baselines if f"{BASELINE_PREFIX}{name}.{names[0]}" in scores]
    rows = []
    for name in names:
        values = [scores[name], *(scores.get(f"{BASELINE_PREFIX}{o}.{name}") for o in shown)]
        n = count_mean_decimals(pd.Series(values, dtype=float))
        rows.append((format_score_name(name), *(format_decimals(value, n) for value in values)))
    header = ("score", column, *(name.replace("_", " ") for name in shown))
    return TextTable("Imputation", header, tuple(rows))
