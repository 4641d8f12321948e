"""study_progress"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from scgnn.study.progress import Board, _duration

MOST_ROWS = 12


class Lines(Board):
    """A line for every run that ended."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def said(self, label: str, reason: str | None) -> None:
        count = f"{self.done + self.failed}/{self.total}"
        text = f"failed: {reason}" if reason else "done"
        self.console.print(
            f"{count:>9}  {label}  {text}{self.left()}", markup=False, soft_wrap=True
        )


class LiveTable(Lines):
    """The runs under way as a table, above it a line for each that failed."""

    def said(self, label: str, reason: str | None) -> None:
        if reason:
            super().said(label, reason)

    def __rich__(self) -> Group:
        with self._lock:
            running = dict(self.running)
        head = f"{self.done} of {self.total} runs done, {self.failed} failed{self.left()}"
        table = Table(box=None, pad_edge=False)
        for column in ("run", "stage", "since"):
            table.add_column(column, overflow="ellipsis", no_wrap=True)
        now = time.monotonic()
        for label, (what, began) in list(running.items())[:MOST_ROWS]:
            table.add_row(label, what, _duration(now - began))
        return Group(Text(head), table)


@contextmanager
def showing(console: Console) -> Iterator[Board]:
    """A board on a console: live in a terminal, lines in a pipe."""
    if not console.is_terminal:
        yield Lines(console)
        return
    board = LiveTable(console)
    with Live(board, console=console, refresh_per_second=4, transient=True):
        yield board
