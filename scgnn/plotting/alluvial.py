"""Where the cells of each cluster go from one iteration to the next."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from scgnn.plotting.scatter import look, matched
from scgnn.plotting.svg import MUTED, Margins, Picture, picture

MOST_ROUNDS = 8
MOST_CLUSTERS = 40
BAR = 0.17  # width, of the distance between two rounds
GAP = 0.015  # between two clusters, of the height
LEAST = 0.006  # share of the cells in a ribbon that is drawn
NAMED = 0.03  # share of the cells from which a cluster has its number written on it


class Stack(NamedTuple):
    """The clusters of one round: numbers of their colours, and lower and upper end of each."""

    numbers: dict[Any, int]
    spans: dict[Any, tuple[float, float]]


def alluvial(rounds: pd.DataFrame | None, whose: str) -> Picture | None:
    """The labels of each round in a bar, and ribbons for the cells between them.

    Parameters
    ----------
    rounds
        Cells x rounds; of many rounds, the first, the last and some between are drawn.
    whose
        Named in the caption.
    """
    if rounds is None or rounds.shape[1] < 2 or rounds.nunique().max() > MOST_CLUSTERS:
        return None
    columns = np.unique(np.linspace(0, rounds.shape[1] - 1, MOST_ROUNDS).round().astype(int))
    shown = rounds.iloc[:, columns]
    stacks = _stacks(shown)

    def draw(ax: Axes) -> None:
        for x, (column, stack) in enumerate(zip(columns, stacks, strict=True)):
            if x:
                _ribbons(ax, x, shown.iloc[:, x - 1], shown.iloc[:, x], stacks[x - 1], stack)
            for label, (low, high) in stack.spans.items():
                colour = look(stack.numbers[label])[0]
                ax.add_patch(Rectangle((x - BAR / 2, low), BAR, high - low, facecolor=colour))
                if high - low >= NAMED:
                    ax.text(x, (low + high) / 2, str(label), ha="center", va="center", fontsize=10)
            ax.text(x, -0.03, str(column), ha="center", va="top", color=MUTED, fontsize=10)
        ax.set_xlim(-BAR, len(columns) - 1 + BAR)
        ax.set_ylim(-0.03, 1)
        ax.set_axis_off()

    kept = [(a == b).mean() for a, b in _renamed(shown, stacks)]
    counts = ", ".join(str(stack) for stack in shown.nunique())
    shares = ", ".join(f"{share:.0%}" for share in kept)
    alt = f"{whose}: clusters by iteration {counts}; cells that stay in their cluster {shares}"
    size = (max(270.0, 60.0 * len(columns)), 230.0)
    return picture(alt, size, draw, Margins(4, 26, 4, 4), whose)


def _stacks(rounds: pd.DataFrame) -> list[Stack]:
    """Each round's clusters named after those of the round before, and put on one another."""
    stacks: list[Stack] = []
    before = rounds.iloc[:, 0]
    names = {label: i for i, label in enumerate(np.unique(before))}
    for _, labels in rounds.items():
        if stacks:
            own = matched(labels, before.map(stacks[-1].numbers))
            known = np.unique(before.map(stacks[-1].numbers))
            fresh = max(known) + 1
            names = {
                label: int(known[n]) if n < len(known) else int(fresh + n - len(known))
                for label, n in own.items()
            }
        stacks.append(Stack(names, _spans(labels, names)))
        before = labels
    return stacks


def _spans(labels: pd.Series, numbers: dict[Any, int]) -> dict[Any, tuple[float, float]]:
    counts = labels.value_counts()
    room = 1 - GAP * (len(counts) - 1)
    spans, at = {}, 1.0
    for label in sorted(numbers, key=lambda name: numbers[name]):
        height = room * int(counts[label]) / len(labels)
        spans[label] = (at - height, at)
        at -= height + GAP
    return spans


def _ribbons(
    ax: Axes, x: int, before: pd.Series, after: pd.Series, left: Stack, right: Stack
) -> None:
    """The cells that go from each cluster of a round to each of the next."""
    counts: Any = pd.crosstab(before, after)
    from_top = {label: span[1] for label, span in left.spans.items()}
    to_top = {label: span[1] for label, span in right.spans.items()}
    scale_left = _height(left) / len(before)
    scale_right = _height(right) / len(after)
    for source in left.spans:
        shapes = []
        for goal in right.spans:
            n = counts.at[source, goal]
            a, b = from_top[source], to_top[goal]
            from_top[source] -= n * scale_left
            to_top[goal] -= n * scale_right
            if n >= LEAST * len(before):
                ends = (a, from_top[source], b, to_top[goal])
                shapes.append(_ribbon(x - 1 + BAR / 2, x - BAR / 2, *ends))
        if shapes:
            whole = Path.make_compound_path(*shapes)
            colour = look(left.numbers[source])[0]
            ax.add_patch(PathPatch(whole, facecolor=colour, linewidth=0, alpha=0.4))


def _height(stack: Stack) -> float:
    return sum(high - low for low, high in stack.spans.values())


def _ribbon(x: float, end: float, a: float, a_low: float, b: float, b_low: float) -> Path:
    middle = (x + end) / 2
    line, curve = Path.LINETO, Path.CURVE4
    points = [(x, a), (middle, a), (middle, b), (end, b), (end, b_low)]
    points += [(middle, b_low), (middle, a_low), (x, a_low), (x, a)]
    codes = [Path.MOVETO, curve, curve, curve, line, curve, curve, curve, Path.CLOSEPOLY]
    return Path(points, codes)


def _renamed(rounds: pd.DataFrame, stacks: list[Stack]) -> list[tuple[pd.Series, pd.Series]]:
    """Consecutive rounds, their labels as numbers that stay."""
    numbers = [rounds.iloc[:, i].map(stack.numbers) for i, stack in enumerate(stacks)]
    return list(pairwise(numbers))
