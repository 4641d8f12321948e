"""The end of a study, in the terminal."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

from rich.console import Console
from rich.table import Table

from scgnn.study.result import StudyResult


def print_study_summary(console: Console, result: StudyResult) -> None:
    """Effects on the main score, failures, what sharing saved, and where everything is."""
    answer, outcome = result.tables, result.outcome
    if not answer.effects.empty:
        score = answer.scores[0]
        rows = answer.effects[answer.effects["score"] == score]
        mean = rows["mean_base"].iloc[0]
        title = f"{score}: difference from the base ({mean:.3f})"
        _print_table(console, title, [_format_row(row) for row in rows.to_dict("records")])
    for label, reason in outcome.failures.items():
        console.print(f"failed: {label}: {reason}", markup=False, soft_wrap=True)
    console.print(result.format_cost(), highlight=False, soft_wrap=True)
    names = ", ".join(sorted(path.name for path in result.folder.iterdir() if path.is_file()))
    console.print(f"files in {result.folder}: {names}", highlight=False, soft_wrap=True)


def _format_row(row: dict[Hashable, Any]) -> tuple[str, str, str, str]:
    low, high = row["ci_low"], row["ci_high"]
    interval = "" if math.isnan(low) else f"{low:+.3f} to {high:+.3f}"
    name = f"{row['variant']} (control)" if row["role"] == "control" else str(row["variant"])
    difference = "" if math.isnan(row["difference"]) else f"{row['difference']:+.3f}"
    return name, difference, interval, str(row["verdict"])


def _print_table(console: Console, title: str, rows: list[tuple[str, str, str, str]]) -> None:
    if not console.is_terminal:
        console.print(title, highlight=False, soft_wrap=True)
        for row in rows:
            console.print("  ".join(row), markup=False, highlight=False, soft_wrap=True)
        return
    table = Table(title=title, title_justify="left", box=None)
    for column in ("change", "difference", "95 % interval", "verdict"):
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    console.print(table)
