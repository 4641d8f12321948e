"""Who is told what a run is doing. Silent unless the command sets a listener."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class ProgressListener:
    """Told of stages and epochs; this one says nothing."""

    def on_stage_start(self, stage: str, iteration: int) -> None:
        """A stage starts."""

    def on_epoch_end(self, epoch: int, n_epochs: int, loss: float) -> None:
        """An epoch of the current stage ended with this loss."""

    def on_stage_end(self, stage: str, iteration: int, seconds: float, from_cache: bool) -> None:
        """A stage ended; ``reused`` when its value came from the store."""


_NO_PROGRESS = ProgressListener()
_progress: ContextVar[ProgressListener] = ContextVar("progress", default=_NO_PROGRESS)


def get_progress() -> ProgressListener:
    """The listener of this run."""
    return _progress.get()


@contextmanager
def use_progress(progress: ProgressListener) -> Iterator[None]:
    """Inside the block, ``progress`` is told."""
    token = _progress.set(progress)
    try:
        yield
    finally:
        _progress.reset(token)
