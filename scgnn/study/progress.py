"""Progress of a running study."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from scgnn.execution.formatting import format_duration
from scgnn.execution.progress import ProgressListener, get_progress

log = logging.getLogger("scgnn")


class StudyProgress:
    """Counts of the runs and stages of a study, whose ends are logged; subclasses display them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.n_runs = self.n_done = self.n_failed = self.n_done_before = 0
        self.running_stages: dict[str, tuple[str, float]] = {}  # by run: stage, start of the run

    def on_study_start(self, n_runs: int, n_done: int) -> None:
        """Record the start of a study of which ``n_done`` runs are finished already."""
        self.n_runs, self.n_done, self.n_done_before = n_runs, n_done, n_done
        self.start_time = time.monotonic()

    def on_stage_start(self, label: str, stage: str) -> None:
        """Record the stage that a run has started."""
        with self._lock:
            start = self.running_stages.get(label, ("", time.monotonic()))[1]
            self.running_stages[label] = (stage, start)

    def on_run_end(self, label: str, reason: str | None) -> None:
        """Record the end of a run; ``reason`` tells why it failed."""
        with self._lock:
            self.running_stages.pop(label, None)
            self.n_done += reason is None
            self.n_failed += reason is not None
        self.print_run_end(label, reason)

    def print_run_end(self, label: str, reason: str | None) -> None:
        """Display the end of a run."""
        log.log(logging.WARNING if reason else logging.INFO, self.format_run_end(label, reason))

    def format_run_end(self, label: str, reason: str | None) -> str:
        """Return the number of a run that has ended, its outcome and the time left."""
        count = f"{self.n_done + self.n_failed}/{self.n_runs}"
        outcome = f"failed: {reason}" if reason else "done"
        return f"{count:>9}  {label}  {outcome}{self.format_time_left()}"

    def format_time_left(self) -> str:
        """Return the expected time of the remaining runs, from that of the finished ones."""
        n_ended = self.n_done + self.n_failed - self.n_done_before
        n_left = self.n_runs - self.n_done - self.n_failed
        if not n_ended or not n_left:
            return ""
        seconds = (time.monotonic() - self.start_time) / n_ended * n_left
        return f", about {format_duration(seconds)} left"


class StudyRunProgress(ProgressListener):
    """Listener to the stages of one run of a study."""

    def __init__(self, study_progress: StudyProgress, label: str) -> None:
        self.study_progress, self.label = study_progress, label

    def on_stage_start(self, stage: str, iteration: int) -> None:
        text = f"iteration {iteration}, {stage}" if iteration > 0 else stage
        self.study_progress.on_stage_start(self.label, text)


class StudyLogFilter(logging.Filter):
    """Filter of messages inside a study: those on its data pass once, warnings name their run."""

    def __init__(self) -> None:
        super().__init__()
        self._messages: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message, progress = record.getMessage(), get_progress()
        run = progress.label if isinstance(progress, StudyRunProgress) else ""
        if run and message in self._messages:
            return False
        if run and record.levelno > logging.INFO:
            record.msg, record.args = f"{run}: {message}", ()
        else:
            self._messages.add(message)
        return True


@contextmanager
def filter_study_log() -> Iterator[None]:
    """Filter the messages of a study inside the block; see :class:`StudyLogFilter`."""
    log_filter = StudyLogFilter()
    log.addFilter(log_filter)
    try:
        yield
    finally:
        log.removeFilter(log_filter)
