"""What a person sees of a run: bars in a terminal, plain lines in a pipe, a summary at the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.logging import RichHandler
from rich.panel import Panel
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from scgnn.progress import Progress, listening

SCORES = (
    ("ari", "ARI"),
    ("ami", "AMI"),
    ("nmi", "NMI"),
    ("homogeneity", "homogeneity"),
    ("completeness", "completeness"),
    ("silhouette", "silhouette"),
    ("calinski_harabasz", "Calinski-Harabasz"),
    ("davies_bouldin", "Davies-Bouldin"),
)
IMPUTATION = {
    "thinning": "hidden molecules",
    "truth": "truth",
    "false_signal": "false signal",
    "imputation": "hidden entries",
}
SILENCE = 300  # seconds after which a long stage says how far it is
BESIDE = ("none", "diffusion")  # controls that are shown with a score of imputation

stages = logging.getLogger("scgnn.stages")


class PlainLines(Progress):
    """One line a stage, for pipes and logs, and one every few minutes of a long one."""

    def __init__(self, console: Console) -> None:
        self.console, self.loss = console, ""
        self.stage, self.since = "", time.monotonic()

    def begin(self, stage: str, iteration: int) -> None:
        self.stage, self.since = f"{_where(iteration)}{stage:<22}", time.monotonic()
        self.loss = ""

    def epoch(self, done: int, total: int, loss: float) -> None:
        self.loss = f"  {total} epochs, loss {loss:.5g}"
        if time.monotonic() - self.since > SILENCE:
            self.since = time.monotonic()
            stages.info(f"{self.stage}{'at work':>15}  epoch {done} of {total}, loss {loss:.5g}")

    def end(self, stage: str, iteration: int, seconds: float, reused: bool) -> None:
        took = "from the store" if reused else f"{seconds:.1f} s"
        stages.info(f"{self.stage}{took:>15}{'' if reused else self.loss}")


class LiveBars(PlainLines):
    """Bars: the iterations, and the epochs of the stage at work, with loss and time left."""

    def __init__(self, console: Console, bars: Bars, most_iterations: int) -> None:
        super().__init__(console)
        self.bars = bars
        self.most = most_iterations
        self.overall = self._bar("iterations (at most)", self.most, visible=self.most > 0)
        self.task = self._bar("reading")

    def begin(self, stage: str, iteration: int) -> None:
        super().begin(stage, iteration)
        done = max(iteration - 1, 0)
        self.bars.update(self.overall, completed=done, count=f"{done}/{self.most}")
        self.bars.remove_task(self.task)  # its total would outlive a reset
        self.task = self._bar(_where(iteration) + stage)

    def _bar(self, what: str, total: int | None = None, visible: bool = True) -> TaskID:
        return self.bars.add_task(what, total=total, visible=visible, count="", loss="")

    def epoch(self, done: int, total: int, loss: float) -> None:
        super().epoch(done, total, loss)
        count, said = f"{done}/{total}", f"loss {loss:.5g}"
        self.bars.update(self.task, completed=done, total=total, count=count, loss=said)


def _where(iteration: int) -> str:
    return f"iteration {iteration:<3} " if iteration else f"{'start':<14}"


@contextmanager
def logging_to(console: Console) -> Iterator[None]:
    """Inside the block, messages of this package appear on a console."""
    handler = RichHandler(console=console, show_path=False, show_time=False, show_level=False)
    if not console.is_terminal:
        handler = logging.StreamHandler(console.file)  # type: ignore[assignment]
    log = logging.getLogger("scgnn")
    before = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


@contextmanager
def watching(console: Console, most_iterations: int) -> Iterator[None]:
    """Show a run: live in a terminal, line by line elsewhere; messages go between."""
    with logging_to(console):
        if not console.is_terminal:
            with listening(PlainLines(console)):
                yield
            return
        columns = (
            TextColumn("{task.description:<36}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]:>9}"),
            TextColumn("{task.fields[loss]:<16}"),
            TimeRemainingColumn(),
        )
        bars = Bars(*columns, console=console, transient=True, speed_estimate_period=3600)
        with bars, listening(LiveBars(console, bars, most_iterations)):
            yield


def imputation_facts(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each score of imputation in words, with those of two controls beside it."""
    controls = metrics.get("imputation_controls") or {}
    beside = {name: _by_group(controls[name]) for name in BESIDE if name in controls}
    found = []
    for (group, score), value in _by_group(metrics).items():
        word = IMPUTATION[group] + (f", {score.replace('_', ' ')}" if score else "")
        others = ", ".join(f"{n} {_shown(of.get((group, score)))}" for n, of in beside.items())
        found.append((word, f"{_shown(value)} ({others})" if others else _shown(value)))
    return found


def _by_group(metrics: Mapping[str, Any]) -> dict[tuple[str, str], float | None]:
    """The scores of imputation by group and name; a group may be a score itself."""
    there = {group: metrics[group] for group in IMPUTATION if group in metrics}
    parts = {g: v if isinstance(v, Mapping) else {"": v} for g, v in there.items()}
    return {(group, name): v for group, part in parts.items() for name, v in part.items()}


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value + 0.0:.3f}"


def summary(console: Console, metrics: dict[str, Any], files: list[Path], out: Path) -> None:
    """The end of a run: clusters, why it stopped, scores, time and memory by stage, files."""
    facts = [
        ("cells x genes", f"{metrics['n_cells']} x {metrics['n_genes']}"),
        ("clusters", str(metrics["n_clusters"])),
        ("iterations", f"{metrics['iterations']}, {metrics['stopped_because']}"),
    ]
    dead = {"dead_units": "embedding units", "dead_genes": "genes"}
    counted = [f"{metrics[name]} {word}" for name, word in dead.items() if name in metrics]
    if counted:
        facts.append(("always zero", ", ".join(counted)))
    facts += [
        (word, f"{metrics[name]:.3f}") for name, word in SCORES if metrics.get(name) is not None
    ]
    facts += imputation_facts(metrics)
    seconds, peaks = metrics["seconds"], metrics["peak_memory_mb_by_stage"]
    stages = [(name, f"{seconds[name]:.1f}", f"{peaks[name]:.0f}") for name in seconds]
    stages.append(("all", f"{sum(seconds.values()):.1f}", f"{metrics['peak_memory_mb']:.0f}"))
    names = ", ".join(path.name for path in files)
    if not console.is_terminal:
        for word, value in facts:
            console.print(f"{word}: {value}", highlight=False, soft_wrap=True)
        for name, took, peak in stages:
            console.print(
                f"stage {name}: {took} s, peak {peak} MB", highlight=False, soft_wrap=True
            )
        console.print(f"files in {out}: {names}", highlight=False, soft_wrap=True)
        return
    left = Table.grid(padding=(0, 2))
    for word, value in facts:
        left.add_row(Text(word, style="cyan"), value)
    right = Table(
        "stage", "seconds", "peak MB", box=None, header_style="cyan", padding=(0, 2, 0, 0)
    )
    for column in right.columns[1:]:
        column.justify = "right"
    for row in stages:
        right.add_row(*row)
    console.print(Panel(Group(left, "", right, "", f"{out}/  {names}"), title="done", expand=False))
