"""The forest plot: a table whose cells hold a difference, its interval, and the blocks' own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from scgnn.evaluation.scores import get_direction
from scgnn.plotting.formatting import format_number, format_p_value, format_score_name
from scgnn.stats.effects import ALPHA, pivot

MARGIN_PERCENT = 4.0  # per cent of the width left free at both ends
MAX_POINTS = 60  # blocks drawn in a row


class ForestRow(NamedTuple):
    """One row: what it is, where its marks are in per cent of the width, and what it shows."""

    name: str
    estimate: str
    point: float | None
    interval: tuple[float, float] | None
    block_points: tuple[float, ...]
    claim: str  # as sign() has it
    details: str
    verdict: str


class ForestPlot(NamedTuple):
    """Rows on one axis."""

    score: str
    title: str
    rows: tuple[ForestRow, ...]
    ticks: tuple[tuple[float, str], ...]
    zero_position: float
    direction_label: str


def build_forest_plot(
    rows: pd.DataFrame, title: str, block_differences: dict[str, np.ndarray] | None = None
) -> ForestPlot | None:
    """Rows of effects on one score as a forest plot.

    Parameters
    ----------
    rows
        With ``name`` and the columns of :func:`scgnn.stats.effects.effects`.
    title
        What these rows are.
    blocks
        The difference in each block, by name.
    """
    if rows.empty:
        return None
    block_differences = block_differences or {}
    marks = [
        rows[["difference", "ci_low", "ci_high"]].to_numpy(float).ravel(),
        *block_differences.values(),
    ]
    values = np.concatenate([[0.0], *marks])
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    if low == high:  # all of them 0
        low, high = -1.0, 1.0
    width = high - low
    ticks = np.asarray(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
    ticks = ticks[(ticks >= low - 0.02 * width) & (ticks <= high + 0.02 * width)]

    def at(value: float) -> float:
        return round(MARGIN_PERCENT + (100 - 2 * MARGIN_PERCENT) * (value - low) / width, 2)

    score = str(rows["score"].iloc[0])
    lines = []
    for row in iter_rows(rows):
        interval = (row.ci_low, row.ci_high)
        known = all(map(math.isfinite, interval))
        own = block_differences.get(row.name, np.zeros(0))
        size = (row.ci_high - row.ci_low) if known else abs(row.difference)
        shown = [format_number(value, size, sign=True) for value in (row.difference, *interval)]
        lines.append(
            ForestRow(
                name=row.name,
                estimate=f"{shown[0]} [{shown[1]}, {shown[2]}]" if known else shown[0],
                point=at(row.difference) if math.isfinite(row.difference) else None,
                interval=(at(row.ci_low), at(row.ci_high)) if known else None,
                block_points=tuple(at(value) for value in own[np.isfinite(own)][:MAX_POINTS]),
                claim=classify_claim(row),
                details=f"n = {row.n_blocks}, Holm p = {format_p_value(row.p_holm)}".replace(
                    "= <", "<"
                ),
                verdict=row.verdict,
            )
        )
    axis = tuple((at(float(tick)), f"{tick:.6g}".replace("-", "−")) for tick in ticks + 0.0)
    better = {1: "better →", -1: "← better", 0: ""}[get_direction(score)]
    return ForestPlot(format_score_name(score), title, tuple(lines), axis, at(0.0), better)


def compute_block_differences(
    table: pd.DataFrame, score: str, axes: Sequence[str]
) -> dict[str, np.ndarray]:
    """The difference from the base in each block, by variant."""
    wide = pivot(table, score, axes, ["variant"])
    return {str(name): (wide[name] - wide["base"]).to_numpy() for name in wide if name != "base"}


def iter_rows(rows: pd.DataFrame) -> Iterator[Any]:
    """The rows, columns as their attributes."""
    yield from rows.itertuples()


def classify_claim(row: Any) -> str:
    """What a row claims, in a word: better, worse, changed (no direction known), or none.

    With "perhaps" before it where the interval holds 0, as in the verdict.
    """
    if not row.p_holm <= ALPHA:
        return "none"
    way = get_direction(row.score) * (1 if row.difference > 0 else -1)
    doubt = "perhaps " if row.ci_low <= 0 <= row.ci_high else ""
    return doubt + {1: "better", -1: "worse", 0: "changed"}[way]
