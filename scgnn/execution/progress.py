"""Progress callbacks of runs, which are logged unless a listener is set."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from scgnn.execution.formatting import format_duration

stage_log = logging.getLogger("scgnn.stages")

NOT_ON_CONSOLE = {"not_on_console": True}  # attribute of log records that are for log.txt only
OUTSIDE_PIPELINE = -1  # in place of the iteration of a stage such as reading


class ProgressListener:
    """Receiver of progress events; this one ignores them.

    Stages have the iteration that they belong to, 0 before the first one, or OUTSIDE_PIPELINE.
    """

    def on_stage_start(self, stage: str, iteration: int) -> None:
        """Handle the start of a stage."""

    def on_epoch_end(self, epoch: int, n_epochs: int, loss: float) -> None:
        """Handle the end of an epoch of the current stage."""

    def on_stage_end(self, stage: str, iteration: int, seconds: float, from_cache: bool) -> None:
        """Handle the end of a stage; ``from_cache`` if it was not computed."""


class LogProgress(ProgressListener):
    """Listener that logs each finished stage."""

    def on_stage_end(self, stage: str, iteration: int, seconds: float, from_cache: bool) -> None:
        stage_log.info(format_stage(stage, iteration) + format_stage_end(seconds, from_cache))


def format_stage(stage: str, iteration: int) -> str:
    """Return a stage with its iteration, as wide as those of other lines."""
    if iteration == OUTSIDE_PIPELINE:
        return f"{'':<14}{stage:<22}"
    return f"{f'iteration {iteration:<3} ' if iteration else 'initial':<14}{stage:<22}"


def format_stage_end(seconds: float, from_cache: bool) -> str:
    """Return how long a stage took, to be printed after its name."""
    return f"{'cached' if from_cache else format_duration(seconds):>15}"


# a context variable, since the runs of a study are threads with a listener each
_progress: ContextVar[ProgressListener] = ContextVar("progress", default=LogProgress())  # noqa: B039


def get_progress() -> ProgressListener:
    """Return the listener of the current run."""
    return _progress.get()


@contextmanager
def use_progress(progress: ProgressListener) -> Iterator[None]:
    """Send progress events to a listener inside the block."""
    token = _progress.set(progress)
    try:
        yield
    finally:
        _progress.reset(token)
