"""Who is told what a run is doing. Silent unless the command sets a listener."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Progress:
    """Told of stages and epochs; this one says nothing."""

    def begin(self, stage: str, iteration: int) -> None:
        """A stage starts."""

    def epoch(self, done: int, total: int, loss: float) -> None:
        """An epoch of the current stage ended with this loss."""

    def end(self, stage: str, iteration: int, seconds: float, reused: bool) -> None:
        """A stage ended; ``reused`` when its value came from the store."""


_SILENT = Progress()
_listener: ContextVar[Progress] = ContextVar("progress", default=_SILENT)


def listener() -> Progress:
    """The listener of this run."""
    return _listener.get()


@contextmanager
def listening(progress: Progress) -> Iterator[None]:
    """Inside the block, ``progress`` is told."""
    token = _listener.set(progress)
    try:
        yield
    finally:
        _listener.reset(token)
