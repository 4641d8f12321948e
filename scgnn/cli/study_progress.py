"""study_progress"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from scgnn.execution.formatting import format_duration
from scgnn.study.progress import StudyProgress

MAX_ROWS = 12


class LineStudyProgress(StudyProgress):
    """A line for every run that ended."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def print_run_end(self, label: str, reason: str | None) -> None:
        count = f"{self.n_done + self.n_failed}/{self.n_runs}"
        text = f"failed: {reason}" if reason else "done"
        self.console.print(
            f"{count:>9}  {label}  {text}{self.format_time_left()}", markup=False, soft_wrap=True
        )


class TableStudyProgress(LineStudyProgress):
    """The runs under way as a table, above it a line for each that failed."""

    def print_run_end(self, label: str, reason: str | None) -> None:
        if reason:
            super().print_run_end(label, reason)

    def __rich__(self) -> Group:
        with self._lock:
            running = dict(self.running_stages)
        head = f"{self.n_done} of {self.n_runs} runs done, {self.n_failed} failed{self.format_time_left()}"
        table = Table(box=None, pad_edge=False)
        for column in ("run", "stage", "since"):
            table.add_column(column, overflow="ellipsis", no_wrap=True)
        now = time.monotonic()
        for label, (what, began) in list(running.items())[:MAX_ROWS]:
            table.add_row(label, what, format_duration(now - began))
        return Group(Text(head), table)


@contextmanager
def show_study_progress(console: Console) -> Iterator[StudyProgress]:
    """A board on a console: live in a terminal, lines in a pipe."""
    if not console.is_terminal:
        yield LineStudyProgress(console)
        return
    board = TableStudyProgress(console)
    with Live(board, console=console, refresh_per_second=4, transient=True):
        yield board
