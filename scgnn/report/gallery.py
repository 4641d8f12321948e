"""The pictures of a study's runs: losses, clusters, and labels from iteration to iteration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from scgnn.plotting.alluvial import plot_alluvial
from scgnn.plotting.curves import plot_loss_curves
from scgnn.plotting.formatting import join_names
from scgnn.plotting.scatter import has_umap, plot_clusters
from scgnn.plotting.svg import SvgFigure
from scgnn.report.run_data import RunHistory
from scgnn.study.spec import Run

if TYPE_CHECKING:
    from scgnn.study.result import StudyResult

MAX_VARIANTS = 24  # drawn
MAX_RUNS_PER_VARIANT = 12  # of a variant, whose losses are drawn
MAX_UMAPS = 12
MIN_SECONDS_FOR_UMAP = 300  # of computing in a study


class VariantLosses(NamedTuple):
    """The losses of a variant, and what there is to say of them."""

    variant: str
    figures: list[SvgFigure]
    note: str


class StudyFigures:
    """All pictures of runs.

    Parameters
    ----------
    result
        The study, whose run folders are read.
    umap
        Whether to draw UMAP; None where it is worth its time.
    """

    def __init__(self, result: StudyResult, umap: bool | None) -> None:
        self.result = result
        self.variants = result.study.variants[:MAX_VARIANTS]
        left_out = result.study.variants[MAX_VARIANTS:]
        self.note = (
            f"Not drawn, to keep the page small: {join_names(left_out)}." if left_out else ""
        )
        if umap is None:
            umap = has_umap() and result.outcome.summarize_costs()[1] >= MIN_SECONDS_FOR_UMAP
        self.umap = umap
        self.block = self._select_block()
        self.block_name = ", ".join(f"{axis} {level}" for axis, level in self.block)

    def plot_losses(self) -> Iterator[VariantLosses]:
        """Losses by variant."""
        for variant in self.variants:
            runs = [run for run in self.result.study.runs if run.variant == variant]
            done = [run for run in runs if run.label in self.result.outcome.summaries]
            traces = [
                self._load_history(run, with_embedding=False) for run in done[:MAX_RUNS_PER_VARIANT]
            ]
            there = [trace for trace in traces if trace.records is not None]
            notes = []
            if len(done) > MAX_RUNS_PER_VARIANT:
                notes.append(f"the first {MAX_RUNS_PER_VARIANT} of {len(done)} runs")
            if len(runs) > len(done):
                notes.append(f"{len(runs) - len(done)} of {len(runs)} runs failed")
            if len(traces) > len(there):
                notes.append(f"no history.csv in {len(traces) - len(there)} run folders")
            pictures = plot_loss_curves((trace.get_losses() for trace in there), variant)
            if there and not pictures:
                notes.append("nothing in it is trained")
            yield VariantLosses(variant, pictures, "; ".join(notes))

    def plot_clusters(self) -> list[SvgFigure]:
        """Every variant in one block, its clusters in the colours of the base's."""
        found: list[SvgFigure] = []
        umaps: list[SvgFigure] = []
        like = None
        for run in self._select_runs():
            trace = self._load_history(run, with_embedding=True)
            if trace.clusters is None or trace.embedding is None:
                continue
            like = trace.clusters if like is None else like
            found.append(
                plot_clusters(trace.embedding, trace.clusters, run.variant, reference=like)
            )
            if self.umap and len(umaps) < MAX_UMAPS:
                umaps.append(
                    plot_clusters(
                        trace.embedding, trace.clusters, run.variant, reference=like, basis="UMAP"
                    )
                )
        return found + umaps

    def plot_alluvials(self) -> list[SvgFigure]:
        """Labels between iterations, in one block."""
        traces = (
            (run, self._load_history(run, with_embedding=True)) for run in self._select_runs()
        )
        drawn = (plot_alluvial(trace.cluster_history, run.variant) for run, trace in traces)
        return [each for each in drawn if each is not None]

    def _select_runs(self) -> list[Run]:
        """The runs of the block that is drawn, one of each variant."""
        finished = self.result.outcome.summaries
        wanted = dict(self.block)
        first: dict[str, Run] = {}
        for run in self.result.study.runs:
            there = {axis: level for axis, level in run.levels.items() if level is not None}
            if there.items() <= wanted.items() and run.label in finished:
                first.setdefault(run.variant, run)
        return [first[name] for name in self.variants if name in first]

    def _select_block(self) -> tuple[tuple[str, object], ...]:
        """The place of the base in which most variants have finished, the first of several."""
        runs = self.result.study.runs
        finished = self.result.outcome.summaries
        best: tuple[int, tuple[tuple[str, object], ...]] = (0, ())
        for base in runs:
            if base.role == "base" and base.label in finished:
                wanted = base.levels.items()
                n = sum(run.label in finished and run.levels.items() <= wanted for run in runs)
                best = max(best, (n, tuple(wanted)), key=lambda item: item[0])
        return best[1]

    def _load_history(self, run: Run, *, with_embedding: bool) -> RunHistory:
        return RunHistory.from_folder(
            self.result.folder / "runs" / run.label, with_embedding=with_embedding
        )
