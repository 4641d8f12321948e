"""Tables of a study: effects, differences and scores as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from scgnn.execution.formatting import count_decimals, format_decimals
from scgnn.plotting.forest import classify_claim
from scgnn.plotting.formatting import format_p_value, format_score_name
from scgnn.report.text_table import TextTable
from scgnn.stats.effects import interval_widths

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
        part = rows[rows["score"] == score]
        title = f"{_name_effects(rows)} on {format_score_name(score)}"
        tables.append(TextTable(title, header, tuple(_format_effects(part))))
    return tables


def _name_effects(rows: pd.DataFrame) -> str:
    if "with_axis" in rows:
        return "Interactions"
    return "Main effects" if "axis" in rows else "Effects"


def _format_effects(rows: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the effects on one score, with equal decimals in each column."""
    n = count_decimals(rows["difference"], interval_widths(rows))
    n_mean = 0
    if "mean_base" in rows:
        n_mean = count_mean_decimals(pd.concat([rows["mean_base"], rows["mean_change"]]))
    row: Any
    for row in rows.itertuples():
        means = (row.mean_base, row.mean_change) if "mean_base" in rows else ()
        low, high = (format_decimals(x, n, sign=True) for x in (row.ci_low, row.ci_high))
        yield (
            _mark_control(str(row.name), row),
            str(row.n_blocks),
            *(format_decimals(mean, n_mean) for mean in means),
            format_decimals(row.difference, n, sign=True),
            "–" if low == high == "–" else f"{low} to {high}",
            format_p_value(row.p),
            format_p_value(row.p_holm),
            format_decimals(row.effect_size, 2, sign=True),
            str(row.verdict),
        )


def build_narrow_table(title: str, rows: pd.DataFrame) -> TextTable:
    """Build a table of differences in one score, without means, effect sizes and verdicts."""
    n = count_decimals(rows["difference"], interval_widths(rows))
    row: Any
    lines = []
    for row in rows.itertuples():
        low, high = (format_decimals(x, n, sign=True) for x in (row.ci_low, row.ci_high))
        interval = "" if low == high == "–" else f" [{low}, {high}]"
        difference = format_decimals(row.difference, n, sign=True) + interval
        lines.append((_mark_control(str(row.name), row), difference, format_p_value(row.p_holm)))
    return TextTable(title, ("variant", "difference", "p (Holm)"), tuple(lines))


def _mark_control(name: str, row: Any) -> str:
    return f"{name} (control)" if getattr(row, "role", "") == "control" else name


def build_summary_table(rows: pd.DataFrame) -> TextTable | None:
    """Build the table of differences, changes x scores, with a mark for each claim."""
    if rows.empty:
        return None
    scores = select_reported_scores(rows["score"].unique())
    decimals = {
        str(score): count_decimals(part["difference"], interval_widths(part))
        for score, part in rows.groupby("score")
    }
    lines = []
    for name, part in rows.groupby("name", sort=False):
        by_score = {row.score: row for row in part.itertuples()}
        effects: list[Any] = [by_score[score] for score in scores]
        cells = [
            format_decimals(row.difference, decimals[row.score], sign=True)
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
    groups = [part for _, part in runs.groupby(["variant", *factors], sort=False, dropna=False)]
    decimals = {score: _count_score_decimals(groups, score) for score in scores}
    rows = []
    for part in groups:
        first = part.iloc[0]
        levels = [f"{axis}={first[axis]}" for axis in factors if pd.notna(first[axis])]
        name = _mark_control(", ".join([str(first["variant"]), *levels]), first)
        n_done = int((part["status"] == "done").sum())
        cells = [format_mean_sd(part[score], decimals[score]) for score in scores]
        rows.append((name, f"{n_done} of {len(part)}", *cells))
    return rows


def _count_score_decimals(groups: Iterable[pd.DataFrame], score: str) -> int:
    values = [part[score].astype(float) for part in groups]
    means = pd.Series([part.mean() for part in values], dtype=float)
    return count_mean_decimals(means, [part.std() for part in values])


def count_mean_decimals(means: pd.Series, deviations: Iterable[float] | None = None) -> int:
    """Return the decimals of a column of means, with three digits in typical ones at most."""
    sizes = means.abs()
    digit = sizes[sizes > 0].median() / 25
    widths = [max(2 * sd, digit) if sd > 0 else digit for sd in deviations or [0.0] * len(means)]
    return count_decimals(means, widths)


def format_mean_sd(values: pd.Series, decimals: int | None = None) -> str:
    """Return the mean ± standard deviation, or the mean of a single value."""
    values = values.astype(float)
    mean, sd = float(values.mean()), float(values.std())
    if decimals is None:
        decimals = count_mean_decimals(pd.Series([mean]), [sd])
    text = format_decimals(mean, decimals)
    return text if pd.isna(sd) or text == "–" else f"{text} ± {format_decimals(sd, decimals)}"
