"""Line plots by epoch and iteration: losses, and the agreement of consecutive clusterings."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from scgnn.execution.formatting import format_count
from scgnn.plotting.svg import ACCENT, LINE, MUTED, Margins, SvgFigure, render_svg

FIGURE_SIZE = (300.0, 170.0)
MAX_POINTS = 200  # of a run
MIN_POINTS = 12  # of one training
LOG_SCALE_RATIO = 30  # largest over smallest loss from which the axis is logarithmic


def plot_loss_curves(histories: Iterable[pd.DataFrame], title: str) -> list[SvgFigure]:
    """Plot the loss of each trained stage, one line per run.

    Parameters
    ----------
    histories
        One row per recorded value, with the columns of :class:`~scgnn.state.Record`.
    title
        First words of the description for screen readers.
    """
    stages: dict[str, list[pd.DataFrame]] = {}
    for history in histories:
        losses = history[history["quantity"] == "loss"]
        for stage, part in losses.groupby("stage", sort=False):
            if part["value"].any():  # a stage that is not trained has the loss 0
                stages.setdefault(str(stage), []).append(part)
    return [_plot_stage_loss(stage, runs, title) for stage, runs in stages.items()]


def plot_agreement(history: pd.DataFrame) -> SvgFigure | None:
    """Plot the ARI between the clusters of consecutive iterations; None without iterations."""
    rows = history[history["quantity"] == "agreement"]
    if rows.empty:
        return None

    def draw(ax: Axes) -> None:
        ax.plot(rows["iteration"], rows["value"], color=ACCENT, marker="o", markersize=4)
        ax.set_ylim(min(0, rows["value"].min()) - 0.03, 1.03)
        ax.set_xticks(thin_evenly(rows["iteration"].unique()))
        ax.set_xlabel("iteration")
        ax.yaxis.grid(color=LINE, linewidth=0.7)

    values = ", ".join(f"{value:.2f}" for value in rows["value"])
    alt = f"Agreement (ARI) of each iteration's clusters with those of the previous one: {values}"
    caption = "agreement with the previous clusters (ARI)"
    return render_svg(alt, FIGURE_SIZE, draw, Margins(40, 36, 10, 8), caption)


def _plot_stage_loss(stage: str, runs: list[pd.DataFrame], title: str) -> SvgFigure:
    # epochs of each iteration, of the run with most of them
    lengths = pd.concat(run.groupby("iteration")["epoch"].max() for run in runs)
    epochs = lengths.groupby(level=0).max()
    starts = epochs.cumsum() - epochs
    values = np.concatenate([run["value"].to_numpy(float) for run in runs])
    values = values[np.isfinite(values)]
    is_log = bool(len(values)) and 0 < LOG_SCALE_RATIO * values.min() < values.max()
    n_points = max(MIN_POINTS, MAX_POINTS // len(epochs))
    alpha = max(0.4, min(1.0, 3 / len(runs)))

    def draw(ax: Axes) -> None:
        for run in runs:
            for iteration, part in run.groupby("iteration"):
                points = part.iloc[thin_evenly(np.arange(len(part)), n_points)]
                x = points["epoch"] + starts[iteration]
                ax.plot(x, points["value"], color=ACCENT, alpha=alpha, linewidth=1.2)
        for start in starts[1:]:
            ax.axvline(start, color=MUTED, linewidth=0.7, linestyle=(0, (2, 3)))
        if is_log:
            ax.set_yscale("log")
            ax.minorticks_off()
        else:
            ax.ticklabel_format(axis="y", scilimits=(-3, 4))
        ax.set_xlim(0, epochs.sum() + 1)
        ax.set_xlabel("epoch")
        ax.yaxis.grid(color=LINE, linewidth=0.7)

    final = [float(run["value"].iloc[-1]) for run in runs]
    alt = (
        f"{title}, loss of the {stage}: {format_count(len(runs), 'run')}, "
        f"{format_count(len(epochs), 'training')}, final loss {min(final):.4g} to {max(final):.4g}"
    )
    caption = f"{stage}, log scale" if is_log else stage
    return render_svg(alt, FIGURE_SIZE, draw, Margins(46, 36, 10, 14), caption)


def thin_evenly(values: np.ndarray, max_length: int = 8) -> np.ndarray:
    """Return at most ``max_length`` evenly spaced values, with the first and the last."""
    if len(values) <= max_length:
        return values
    return values[np.unique(np.linspace(0, len(values) - 1, max_length).round().astype(int))]
