"""The pictures of a study's runs: losses, clusters, and labels from iteration to iteration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from scgnn.plotting.alluvial import alluvial
from scgnn.plotting.curves import loss_curves
from scgnn.plotting.formatting import listed
from scgnn.plotting.scatter import cluster_picture, has_umap
from scgnn.plotting.svg import Picture
from scgnn.report.run_data import Trace
from scgnn.study.spec import Run

if TYPE_CHECKING:
    from scgnn.study.result import StudyResult

MOST_VARIANTS = 24  # drawn
MOST_RUNS = 12  # of a variant, whose losses are drawn
MOST_UMAPS = 12
UMAP_WORTH_SECONDS = 300  # of computing in a study


class Curves(NamedTuple):
    """The losses of a variant, and what there is to say of them."""

    variant: str
    pictures: list[Picture]
    note: str


class Gallery:
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
        self.variants = result.study.variants[:MOST_VARIANTS]
        left_out = result.study.variants[MOST_VARIANTS:]
        self.note = f"Not drawn, to keep the page small: {listed(left_out)}." if left_out else ""
        if umap is None:
            umap = has_umap() and result.outcome.costs()[1] >= UMAP_WORTH_SECONDS
        self.umap = umap
        self.block = self._block()
        self.place = ", ".join(f"{axis} {level}" for axis, level in self.block)

    def curves(self) -> Iterator[Curves]:
        """Losses by variant."""
        for variant in self.variants:
            runs = [run for run in self.result.study.runs if run.variant == variant]
            done = [run for run in runs if run.label in self.result.outcome.finished]
            traces = [self._trace(run, drawn=False) for run in done[:MOST_RUNS]]
            there = [trace for trace in traces if trace.history is not None]
            notes = []
            if len(done) > MOST_RUNS:
                notes.append(f"the first {MOST_RUNS} of {len(done)} runs")
            if len(runs) > len(done):
                notes.append(f"{len(runs) - len(done)} of {len(runs)} runs failed")
            if len(traces) > len(there):
                notes.append(f"no history.csv in {len(traces) - len(there)} run folders")
            pictures = loss_curves((trace.losses() for trace in there), variant)
            if there and not pictures:
                notes.append("nothing in it is trained")
            yield Curves(variant, pictures, "; ".join(notes))

    def clusters(self) -> list[Picture]:
        """Every variant in one block, its clusters in the colours of the base's."""
        found: list[Picture] = []
        umaps: list[Picture] = []
        like = None
        for run in self._shown():
            trace = self._trace(run, drawn=True)
            if trace.labels is None or trace.embedding is None:
                continue
            like = trace.labels if like is None else like
            found.append(cluster_picture(trace.embedding, trace.labels, run.variant, like=like))
            if self.umap and len(umaps) < MOST_UMAPS:
                umaps.append(
                    cluster_picture(
                        trace.embedding, trace.labels, run.variant, like=like, by="UMAP"
                    )
                )
        return found + umaps

    def alluvials(self) -> list[Picture]:
        """Labels between iterations, in one block."""
        traces = ((run, self._trace(run, drawn=True)) for run in self._shown())
        drawn = (alluvial(trace.rounds, run.variant) for run, trace in traces)
        return [each for each in drawn if each is not None]

    def _shown(self) -> list[Run]:
        """The runs of the block that is drawn, one of each variant."""
        finished = self.result.outcome.finished
        wanted = dict(self.block)
        first: dict[str, Run] = {}
        for run in self.result.study.runs:
            there = {axis: level for axis, level in run.place.items() if level is not None}
            if there.items() <= wanted.items() and run.label in finished:
                first.setdefault(run.variant, run)
        return [first[name] for name in self.variants if name in first]

    def _block(self) -> tuple[tuple[str, object], ...]:
        """The place of the base in which most variants have finished, the first of several."""
        runs = self.result.study.runs
        finished = self.result.outcome.finished
        best: tuple[int, tuple[tuple[str, object], ...]] = (0, ())
        for base in runs:
            if base.role == "base" and base.label in finished:
                wanted = base.place.items()
                n = sum(run.label in finished and run.place.items() <= wanted for run in runs)
                best = max(best, (n, tuple(wanted)), key=lambda item: item[0])
        return best[1]

    def _trace(self, run: Run, *, drawn: bool) -> Trace:
        return Trace.read(self.result.folder / "runs" / run.label, drawn=drawn)
