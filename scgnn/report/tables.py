"""The tables of a study as text: what pages, Markdown and LaTeX are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from scgnn.plotting.forest import classify_claim, iter_rows
from scgnn.plotting.formatting import format_number, format_p_value, format_score_name
from scgnn.report.wording import TextTable, select_reported_scores

CLAIM_MARKS = {
    **{"better": " ▲", "worse": " ▼", "changed": " ◆", "none": ""},
    **{"perhaps better": " △", "perhaps worse": " ▽", "perhaps changed": " ◇"},
}
CONTROL_SUFFIX = " (control)"


def add_row_names(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of effects, factors or interactions with a column ``name`` of what each one is."""
    if rows.empty:
        return rows.assign(name=[])
    if "variant" in rows:
        return rows.assign(name=rows["variant"].astype(str))
    name = rows["axis"] + "=" + rows["level"].astype(str)
    if "with_axis" in rows:
        name += " with " + rows["with_axis"] + "=" + rows["with_level"].astype(str)
    else:
        name += " against " + rows["reference"].astype(str)
    return rows.assign(name=name)


def build_effect_tables(rows: pd.DataFrame) -> list[TextTable]:
    """Every number on every effect, a sheet for each score."""
    if rows.empty:
        return []
    found = []
    for score in select_reported_scores(list(rows["score"].unique())):
        part = rows[rows["score"] == score]
        found.append(
            TextTable(format_score_name(score), _build_header(part), tuple(_format_effects(part)))
        )
    return found


def _build_header(rows: pd.DataFrame) -> tuple[str, ...]:
    means = ("base", "change") if "mean_base" in rows else ()
    rest = ("difference", "95 % interval", "p", "p (Holm)", "rank-biserial r", "verdict")
    return ("change", "blocks", *means, *rest)


def _format_effects(rows: pd.DataFrame) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for row in iter_rows(rows):
        size = row.ci_high - row.ci_low
        means: tuple[str, ...] = ()
        if "mean_base" in rows:
            means = tuple(format_number(value) for value in (row.mean_base, row.mean_change))
        ends = [format_number(value, size, sign=True) for value in (row.ci_low, row.ci_high)]
        found.append(
            (
                row.name + (CONTROL_SUFFIX if getattr(row, "role", "") == "control" else ""),
                str(row.n_blocks),
                *means,
                format_number(row.difference, size, sign=True),
                "–" if ends == ["–", "–"] else f"{ends[0]} to {ends[1]}",
                format_p_value(row.p),
                format_p_value(row.p_holm),
                format_number(row.effect_size, 0.04, sign=True),
                row.verdict,
            )
        )
    return found


def build_summary_table(rows: pd.DataFrame) -> TextTable | None:
    """Change by score: the difference, and a mark where it is claimed."""
    if rows.empty:
        return None
    scores = select_reported_scores(list(rows["score"].unique()))
    lines = []
    for name, part in rows.groupby("name", sort=False):
        by_score = {row.score: row for row in iter_rows(part)}
        control = "role" in part and part["role"].iloc[0] == "control"
        cells = []
        for score in scores:
            row = by_score[score]
            size = format_number(row.difference, row.ci_high - row.ci_low, sign=True)
            cells.append(size + CLAIM_MARKS[classify_claim(row)])
        lines.append((f"{name}{CONTROL_SUFFIX if control else ''}", *cells))
    return TextTable("Differences", ("change", *map(format_score_name, scores)), tuple(lines))


def build_score_tables(
    table: pd.DataFrame, scores: Sequence[str], factors: Mapping[str, object]
) -> list[TextTable]:
    """Mean ± standard deviation by variant, a sheet for each data set and, of several, for all."""
    shown = select_reported_scores(list(scores))
    groups = [(str(data), part) for data, part in table.groupby("data", sort=False)]
    if len(groups) > 1:
        groups.insert(0, ("all data sets", table))
    head = ("variant", "runs", *map(format_score_name, shown))
    return [
        TextTable(name, head, tuple(_format_scores(part, shown, factors))) for name, part in groups
    ]


def _format_scores(
    table: pd.DataFrame, scores: list[str], factors: Mapping[str, object]
) -> list[tuple[str, ...]]:
    found = []
    for _, part in table.groupby(["variant", *factors], sort=False, dropna=False):
        first = part.iloc[0]
        levels = ((axis, first[axis]) for axis in factors)
        words = [
            str(first["variant"]),
            *(f"{axis}={level}" for axis, level in levels if pd.notna(level)),
        ]
        control = CONTROL_SUFFIX if first["role"] == "control" else ""
        done = int((part["status"] == "done").sum())
        cells = [_format_mean_sd(part[score].astype(float)) for score in scores]
        found.append((", ".join(words) + control, f"{done} of {len(part)}", *cells))
    return found


def _format_mean_sd(values: pd.Series) -> str:
    sd = values.std()
    mean = format_number(values.mean(), sd * 2)
    return f"{mean} ± {format_number(sd, sd * 2)}" if pd.notna(sd) and mean != "–" else mean
