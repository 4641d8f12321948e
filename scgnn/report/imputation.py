"""Scores of imputation beside those of controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from scgnn.plotting.formatting import number, score_name
from scgnn.report.wording import Sheet
from scgnn.study.tables import flat

GROUPS = ("thinning", "truth", "false_signal", "imputation")
PREFIX = "imputation_controls."


def of_run(metrics: Mapping[str, Any]) -> Sheet | None:
    """One run beside its controls; None where nothing was imputed or hidden."""
    return _sheet(flat(metrics), "this run")


def of_study(table: pd.DataFrame) -> Sheet | None:
    """The base beside the controls, means over its runs."""
    base = table[table["role"] == "base"]
    means = base.select_dtypes("number").mean()
    return _sheet({str(name): value for name, value in means.items()}, "base")


def _sheet(scores: Mapping[str, Any], whose: str) -> Sheet | None:
    mine = [name for name in scores if name.split(".")[0] in GROUPS]
    asked = [name.removeprefix(PREFIX) for name in scores if name.startswith(PREFIX)]
    controls = list(dict.fromkeys(name.split(".")[0] for name in asked))
    if not mine or not controls:
        return None
    rows = [
        (
            score_name(name),
            number(scores[name]),
            *(number(scores.get(f"{PREFIX}{control}.{name}")) for control in controls),
        )
        for name in mine
    ]
    head = ("score", whose, *(control.replace("_", " ") for control in controls))
    return Sheet("Imputation beside controls", head, tuple(rows))
