"""The forest plot: a table whose cells hold a difference, its interval, and the blocks' own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from scgnn.plotting.formatting import number, p_value, score_name
from scgnn.stats.effects import ALPHA, direction, unstacked

EDGE = 4.0  # per cent of the width left free at both ends
MOST_POINTS = 60  # blocks drawn in a row


class Line(NamedTuple):
    """One row: what it is, where its marks are in per cent of the width, and what it shows."""

    name: str
    size: str
    point: float | None
    ends: tuple[float, float] | None
    blocks: tuple[float, ...]
    sign: str  # as sign() has it
    details: str
    verdict: str


class Forest(NamedTuple):
    """Rows on one axis."""

    score: str
    title: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float
    better: str


def forest(
    rows: pd.DataFrame, title: str, blocks: dict[str, np.ndarray] | None = None
) -> Forest | None:
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
    blocks = blocks or {}
    marks = [rows[["difference", "low", "high"]].to_numpy(float).ravel(), *blocks.values()]
    values = np.concatenate([[0.0], *marks])
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    if low == high:  # all of them 0
        low, high = -1.0, 1.0
    width = high - low
    ticks = np.asarray(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
    ticks = ticks[(ticks >= low - 0.02 * width) & (ticks <= high + 0.02 * width)]

    def at(value: float) -> float:
        return round(EDGE + (100 - 2 * EDGE) * (value - low) / width, 2)

    score = str(rows["score"].iloc[0])
    lines = []
    for row in each(rows):
        interval = (row.low, row.high)
        known = all(map(math.isfinite, interval))
        own = blocks.get(row.name, np.zeros(0))
        size = (row.high - row.low) if known else abs(row.difference)
        shown = [number(value, size, sign=True) for value in (row.difference, *interval)]
        lines.append(
            Line(
                name=row.name,
                size=f"{shown[0]} [{shown[1]}, {shown[2]}]" if known else shown[0],
                point=at(row.difference) if math.isfinite(row.difference) else None,
                ends=(at(row.low), at(row.high)) if known else None,
                blocks=tuple(at(value) for value in own[np.isfinite(own)][:MOST_POINTS]),
                sign=sign(row),
                details=f"n = {row.n_blocks}, Holm p = {p_value(row.p_holm)}".replace("= <", "<"),
                verdict=row.verdict,
            )
        )
    axis = tuple((at(float(tick)), f"{tick:.6g}".replace("-", "−")) for tick in ticks + 0.0)
    better = {1: "better →", -1: "← better", 0: ""}[direction(score)]
    return Forest(score_name(score), title, tuple(lines), axis, at(0.0), better)


def block_differences(
    table: pd.DataFrame, score: str, axes: Sequence[str]
) -> dict[str, np.ndarray]:
    """The difference from the base in each block, by variant."""
    wide = unstacked(table, score, axes, ["variant"])
    return {str(name): (wide[name] - wide["base"]).to_numpy() for name in wide if name != "base"}


def each(rows: pd.DataFrame) -> Iterator[Any]:
    """The rows, columns as their attributes."""
    yield from rows.itertuples()


def sign(row: Any) -> str:
    """What a row claims, in a word: better, worse, changed (no direction known), or none.

    With "perhaps" before it where the interval holds 0, as in the verdict.
    """
    if not row.p_holm <= ALPHA:
        return "none"
    way = direction(row.score) * (1 if row.difference > 0 else -1)
    doubt = "perhaps " if row.low <= 0 <= row.high else ""
    return doubt + {1: "better", -1: "worse", 0: "changed"}[way]
