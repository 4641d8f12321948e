"""The tables of a study as text: what pages, Markdown and LaTeX are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from scgnn.plotting.forest import each, sign
from scgnn.plotting.formatting import number, p_value, score_name
from scgnn.report.wording import Sheet, reported

MARKS = {
    **{"better": " ▲", "worse": " ▼", "changed": " ◆", "none": ""},
    **{"perhaps better": " △", "perhaps worse": " ▽", "perhaps changed": " ◇"},
}
CONTROL = " (control)"


def named(rows: pd.DataFrame) -> pd.DataFrame:
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


def effect_sheets(rows: pd.DataFrame) -> list[Sheet]:
    """Every number on every effect, a sheet for each score."""
    if rows.empty:
        return []
    found = []
    for score in reported(list(rows["score"].unique())):
        part = rows[rows["score"] == score]
        found.append(Sheet(score_name(score), _head(part), tuple(_effects(part))))
    return found


def _head(rows: pd.DataFrame) -> tuple[str, ...]:
    means = ("base", "change") if "mean_base" in rows else ()
    rest = ("difference", "95 % interval", "p", "p (Holm)", "rank-biserial r", "verdict")
    return ("change", "blocks", *means, *rest)


def _effects(rows: pd.DataFrame) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for row in each(rows):
        size = row.high - row.low
        means: tuple[str, ...] = ()
        if "mean_base" in rows:
            means = tuple(number(value) for value in (row.mean_base, row.mean_change))
        ends = [number(value, size, sign=True) for value in (row.low, row.high)]
        found.append(
            (
                row.name + (CONTROL if getattr(row, "role", "") == "control" else ""),
                str(row.n_blocks),
                *means,
                number(row.difference, size, sign=True),
                "–" if ends == ["–", "–"] else f"{ends[0]} to {ends[1]}",
                p_value(row.p),
                p_value(row.p_holm),
                number(row.effect_size, 0.04, sign=True),
                row.verdict,
            )
        )
    return found


def glance(rows: pd.DataFrame) -> Sheet | None:
    """Change by score: the difference, and a mark where it is claimed."""
    if rows.empty:
        return None
    scores = reported(list(rows["score"].unique()))
    lines = []
    for name, part in rows.groupby("name", sort=False):
        by_score = {row.score: row for row in each(part)}
        control = "role" in part and part["role"].iloc[0] == "control"
        cells = []
        for score in scores:
            row = by_score[score]
            size = number(row.difference, row.high - row.low, sign=True)
            cells.append(size + MARKS[sign(row)])
        lines.append((f"{name}{CONTROL if control else ''}", *cells))
    return Sheet("Differences", ("change", *map(score_name, scores)), tuple(lines))


def score_sheets(
    table: pd.DataFrame, scores: Sequence[str], factors: Mapping[str, object]
) -> list[Sheet]:
    """Mean ± standard deviation by variant, a sheet for each data set and, of several, for all."""
    shown = reported(list(scores))
    groups = [(str(data), part) for data, part in table.groupby("data", sort=False)]
    if len(groups) > 1:
        groups.insert(0, ("all data sets", table))
    head = ("variant", "runs", *map(score_name, shown))
    return [Sheet(name, head, tuple(_scores(part, shown, factors))) for name, part in groups]


def _scores(
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
        control = CONTROL if first["role"] == "control" else ""
        done = int((part["status"] == "done").sum())
        cells = [_spread(part[score].astype(float)) for score in scores]
        found.append((", ".join(words) + control, f"{done} of {len(part)}", *cells))
    return found


def _spread(values: pd.Series) -> str:
    sd = values.std()
    mean = number(values.mean(), sd * 2)
    return f"{mean} ± {number(sd, sd * 2)}" if pd.notna(sd) and mean != "–" else mean
