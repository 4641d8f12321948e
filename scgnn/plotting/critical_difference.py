"""The critical-difference diagram (Demšar 2006): mean ranks on a line, bars over what is alike."""

from __future__ import annotations

import math

from matplotlib.axes import Axes

from scgnn.plotting.formatting import format_count, format_p_value, format_score_name
from scgnn.plotting.svg import ACCENT, INK, MUTED, Margins, SvgFigure, render_svg
from scgnn.stats.ranking import Ranking

DIAGRAM_WIDTH = 820.0
NAME_FRACTION = 0.28  # share of the width for names at either side
ROW_HEIGHT = 22.0  # height of a line of names
MAX_NAME_LENGTH = 30  # letters of a name


def plot_critical_difference(ranking: Ranking) -> SvgFigure | None:
    """Best at the left; a bar joins variants that cannot be told apart."""
    ranks = ranking.mean_ranks
    n = len(ranks)
    if n < 2:
        return None
    half = math.ceil(n / 2)
    bars = [group for group in ranking.groups if len(group) > 1]
    head = 24 + 8 * len(bars)  # below the line, for the bars
    height = 62 + head + ROW_HEIGHT * half

    def draw(ax: Axes) -> None:
        beside = (n - 1) * NAME_FRACTION / (1 - 2 * NAME_FRACTION)  # ranks
        ax.set_xlim(1 - beside, n + beside)
        ax.set_ylim(height, 0)
        ax.set_axis_off()
        ax.plot([1, n], [50, 50], color=INK, linewidth=1.2)
        for rank in range(1, n + 1) if n <= 15 else range(1, n + 1, 5):
            ax.plot([rank, rank], [45, 50], color=INK, linewidth=1.2)
            ax.text(rank, 40, str(rank), ha="center", va="bottom", color=MUTED)
        if math.isfinite(ranking.critical_difference):
            end = min(1 + ranking.critical_difference, n + beside / 3)
            ax.plot([1, end], [12, 12], color=MUTED, linewidth=2, marker="|", markersize=7)
            text = f"critical difference {ranking.critical_difference:.2f}"
            ax.annotate(text, (end, 12), (8, 0), textcoords="offset points", va="center")
        for i, group in enumerate(bars):
            ends = [ranks[group[0]], ranks[group[-1]]]
            ax.plot(ends, [60 + 8 * i] * 2, color=ACCENT, linewidth=4, solid_capstyle="round")
        for i, (name, rank) in enumerate(ranks.items()):
            left = i < half
            y = 50 + head + ROW_HEIGHT * (i if left else n - 1 - i)
            edge = 1 - 0.05 * beside if left else n + 0.05 * beside
            ax.plot([rank, rank, edge], [50, y, y], color=MUTED, linewidth=0.9)
            text = f"{_truncate(str(name))}  {rank:.2f}"
            space = (-6, 0) if left else (6, 0)
            side = "right" if left else "left"
            ax.annotate(text, (edge, y), space, textcoords="offset points", ha=side, va="center")

    order = ", ".join(f"{name} {rank:.2f}" for name, rank in ranks.items())
    alike = "; ".join(f"not told apart: {', '.join(group)}" for group in bars)
    alt = f"Mean ranks on {format_score_name(ranking.score)}: {order}. {alike}"
    return render_svg(alt, (DIAGRAM_WIDTH, height), draw, Margins(0, 0, 0, 0))


def describe_ranking(ranking: Ranking) -> str:
    """What was ranked over what, and Friedman's test."""
    words = (
        f"Mean ranks on {format_score_name(ranking.score)} over {format_count(ranking.n_blocks, 'block')}, "
        "1 the best. A bar joins variants whose ranks do not differ (Nemenyi)."
    )
    if math.isfinite(ranking.p):
        p = format_p_value(ranking.p)
        words += f" Friedman's test that all rank alike: p {p if p.startswith('<') else '= ' + p}."
    if ranking.n_incomplete_blocks:
        blocks = format_count(ranking.n_incomplete_blocks, "block")
        words += f" Left out: {blocks} in which a variant has no score."
    if ranking.unscored_variants:
        words += f" Without any score: {', '.join(ranking.unscored_variants)}."
    return words


def _truncate(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 1]}…"
