"""Figures of the runs of a study: losses, clusters, and clusters by iteration."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from scgnn.execution.formatting import format_count, join_names
from scgnn.plotting.alluvial import plot_alluvial
from scgnn.plotting.curves import plot_loss_curves
from scgnn.plotting.scatter import has_umap, plot_clusters
from scgnn.plotting.svg import SvgFigure
from scgnn.report.run_history import read_cluster_history, read_clusters, read_history
from scgnn.study.spec import Run

if TYPE_CHECKING:
    from scgnn.study.result import StudyResult

MAX_VARIANTS = 24
MAX_RUNS_PER_VARIANT = 12  # in plots of losses
MAX_UMAPS = 12
MIN_SECONDS_FOR_UMAP = 300  # of computing in the study


class VariantLosses(NamedTuple):
    """Losses of a variant, with a note on what is missing."""

    variant: str
    figures: list[SvgFigure]
    note: str


class StudyFigures:
    """Figures of the runs of a study.

    Parameters
    ----------
    result
        The study; its run folders are read.
    umap
        Whether to draw UMAP besides PCA; by default, if umap-learn is installed and the study
        computed for at least five minutes.
    """

    def __init__(self, result: StudyResult, umap: bool | None = None) -> None:
        self.result = result
        if umap is None:
            seconds = sum(cost.seconds for cost in dict(result.outcome.list_costs()).values())
            umap = has_umap() and seconds >= MIN_SECONDS_FOR_UMAP
        self.umap = umap
        self.variants = result.study.variants[:MAX_VARIANTS]
        omitted = result.study.variants[MAX_VARIANTS:]
        self.note = f"Omitted to limit the page size: {join_names(omitted)}." if omitted else ""
        self.block = self._select_block()
        self.block_name = ", ".join(f"{axis} {level}" for axis, level in self.block.items())

    def plot_losses(self) -> Iterator[VariantLosses]:
        """Plot the losses of each variant."""
        for variant in self.variants:
            runs = [run for run in self.result.study.runs if run.variant == variant]
            done = [run for run in runs if run.label in self.result.outcome.summaries]
            loaded = [read_history(self._get_folder(run)) for run in done[:MAX_RUNS_PER_VARIANT]]
            histories = [history for history in loaded if history is not None]
            figures = plot_loss_curves(histories, variant)
            notes = []
            if len(done) > MAX_RUNS_PER_VARIANT:
                notes.append(f"the first {MAX_RUNS_PER_VARIANT} of {len(done)} runs")
            if len(runs) > len(done):
                notes.append(f"{len(runs) - len(done)} of {len(runs)} runs failed")
            if n_missing := len(loaded) - len(histories):
                notes.append(f"no history.csv in {format_count(n_missing, 'run folder')}")
            if histories and not figures:
                notes.append("no trained component")
            yield VariantLosses(variant, figures, "; ".join(notes))

    def plot_clusters(self) -> list[SvgFigure]:
        """Plot the clusters of each variant in one block, in the colors of the base."""
        figures: list[SvgFigure] = []
        umaps: list[SvgFigure] = []
        reference = None
        for run in self._select_runs():
            if data := read_clusters(self._get_folder(run)):
                reference = data[1] if reference is None else reference
                plot = partial(plot_clusters, *data, run.variant, reference=reference)
                figures.append(plot())
                if self.umap and len(umaps) < MAX_UMAPS:
                    umaps.append(plot(basis="UMAP"))
        return figures + umaps

    def plot_alluvials(self) -> list[SvgFigure]:
        """Plot the clusters by iteration of each variant in one block."""
        loaded = [(run, read_cluster_history(self._get_folder(run))) for run in self._select_runs()]
        figures = [
            plot_alluvial(history, run.variant) for run, history in loaded if history is not None
        ]
        return [figure for figure in figures if figure]

    def _select_runs(self) -> list[Run]:
        """Return the finished runs of the block that is drawn, one of each variant."""
        runs: dict[str, Run] = {}
        for run in self.result.study.runs:
            levels = {axis: level for axis, level in run.levels.items() if level is not None}
            is_in_block = levels.items() <= self.block.items()
            if is_in_block and run.label in self.result.outcome.summaries:
                runs.setdefault(run.variant, run)
        return [runs[name] for name in self.variants if name in runs]

    def _select_block(self) -> dict[str, Any]:
        """Return the levels of the base with which most variants finished."""
        done = [run for run in self.result.study.runs if run.label in self.result.outcome.summaries]

        def count_variants(base: Run) -> int:
            return sum(run.levels.items() <= base.levels.items() for run in done)

        bases = [run for run in done if run.role == "base"]
        return dict(max(bases, key=count_variants).levels) if bases else {}

    def _get_folder(self, run: Run) -> Path:
        return self.result.folder / "runs" / run.label
