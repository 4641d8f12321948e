"""Progress of a running study."""

from __future__ import annotations

import threading
import time

from scgnn.execution.formatting import format_duration
from scgnn.execution.progress import ProgressListener


class StudyProgress:
    """Counts of the runs and stages of a study; subclasses display them."""

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
