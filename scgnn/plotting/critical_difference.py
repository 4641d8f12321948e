"""Critical-difference diagram (Demšar 2006): mean ranks, and bars that join similar ones."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes

from scgnn.execution.formatting import format_count
from scgnn.plotting.formatting import format_p_value, format_score_name, shorten_names
from scgnn.plotting.svg import ACCENT, INK, MUTED, Margins, SvgFigure, render_svg
from scgnn.stats.ranking import Ranking

DIAGRAM_WIDTH = 820.0
NAME_FRACTION = 0.28  # fraction of the width for the names on either side
ROW_HEIGHT = 22.0
MAX_NAME_LENGTH = 30


def plot_critical_difference(ranking: Ranking) -> SvgFigure | None:
    """Plot mean ranks, best on the left; None for fewer than two variants."""
    ranks = ranking.mean_ranks
    n = len(ranks)
    if n < 2:
        return None
    names = shorten_names(list(map(str, ranks.index)), MAX_NAME_LENGTH)
    n_left = math.ceil(n / 2)
    bars = [group for group in ranking.groups if len(group) > 1]
    bars_height = 24 + 8 * len(bars)  # below the axis
    height = 62 + bars_height + ROW_HEIGHT * n_left

    def draw(ax: Axes) -> None:
        margin = (n - 1) * NAME_FRACTION / (1 - 2 * NAME_FRACTION)  # in ranks
        ax.set_xlim(1 - margin, n + margin)
        ax.set_ylim(height, 0)
        ax.set_axis_off()
        ax.plot([1, n], [50, 50], color=INK, linewidth=1.2)
        for rank in range(1, n + 1) if n <= 15 else range(1, n + 1, 5):
            ax.plot([rank, rank], [45, 50], color=INK, linewidth=1.2)
            ax.text(rank, 40, str(rank), ha="center", va="bottom", color=MUTED)
        if math.isfinite(ranking.critical_difference):
            end = min(1 + ranking.critical_difference, n + margin / 3)
            ax.plot([1, end], [12, 12], color=MUTED, linewidth=2, marker="|", markersize=7)
            text = f"critical difference {ranking.critical_difference:.2f}"
            ax.annotate(text, (end, 12), (8, 0), textcoords="offset points", va="center")
        for i, group in enumerate(bars):
            ends = [ranks[group[0]], ranks[group[-1]]]
            ax.plot(ends, [60 + 8 * i] * 2, color=ACCENT, linewidth=4, solid_capstyle="round")
        for i, (name, rank) in enumerate(zip(names, ranks, strict=True)):
            is_left = i < n_left
            y = 50 + bars_height + ROW_HEIGHT * (i if is_left else n - 1 - i)
            edge = 1 - 0.05 * margin if is_left else n + 0.05 * margin
            ax.plot([rank, rank, edge], [50, y, y], color=MUTED, linewidth=0.9)
            text = f"{name}  {rank:.2f}"
            offset, side = ((-6, 0), "right") if is_left else ((6, 0), "left")
            options: dict[str, Any] = {"ha": side, "va": "center", "parse_math": False}
            ax.annotate(text, (edge, y), offset, textcoords="offset points", **options)

    order = ", ".join(f"{name} {rank:.2f}" for name, rank in ranks.items())
    groups = "; ".join(f"not significantly different: {', '.join(group)}" for group in bars)
    alt = f"Mean ranks on {format_score_name(ranking.score)}: {order}. {groups}"
    return render_svg(alt, (DIAGRAM_WIDTH, height), draw, Margins(0, 0, 0, 0))


def describe_ranking(ranking: Ranking) -> str:
    """Return the legend of the diagram, with the result of Friedman's test."""
    text = (
        f"Mean ranks on {format_score_name(ranking.score)} over "
        f"{format_count(ranking.n_blocks, 'block')}; 1 is best. Bars join variants whose ranks do "
        "not differ significantly (Nemenyi test)."
    )
    if math.isfinite(ranking.p):
        p = f"p = {format_p_value(ranking.p)}".replace("= <", "<")
        text += f" Friedman test of equal ranks: {p}."
    if ranking.n_incomplete_blocks:
        blocks = format_count(ranking.n_incomplete_blocks, "block")
        text += f" Excluded: {blocks} without a score of every variant."
    if ranking.unscored_variants:
        text += f" Variants without scores: {', '.join(ranking.unscored_variants)}."
    return text
