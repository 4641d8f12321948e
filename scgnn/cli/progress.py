"""What a person sees of a run: bars in a terminal, plain lines in a pipe, a summary at the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from scgnn.execution.progress import Progress, listening

SILENCE = 300  # seconds after which a long stage says how far it is


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
