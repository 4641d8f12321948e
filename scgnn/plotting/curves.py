"""Losses by epoch, the trainings of all iterations after one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from scgnn.plotting.formatting import format_count
from scgnn.plotting.svg import ACCENT, LINE, MUTED, Margins, SvgFigure, render_svg

MAX_POINTS = 200  # of a line, all trainings together
MIN_POINTS = 12  # of one training
FIGURE_SIZE = (300.0, 170.0)
LOG_SCALE_RATIO = 30  # ratio of the largest to the least loss from which the axis is logarithmic


def plot_loss_curves(runs: Iterable[Mapping[str, pd.DataFrame]], title: str) -> list[SvgFigure]:
    """A picture for each stage that is trained, a line for each run."""
    stages: dict[str, list[pd.DataFrame]] = {}
    for run in runs:
        for stage, losses in run.items():
            stages.setdefault(stage, []).append(losses)
    return [_plot_stage_loss(stage, runs, title) for stage, runs in stages.items()]


def plot_agreement(history: pd.DataFrame | None) -> SvgFigure | None:
    """How alike the clusters of consecutive iterations are."""
    if history is None:
        return None
    rows = history[history["quantity"] == "agreement"]
    if rows.empty:
        return None

    def draw(ax: Axes) -> None:
        ax.plot(rows["iteration"], rows["value"], color=ACCENT, marker="o", markersize=4)
        ax.set_ylim(min(0, rows["value"].min()) - 0.03, 1.03)
        ax.set_xticks(_thin_evenly(rows["iteration"].unique()))
        ax.set_xlabel("iteration")
        ax.yaxis.grid(color=LINE, linewidth=0.7)

    values = ", ".join(f"{value:.2f}" for value in rows["value"])
    alt = f"Agreement of each iteration's clusters with those before it: {values}"
    caption = "agreement with the clusters before (ARI)"
    return render_svg(alt, FIGURE_SIZE, draw, Margins(40, 36, 10, 8), caption)


def _plot_stage_loss(stage: str, runs: list[pd.DataFrame], title: str) -> SvgFigure:
    epochs = _count_epochs(runs)
    starts = dict(zip(epochs, np.cumsum([0, *epochs.values()])[:-1].tolist(), strict=True))
    values = np.concatenate([run["value"].to_numpy(float) for run in runs])
    values = values[np.isfinite(values)]
    steep = bool(len(values)) and values.min() > 0 and values.max() > LOG_SCALE_RATIO * values.min()

    points = max(MIN_POINTS, MAX_POINTS // len(epochs))

    def draw(ax: Axes) -> None:
        for run in runs:
            for iteration, part in run.groupby("iteration"):
                few = part.iloc[_thin_evenly(np.arange(len(part)), points)]
                x = few["epoch"] + starts[int(str(iteration))]
                ax.plot(
                    x, few["value"], color=ACCENT, alpha=_choose_alpha(len(runs)), linewidth=1.2
                )
        for start in list(starts.values())[1:]:
            ax.axvline(start, color=MUTED, linewidth=0.7, linestyle=(0, (2, 3)))
        if steep:
            ax.set_yscale("log")
            ax.minorticks_off()
        else:
            ax.ticklabel_format(axis="y", scilimits=(-3, 4))
        ax.set_xlim(0, sum(epochs.values()) + 1)
        ax.set_xlabel("epoch")
        ax.yaxis.grid(color=LINE, linewidth=0.7)

    ends = [float(run["value"].iloc[-1]) for run in runs]
    alt = (
        f"{title}, loss of the {stage}: {format_count(len(runs), 'run')}, "
        f"{format_count(len(epochs), 'training')}, at the end {min(ends):.4g} to {max(ends):.4g}"
    )
    caption = f"{stage}{', log scale' if steep else ''}"
    return render_svg(alt, FIGURE_SIZE, draw, Margins(46, 36, 10, 14), caption)


def _count_epochs(runs: list[pd.DataFrame]) -> dict[int, int]:
    """The epochs of each iteration, in the run that has most of them."""
    longest: dict[int, int] = {}
    for run in runs:
        for iteration, epoch in run.groupby("iteration")["epoch"].max().items():
            key = int(str(iteration))
            longest[key] = max(longest.get(key, 0), int(epoch))
    return dict(sorted(longest.items()))


def _thin_evenly(values: np.ndarray, max_points: int = 8) -> np.ndarray:
    """At most so many of them, evenly spread, both ends among them."""
    if len(values) <= max_points:
        return values
    return values[np.unique(np.linspace(0, len(values) - 1, max_points).round().astype(int))]


def _choose_alpha(n: int) -> float:
    return max(0.4, min(1.0, 3 / n))
