"""Where the cells of each cluster go from one iteration to the next."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from scgnn.plotting.scatter import get_cluster_style, match_clusters
from scgnn.plotting.svg import MUTED, Margins, SvgFigure, render_svg

MAX_SNAPSHOTS = 8
MAX_CLUSTERS = 40
BAR_WIDTH = 0.17  # width, of the distance between two rounds
BAR_GAP = 0.015  # between two clusters, of the height
MIN_RIBBON_FRACTION = 0.006  # share of the cells in a ribbon that is drawn
MIN_LABELED_FRACTION = 0.03  # share of the cells from which a cluster has its number written on it


class StackedBar(NamedTuple):
    """The clusters of one round: numbers of their colours, and lower and upper end of each."""

    color_indices: dict[Any, int]
    spans: dict[Any, tuple[float, float]]


def plot_alluvial(cluster_history: pd.DataFrame | None, title: str) -> SvgFigure | None:
    """The labels of each round in a bar, and ribbons for the cells between them.

    Parameters
    ----------
    rounds
        Cells x rounds; of many rounds, the first, the last and some between are drawn.
    whose
        Named in the caption.
    """
    if (
        cluster_history is None
        or cluster_history.shape[1] < 2
        or cluster_history.nunique().max() > MAX_CLUSTERS
    ):
        return None
    columns = np.unique(
        np.linspace(0, cluster_history.shape[1] - 1, MAX_SNAPSHOTS).round().astype(int)
    )
    shown = cluster_history.iloc[:, columns]
    stacks = _stack_clusters(shown)

    def draw(ax: Axes) -> None:
        for x, (column, stack) in enumerate(zip(columns, stacks, strict=True)):
            if x:
                _draw_ribbons(ax, x, shown.iloc[:, x - 1], shown.iloc[:, x], stacks[x - 1], stack)
            for label, (low, high) in stack.spans.items():
                colour = get_cluster_style(stack.color_indices[label])[0]
                ax.add_patch(
                    Rectangle((x - BAR_WIDTH / 2, low), BAR_WIDTH, high - low, facecolor=colour)
                )
                if high - low >= MIN_LABELED_FRACTION:
                    ax.text(x, (low + high) / 2, str(label), ha="center", va="center", fontsize=10)
            ax.text(x, -0.03, str(column), ha="center", va="top", color=MUTED, fontsize=10)
        ax.set_xlim(-BAR_WIDTH, len(columns) - 1 + BAR_WIDTH)
        ax.set_ylim(-0.03, 1)
        ax.set_axis_off()

    kept = [(a == b).mean() for a, b in _pair_snapshots(shown, stacks)]
    counts = ", ".join(str(stack) for stack in shown.nunique())
    shares = ", ".join(f"{share:.0%}" for share in kept)
    alt = f"{title}: clusters by iteration {counts}; cells that stay in their cluster {shares}"
    size = (max(270.0, 60.0 * len(columns)), 230.0)
    return render_svg(alt, size, draw, Margins(4, 26, 4, 4), title)


def _stack_clusters(cluster_history: pd.DataFrame) -> list[StackedBar]:
    """Each round's clusters named after those of the round before, and put on one another."""
    stacks: list[StackedBar] = []
    before = cluster_history.iloc[:, 0]
    names = {label: i for i, label in enumerate(np.unique(before))}
    for _, labels in cluster_history.items():
        if stacks:
            own = match_clusters(labels, before.map(stacks[-1].color_indices))
            known = np.unique(before.map(stacks[-1].color_indices))
            fresh = max(known) + 1
            names = {
                label: int(known[n]) if n < len(known) else int(fresh + n - len(known))
                for label, n in own.items()
            }
        stacks.append(StackedBar(names, _compute_spans(labels, names)))
        before = labels
    return stacks


def _compute_spans(
    clusters: pd.Series, color_indices: dict[Any, int]
) -> dict[Any, tuple[float, float]]:
    counts = clusters.value_counts()
    room = 1 - BAR_GAP * (len(counts) - 1)
    spans, at = {}, 1.0
    for label in sorted(color_indices, key=lambda name: color_indices[name]):
        height = room * int(counts[label]) / len(clusters)
        spans[label] = (at - height, at)
        at -= height + BAR_GAP
    return spans


def _draw_ribbons(
    ax: Axes, x: int, before: pd.Series, after: pd.Series, left: StackedBar, right: StackedBar
) -> None:
    """The cells that go from each cluster of a round to each of the next."""
    counts: Any = pd.crosstab(before, after)
    from_top = {label: span[1] for label, span in left.spans.items()}
    to_top = {label: span[1] for label, span in right.spans.items()}
    scale_left = _sum_heights(left) / len(before)
    scale_right = _sum_heights(right) / len(after)
    for source in left.spans:
        shapes = []
        for goal in right.spans:
            n = counts.at[source, goal]
            a, b = from_top[source], to_top[goal]
            from_top[source] -= n * scale_left
            to_top[goal] -= n * scale_right
            if n >= MIN_RIBBON_FRACTION * len(before):
                ends = (a, from_top[source], b, to_top[goal])
                shapes.append(_build_ribbon(x - 1 + BAR_WIDTH / 2, x - BAR_WIDTH / 2, *ends))
        if shapes:
            whole = Path.make_compound_path(*shapes)
            colour = get_cluster_style(left.color_indices[source])[0]
            ax.add_patch(PathPatch(whole, facecolor=colour, linewidth=0, alpha=0.4))


def _sum_heights(bar: StackedBar) -> float:
    return sum(high - low for low, high in bar.spans.values())


def _build_ribbon(
    start: float,
    end: float,
    left_top: float,
    left_bottom: float,
    right_top: float,
    right_bottom: float,
) -> Path:
    middle = (start + end) / 2
    line, curve = Path.LINETO, Path.CURVE4
    points = [
        (start, left_top),
        (middle, left_top),
        (middle, right_top),
        (end, right_top),
        (end, right_bottom),
    ]
    points += [
        (middle, right_bottom),
        (middle, left_bottom),
        (start, left_bottom),
        (start, left_top),
    ]
    codes = [Path.MOVETO, curve, curve, curve, line, curve, curve, curve, Path.CLOSEPOLY]
    return Path(points, codes)


def _pair_snapshots(
    cluster_history: pd.DataFrame, stacks: list[StackedBar]
) -> list[tuple[pd.Series, pd.Series]]:
    """Consecutive rounds, their labels as numbers that stay."""
    numbers = [
        cluster_history.iloc[:, i].map(stack.color_indices) for i, stack in enumerate(stacks)
    ]
    return list(pairwise(numbers))
