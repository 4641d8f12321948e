"""Tables of a study: effects, differences and scores as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from scgnn.execution.formatting import format_number
from scgnn.plotting.forest import classify_claim
from scgnn.plotting.formatting import format_p_value, format_score_name
from scgnn.report.text_table import TextTable

CLAIM_MARKS = {
    **{"better": " ▲", "worse": " ▼", "changed": " ◆", "none": ""},
    **{"perhaps better": " △", "perhaps worse": " ▽", "perhaps changed": " ◇"},
}


def select_reported_scores(scores: Iterable[str]) -> list[str]:
    """Return the scores without the times of single stages."""
    return [name for name in scores if not name.startswith("seconds.")]


def add_row_names(rows: pd.DataFrame) -> pd.DataFrame:
    """Add a column ``name`` to the rows of effects, main effects or interactions."""
    if rows.empty:
        return pd.DataFrame(columns=["name", "role", "score", "n_blocks"])
    if "variant" in rows:
        name = rows["variant"].astype(str)
    else:
        name = rows["axis"] + "=" + rows["level"].astype(str)
        if "with_axis" in rows:
            name += " with " + rows["with_axis"] + "=" + rows["with_level"].astype(str)
        else:
            name += " vs " + rows["reference"].astype(str)
    return rows.assign(name=name)


def build_effect_tables(rows: pd.DataFrame) -> list[TextTable]:
    """Build a table of all effects for each score."""
    means = ("mean base", "mean variant") if "mean_base" in rows else ()
    statistics = ("difference", "95% interval", "p", "p (Holm)", "rank-biserial r", "verdict")
    header = ("variant", "blocks", *means, *statistics)
    tables = []
    for score in select_reported_scores(rows["score"].unique()):
        part = rows[rows["score"] == score].itertuples()
        title = f"Effects on {format_score_name(score)}"
        tables.append(TextTable(title, header, tuple(map(_format_effect, part))))
    return tables


def _format_effect(row: Any) -> tuple[str, ...]:
    width = row.ci_high - row.ci_low
    means = (row.mean_base, row.mean_change) if hasattr(row, "mean_base") else ()
    low, high = (format_number(x, width, sign=True) for x in (row.ci_low, row.ci_high))
    return (
        _mark_control(row.name, row),
        str(row.n_blocks),
        *map(format_number, means),
        format_number(row.difference, width, sign=True),
        "–" if low == high == "–" else f"{low} to {high}",
        format_p_value(row.p),
        format_p_value(row.p_holm),
        format_number(row.effect_size, 0.04, sign=True),
        row.verdict,
    )


def _mark_control(name: str, row: Any) -> str:
    return f"{name} (control)" if getattr(row, "role", "") == "control" else name


def build_summary_table(rows: pd.DataFrame) -> TextTable | None:
    """Build the table of differences, changes x scores, with a mark for each claim."""
    if rows.empty:
        return None
    scores = select_reported_scores(rows["score"].unique())
    lines = []
    for name, part in rows.groupby("name", sort=False):
        by_score = {row.score: row for row in part.itertuples()}
        effects: list[Any] = [by_score[score] for score in scores]
        cells = [
            format_number(row.difference, row.ci_high - row.ci_low, sign=True)
            + CLAIM_MARKS[classify_claim(row)]
            for row in effects
        ]
        lines.append((_mark_control(str(name), effects[0]), *cells))
    return TextTable("Differences", ("variant", *map(format_score_name, scores)), tuple(lines))


def build_score_tables(
    runs: pd.DataFrame, scores: Sequence[str], factors: Mapping[str, object]
) -> list[TextTable]:
    """Build tables of mean ± standard deviation: all data sets, if several, then each of them."""
    groups = [(str(data), part) for data, part in runs.groupby("data", sort=False)]
    if len(groups) > 1:
        groups.insert(0, ("all data sets", runs))
    reported = select_reported_scores(scores)
    header = ("variant", "runs", *map(format_score_name, reported))
    return [
        TextTable(name, header, tuple(_format_scores(part, reported, factors)))
        for name, part in groups
    ]


def _format_scores(
    runs: pd.DataFrame, scores: list[str], factors: Mapping[str, object]
) -> list[tuple[str, ...]]:
    rows = []
    for _, part in runs.groupby(["variant", *factors], sort=False, dropna=False):
        first = part.iloc[0]
        levels = [f"{axis}={first[axis]}" for axis in factors if pd.notna(first[axis])]
        name = _mark_control(", ".join([str(first["variant"]), *levels]), first)
        n_done = int((part["status"] == "done").sum())
        cells = [format_mean_sd(part[score]) for score in scores]
        rows.append((name, f"{n_done} of {len(part)}", *cells))
    return rows


def format_mean_sd(values: pd.Series) -> str:
    """Return the mean ± standard deviation, or the mean of a single value."""
    values = values.astype(float)
    sd = float(values.std())
    mean = format_number(values.mean(), 2 * sd)
    return mean if pd.isna(sd) or mean == "–" else f"{mean} ± {format_number(sd, 2 * sd)}"
