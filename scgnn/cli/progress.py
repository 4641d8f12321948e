"""Progress of runs and studies: live displays in a terminal, lines elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from scgnn.arguments import escape_controls
from scgnn.cli.heartbeat import report_alive, report_output, report_stage
from scgnn.execution.formatting import format_duration
from scgnn.execution.progress import (
    NOT_ON_CONSOLE,
    OUTSIDE_PIPELINE,
    LogProgress,
    format_stage,
    format_stage_end,
    stage_log,
    use_progress,
)
from scgnn.study.progress import StudyProgress

HEARTBEAT_SECONDS = 30  # between two lines on the progress of a long training
MAX_ROWS = 12  # running runs in the table of a study
OTHER_ROWS = 4  # of the screen: the title, which may wrap, the header and the cursor


def open_console(**options: Any) -> Console:
    """Return a console of standard error that prints text as it is, without markup or emoji."""
    return Console(stderr=True, markup=False, emoji=False, highlight=False, **options)


class LineProgress(LogProgress):
    """One line per finished stage, and one every few minutes of a long stage."""

    record_attributes: Mapping[str, Any] = MappingProxyType({})  # of lines on a long stage

    def __init__(self) -> None:
        self.stage_text = self.loss_text = ""
        self.last_output_time = time.monotonic()

    def on_stage_start(self, stage: str, iteration: int) -> None:
        self.stage_text, self.loss_text = format_stage(stage, iteration), ""
        self.last_output_time = time.monotonic()
        report_stage(self.stage_text)

    def on_epoch_end(self, epoch: int, n_epochs: int, loss: float) -> None:
        self.loss_text = f"  {n_epochs} epochs, loss {loss:.5g}"
        if time.monotonic() - self.last_output_time > HEARTBEAT_SECONDS:
            self.last_output_time = time.monotonic()
            text = f"epoch {epoch} of {n_epochs}, loss {loss:.5g}"
            line = f"{self.stage_text}{'running':>15}  {text}"
            stage_log.info(line, extra=self.record_attributes)

    def on_stage_end(self, stage: str, iteration: int, seconds: float, from_cache: bool) -> None:
        end = format_stage_end(seconds, from_cache)
        stage_log.info(f"{self.stage_text}{end}{'' if from_cache else self.loss_text}")
        report_stage(f"{'':<14}{f'after {stage}':<22}")


class ElapsedColumn(TimeElapsedColumn):
    """Time since the start of a stage; drawn as long as the interpreter is not held."""

    def render(self, task: Task) -> Text:
        report_alive()
        return super().render(task)


class BarProgress(LineProgress):
    """Progress bars of the iterations and of the epochs of the current stage."""

    def __init__(self, bars: Progress, max_iterations: int) -> None:
        super().__init__()
        self.record_attributes = NOT_ON_CONSOLE
        self.bars, self.max_iterations = bars, max_iterations
        self.iterations_task = self._add_task(
            "iterations (at most)", max_iterations, visible=max_iterations > 0
        )
        self.stage_task = self._add_task("reading")

    def on_stage_start(self, stage: str, iteration: int) -> None:
        super().on_stage_start(stage, iteration)
        if iteration != OUTSIDE_PIPELINE:
            done = max(iteration - 1, 0)
            count = f"{done}/{self.max_iterations}"
            self.bars.update(self.iterations_task, completed=done, count=count)
        self.bars.remove_task(self.stage_task)  # resetting it would keep its total
        self.stage_task = self._add_task(format_stage(stage, iteration).rstrip())

    def on_epoch_end(self, epoch: int, n_epochs: int, loss: float) -> None:
        super().on_epoch_end(epoch, n_epochs, loss)
        count, text = f"{epoch}/{n_epochs}", f"loss {loss:.5g}"
        self.bars.update(self.stage_task, completed=epoch, total=n_epochs, count=count, loss=text)

    def _add_task(self, description: str, total: int | None = None, visible: bool = True) -> TaskID:
        return self.bars.add_task(description, total=total, visible=visible, count="", loss="")


class LineStudyProgress(StudyProgress):
    """One line per finished run of a study."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def on_study_start(self, n_runs: int, n_done: int) -> None:
        super().on_study_start(n_runs, n_done)
        self._report_counts()

    def on_run_end(self, label: str, reason: str | None) -> None:
        super().on_run_end(label, reason)
        self._report_counts()

    def _report_counts(self) -> None:
        n_ended = self.n_done + self.n_failed
        report_stage(f"{f'{n_ended:,} of {self.n_runs:,} runs finished':<36}")

    def print_run_end(self, label: str, reason: str | None) -> None:
        report_output()
        self.console.print(self.format_run_end(label, reason), soft_wrap=True)


class TableStudyProgress(LineStudyProgress):
    """A table of the running runs of a study, and one line per failed run."""

    def print_run_end(self, label: str, reason: str | None) -> None:
        if reason:
            super().print_run_end(label, reason)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        report_alive()
        with self._lock:
            running = list(self.running_stages.items())
        title = f"{self.n_done} of {self.n_runs} runs done, {self.n_failed} failed"
        table = Table(box=None, pad_edge=False, expand=True)
        table.add_column("run", overflow="ellipsis", no_wrap=True, ratio=1, min_width=10)
        for column in ("stage", "elapsed"):
            table.add_column(column, overflow="ellipsis", no_wrap=True)
        now = time.monotonic()
        # what is higher than the screen cannot be erased
        n_rows = max(0, min(MAX_ROWS, console.size.height - OTHER_ROWS))
        for label, (stage, start) in running[:n_rows]:
            table.add_row(label, stage, format_duration(now - start))
        yield Text(title + self.format_time_left(), no_wrap=False, overflow="fold")
        yield table


@contextmanager
def show_run_progress(console: Console, max_iterations: int) -> Iterator[None]:
    """Show the progress of a run, and log messages."""
    with _log_to_console(console), _report_stages():
        if not console.is_terminal:
            with use_progress(LineProgress()):
                yield
            return
        columns = (
            TextColumn("{task.description:<36}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]:>9}", markup=False),
            TextColumn("{task.fields[loss]:<16}", markup=False),
            ElapsedColumn(),
            TimeRemainingColumn(),
        )
        bars = Progress(*columns, console=console, transient=True, speed_estimate_period=3600)
        with bars, use_progress(BarProgress(bars, max_iterations)):
            yield


@contextmanager
def show_study_progress(console: Console) -> Iterator[StudyProgress]:
    """Show the progress of a study, and log messages."""
    with _log_to_console(console), _report_stages():
        if not console.is_terminal:
            yield LineStudyProgress(console)
            return
        table = TableStudyProgress(console)
        with Live(table, console=console, refresh_per_second=4, transient=True):
            yield table


@contextmanager
def _report_stages() -> Iterator[None]:
    """Let the process that watches over this one show the stages reported inside."""
    report_stage(f"{'':<14}{'starting':<22}")
    try:
        yield
    finally:
        report_stage("")


class ConsoleHandler(logging.Handler):
    """Handler that prints messages on a console, above what is live on it."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        report_output()
        if getattr(record, "not_on_console", False):
            return
        with suppress(OSError):  # a run does not end because its messages cannot be written
            self.console.print(escape_controls(self.format(record)), soft_wrap=True)


@contextmanager
def _log_to_console(console: Console) -> Iterator[None]:
    handler = ConsoleHandler(console)
    log = logging.getLogger("scgnn")
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
