"""What a person sees of a study that is running: a live table, or plain lines in a pipe."""

from __future__ import annotations

import threading
import time

from scgnn.execution.formatting import format_duration
from scgnn.execution.progress import ProgressListener


class StudyProgress:
    """Keeps account of the runs of a study; this one shows nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.n_runs = self.n_done = self.n_failed = self.n_done_before = 0
        self.n_stages_computed = self.n_stages_from_cache = 0
        self.running_stages: dict[str, tuple[str, float]] = {}  # what each run does, and since when

    def on_study_start(self, n_runs: int, n_done: int) -> None:
        """The study begins; some of its runs may be done already."""
        self.n_runs, self.n_done, self.n_done_before = n_runs, n_done, n_done
        self.start_time = time.monotonic()

    def create_run_progress(self, label: str) -> ProgressListener:
        """Who is told what one run does."""
        return _RunProgress(self, label)

    def on_stage_start(self, label: str, stage: str) -> None:
        """A run has come to a stage."""
        with self._lock:
            began = self.running_stages.get(label, ("", time.monotonic()))[1]
            self.running_stages[label] = (stage, began)

    def on_stage_end(self, from_cache: bool) -> None:
        """A run has the value of a stage."""
        with self._lock:
            self.n_stages_from_cache += from_cache
            self.n_stages_computed += not from_cache

    def on_run_end(self, label: str, reason: str | None) -> None:
        """A run is done, or failed for a reason."""
        with self._lock:
            self.running_stages.pop(label, None)
            self.n_done += reason is None
            self.n_failed += reason is not None
        self.print_run_end(label, reason)

    def print_run_end(self, label: str, reason: str | None) -> None:
        """A line for a run that ended."""

    def format_time_left(self) -> str:
        """How long the rest may take, from how long the runs so far took."""
        ended = self.n_done + self.n_failed - self.n_done_before
        if not ended:
            return ""
        open_runs = self.n_runs - self.n_done - self.n_failed
        seconds = (time.monotonic() - self.start_time) / ended * open_runs
        return f", about {format_duration(seconds)} left" if open_runs else ""


class _RunProgress(ProgressListener):
    def __init__(self, study_progress: StudyProgress, label: str) -> None:
        self.study_progress, self.label = study_progress, label

    def on_stage_start(self, stage: str, iteration: int) -> None:
        self.study_progress.on_stage_start(
            self.label, f"iteration {iteration}, {stage}" if iteration else stage
        )

    def on_stage_end(self, stage: str, iteration: int, seconds: float, from_cache: bool) -> None:
        self.study_progress.on_stage_end(from_cache)
