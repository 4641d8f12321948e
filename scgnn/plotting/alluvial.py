"""Alluvial diagram: the flow of cells between clusters from iteration to iteration."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from scgnn.plotting.curves import thin_evenly
from scgnn.plotting.scatter import get_cluster_style, match_clusters
from scgnn.plotting.svg import MUTED, Margins, SvgFigure, render_svg

MAX_ITERATIONS = 8
MAX_CLUSTERS = 40
BAR_WIDTH = 0.17  # fraction of the distance between two iterations
BAR_GAP = 0.015  # between two clusters, as a fraction of the height
MIN_RIBBON_FRACTION = 0.006  # fraction of cells from which a ribbon is drawn
MIN_LABELED_FRACTION = 0.03  # fraction of cells from which a cluster is labeled


class StackedBar(NamedTuple):
    """The clusters of an iteration: color number, and lower and upper end, of each."""

    colors: dict[Any, int]
    spans: dict[Any, tuple[float, float]]


def plot_alluvial(cluster_history: pd.DataFrame, title: str) -> SvgFigure | None:
    """Plot the clusters of each iteration as a stacked bar, with ribbons for moving cells.

    Parameters
    ----------
    cluster_history
        Clusters, cells x iterations. At most 8 evenly spaced iterations are drawn.
    title
        Caption.

    Returns
    -------
    SvgFigure or None
        None for fewer than two iterations or more than 40 clusters.
    """
    n_iterations = cluster_history.shape[1]
    if n_iterations < 2 or cluster_history.nunique().max() > MAX_CLUSTERS:
        return None
    columns = thin_evenly(np.arange(n_iterations), MAX_ITERATIONS)
    history = cluster_history.iloc[:, columns]
    bars = _stack_clusters(history)

    def draw(ax: Axes) -> None:
        for x, (column, bar) in enumerate(zip(columns, bars, strict=True)):
            if x:
                _draw_ribbons(ax, x, history.iloc[:, [x - 1, x]], bars[x - 1], bar)
            for cluster, (low, high) in bar.spans.items():
                color, _ = get_cluster_style(bar.colors[cluster])
                corner = (x - BAR_WIDTH / 2, low)
                ax.add_patch(Rectangle(corner, BAR_WIDTH, high - low, facecolor=color))
                if high - low >= MIN_LABELED_FRACTION:
                    text = str(cluster)
                    ax.text(x, (low + high) / 2, text, ha="center", va="center", fontsize=10)
            ax.text(x, -0.03, str(column), ha="center", va="top", color=MUTED, fontsize=10)
        ax.set_xlim(-BAR_WIDTH, len(columns) - 1 + BAR_WIDTH)
        ax.set_ylim(-0.03, 1)
        ax.set_axis_off()

    matched = [history.iloc[:, i].map(bar.colors) for i, bar in enumerate(bars)]
    stable = ", ".join(f"{(a == b).mean():.0%}" for a, b in pairwise(matched))
    counts = ", ".join(map(str, history.nunique()))
    alt = f"{title}: number of clusters {counts}; cells that stay in their cluster {stable}"
    size = (max(270.0, 60.0 * len(columns)), 230.0)
    return render_svg(alt, size, draw, Margins(4, 26, 4, 4), title)


def _stack_clusters(history: pd.DataFrame) -> list[StackedBar]:
    """Stack the clusters of each iteration, colored as those of the iteration before."""
    bars: list[StackedBar] = []
    reference = history.iloc[:, 0]
    for _, clusters in history.items():
        colors = match_clusters(clusters, reference)
        bars.append(StackedBar(colors, _compute_spans(clusters, colors)))
        reference = clusters.map(colors)
    return bars


def _compute_spans(clusters: pd.Series, colors: dict[Any, int]) -> dict[Any, tuple[float, float]]:
    counts = clusters.value_counts()
    total_height = 1 - BAR_GAP * (len(counts) - 1)
    spans, top = {}, 1.0
    for cluster in sorted(colors, key=lambda cluster: colors[cluster]):
        height = total_height * int(counts[cluster]) / len(clusters)
        spans[cluster] = (top - height, top)
        top -= height + BAR_GAP
    return spans


def _draw_ribbons(
    ax: Axes, x: int, history: pd.DataFrame, left: StackedBar, right: StackedBar
) -> None:
    """Draw the cells that move from each cluster of an iteration to each of the next."""
    counts: Any = pd.crosstab(history.iloc[:, 0], history.iloc[:, 1])
    left_top = {cluster: top for cluster, (_, top) in left.spans.items()}
    right_top = {cluster: top for cluster, (_, top) in right.spans.items()}
    left_scale, right_scale = (
        sum(high - low for low, high in bar.spans.values()) / len(history) for bar in (left, right)
    )
    for source in left.spans:
        ribbons = []
        for target in right.spans:
            n = counts.at[source, target]
            a, b = left_top[source], right_top[target]
            left_top[source] -= n * left_scale
            right_top[target] -= n * right_scale
            if n >= MIN_RIBBON_FRACTION * len(history):
                ends = (a, left_top[source], b, right_top[target])
                ribbons.append(_build_ribbon(x - 1 + BAR_WIDTH / 2, x - BAR_WIDTH / 2, *ends))
        if ribbons:
            color, _ = get_cluster_style(left.colors[source])
            path = Path.make_compound_path(*ribbons)
            ax.add_patch(PathPatch(path, facecolor=color, linewidth=0, alpha=0.4))


def _build_ribbon(
    x0: float, x1: float, left_top: float, left_bottom: float, right_top: float, right_bottom: float
) -> Path:
    middle = (x0 + x1) / 2
    top = [(x0, left_top), (middle, left_top), (middle, right_top), (x1, right_top)]
    bottom = [(x1, right_bottom), (middle, right_bottom), (middle, left_bottom), (x0, left_bottom)]
    curve = [Path.CURVE4] * 3
    codes = [Path.MOVETO, *curve, Path.LINETO, *curve, Path.CLOSEPOLY]
    return Path([*top, *bottom, top[0]], codes)
