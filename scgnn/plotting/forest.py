"""Forest plot: differences with intervals, and the differences in individual blocks, as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from scgnn.execution.formatting import count_decimals, format_decimals
from scgnn.plotting.formatting import format_p_value, format_score_name
from scgnn.stats.effects import ALPHA, interval_widths, pivot

MARGIN_PERCENT = 4.0  # of the width, at both ends
MAX_BLOCKS = 60  # drawn in a row


class ForestRow(NamedTuple):
    """A row of a forest plot; positions are percentages of the width."""

    name: str
    estimate: str
    point: float | None
    interval: tuple[float, float] | None
    block_points: tuple[float, ...]
    claim: str  # of classify_claim
    details: str
    verdict: str


class ForestPlot(NamedTuple):
    """Rows on a common axis; positions are percentages of the width."""

    score: str
    title: str
    rows: tuple[ForestRow, ...]
    ticks: tuple[tuple[float, str], ...]
    zero_position: float
    direction_label: str


def build_forest_plot(
    rows: pd.DataFrame, title: str, block_differences: dict[str, np.ndarray] | None = None
) -> ForestPlot:
    """Build a forest plot of the effects on one score.

    Parameters
    ----------
    rows
        At least one row, with ``name`` and the columns of
        :func:`scgnn.stats.effects.estimate_effects`.
    title
        Title of the rows.
    block_differences
        The difference in each block, by name.
    """
    blocks = block_differences or {}
    values = np.concatenate([[0.0], rows[["difference", "ci_low", "ci_high"]].to_numpy(float).flat])
    values = np.concatenate([values, *blocks.values()])
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    if low == high:  # all 0
        low, high = -1.0, 1.0
    width = high - low
    ticks = np.asarray(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)) + 0.0
    ticks = ticks[(ticks >= low - 0.02 * width) & (ticks <= high + 0.02 * width)]

    decimals = count_decimals(rows["difference"], interval_widths(rows))

    def locate(value: float) -> float:
        return round(MARGIN_PERCENT + (100 - 2 * MARGIN_PERCENT) * (value - low) / width, 2)

    def build_row(row: Any) -> ForestRow:
        ends = (row.ci_low, row.ci_high)
        has_interval = all(map(math.isfinite, ends))
        values = (row.difference, *ends)
        estimate, *limits = (format_decimals(x, decimals, sign=True) for x in values)
        points = blocks.get(row.name, np.zeros(0))
        details = f"n = {row.n_blocks}, Holm p = {format_p_value(row.p_holm)}"
        return ForestRow(
            name=row.name,
            estimate=f"{estimate} [{', '.join(limits)}]" if has_interval else estimate,
            point=locate(row.difference) if math.isfinite(row.difference) else None,
            interval=(locate(row.ci_low), locate(row.ci_high)) if has_interval else None,
            block_points=tuple(map(locate, points[np.isfinite(points)][:MAX_BLOCKS])),
            claim=classify_claim(row),
            details=details.replace("= <", "<"),
            verdict=row.verdict,
        )

    score = str(rows["score"].iloc[0])
    return ForestPlot(
        score=format_score_name(score),
        title=title,
        rows=tuple(map(build_row, rows.itertuples())),
        ticks=tuple((locate(tick), f"{tick:.6g}".replace("-", "−")) for tick in ticks.tolist()),
        zero_position=locate(0.0),
        direction_label={1: "better →", -1: "← better", 0: ""}[rows["direction"].iloc[0]],
    )


def compute_block_differences(
    table: pd.DataFrame, score: str, axes: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return the differences from the base in each block, by variant."""
    wide = pivot(table, score, axes, ["variant"])
    return {str(name): (wide[name] - wide["base"]).to_numpy() for name in wide if name != "base"}


def classify_claim(row: Any) -> str:
    """Return ``better``, ``worse``, ``changed`` (no direction known) or ``none``.

    As in the verdict, with ``perhaps`` before it if the interval includes 0.
    """
    if not row.p_holm <= ALPHA:
        return "none"
    sign = row.direction * (1 if row.difference > 0 else -1)
    prefix = "perhaps " if row.ci_low <= 0 <= row.ci_high else ""
    return prefix + {1: "better", -1: "worse", 0: "changed"}[sign]
