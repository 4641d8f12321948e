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

from scgnn.execution.progress import ProgressListener, use_progress

HEARTBEAT_SECONDS = 300  # seconds after which a long stage says how far it is


stage_log = logging.getLogger("scgnn.stages")


class LineProgress(ProgressListener):
    """One line a stage, for pipes and logs, and one every few minutes of a long one."""

    def __init__(self, console: Console) -> None:
        self.console, self.loss_text = console, ""
        self.stage_text, self.last_output_time = "", time.monotonic()

    def on_stage_start(self, stage: str, iteration: int) -> None:
        self.stage_text, self.last_output_time = (
            f"{_format_iteration(iteration)}{stage:<22}",
            time.monotonic(),
        )
        self.loss_text = ""

    def on_epoch_end(self, epoch: int, n_epochs: int, loss: float) -> None:
        self.loss_text = f"  {n_epochs} epochs, loss {loss:.5g}"
        if time.monotonic() - self.last_output_time > HEARTBEAT_SECONDS:
            self.last_output_time = time.monotonic()
            stage_log.info(
                f"{self.stage_text}{'at work':>15}  epoch {epoch} of {n_epochs}, loss {loss:.5g}"
            )

    def on_stage_end(self, stage: str, iteration: int, seconds: float, from_cache: bool) -> None:
        took = "from the store" if from_cache else f"{seconds:.1f} s"
        stage_log.info(f"{self.stage_text}{took:>15}{'' if from_cache else self.loss_text}")


class BarProgress(LineProgress):
    """Bars: the iterations, and the epochs of the stage at work, with loss and time left."""

    def __init__(self, console: Console, bars: Bars, max_iterations: int) -> None:
        super().__init__(console)
        self.bars = bars
        self.max_iterations = max_iterations
        self.iterations_task = self._add_task(
            "iterations (at most)", self.max_iterations, visible=self.max_iterations > 0
        )
        self.stage_task = self._add_task("reading")

    def on_stage_start(self, stage: str, iteration: int) -> None:
        super().on_stage_start(stage, iteration)
        done = max(iteration - 1, 0)
        self.bars.update(
            self.iterations_task, completed=done, count=f"{done}/{self.max_iterations}"
        )
        self.bars.remove_task(self.stage_task)  # its total would outlive a reset
        self.stage_task = self._add_task(_format_iteration(iteration) + stage)

    def _add_task(self, description: str, total: int | None = None, visible: bool = True) -> TaskID:
        return self.bars.add_task(description, total=total, visible=visible, count="", loss="")

    def on_epoch_end(self, epoch: int, n_epochs: int, loss: float) -> None:
        super().on_epoch_end(epoch, n_epochs, loss)
        count, said = f"{epoch}/{n_epochs}", f"loss {loss:.5g}"
        self.bars.update(self.stage_task, completed=epoch, total=n_epochs, count=count, loss=said)


def _format_iteration(iteration: int) -> str:
    return f"iteration {iteration:<3} " if iteration else f"{'start':<14}"


@contextmanager
def log_to_console(console: Console) -> Iterator[None]:
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
def show_progress(console: Console, max_iterations: int) -> Iterator[None]:
    """Show a run: live in a terminal, line by line elsewhere; messages go between."""
    with log_to_console(console):
        if not console.is_terminal:
            with use_progress(LineProgress(console)):
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
        with bars, use_progress(BarProgress(console, bars, max_iterations)):
            yield
