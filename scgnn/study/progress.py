"""What a person sees of a study that is running: a live table, or plain lines in a pipe."""

from __future__ import annotations

import threading
import time

from scgnn.execution.progress import Progress


class Board:
    """Keeps account of the runs of a study; this one shows nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.total = self.done = self.failed = self.before = 0
        self.computed = self.shared = 0
        self.running: dict[str, tuple[str, float]] = {}  # what each run does, and since when

    def start(self, total: int, done: int) -> None:
        """The study begins; some of its runs may be done already."""
        self.total, self.done, self.before = total, done, done
        self.began = time.monotonic()

    def listener(self, label: str) -> Progress:
        """Who is told what one run does."""
        return _Listener(self, label)

    def at(self, label: str, what: str) -> None:
        """A run has come to a stage."""
        with self._lock:
            began = self.running.get(label, ("", time.monotonic()))[1]
            self.running[label] = (what, began)

    def stage(self, reused: bool) -> None:
        """A run has the value of a stage."""
        with self._lock:
            self.shared += reused
            self.computed += not reused

    def end(self, label: str, reason: str | None) -> None:
        """A run is done, or failed for a reason."""
        with self._lock:
            self.running.pop(label, None)
            self.done += reason is None
            self.failed += reason is not None
        self.said(label, reason)

    def said(self, label: str, reason: str | None) -> None:
        """A line for a run that ended."""

    def left(self) -> str:
        """How long the rest may take, from how long the runs so far took."""
        ended = self.done + self.failed - self.before
        if not ended:
            return ""
        open_runs = self.total - self.done - self.failed
        seconds = (time.monotonic() - self.began) / ended * open_runs
        return f", about {_duration(seconds)} left" if open_runs else ""


class _Listener(Progress):
    def __init__(self, board: Board, label: str) -> None:
        self.board, self.label = board, label

    def begin(self, stage: str, iteration: int) -> None:
        self.board.at(self.label, f"iteration {iteration}, {stage}" if iteration else stage)

    def end(self, stage: str, iteration: int, seconds: float, reused: bool) -> None:
        self.board.stage(reused)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
