"""How much memory a block of code used at most."""

from __future__ import annotations

import os
import threading
from types import TracebackType

INTERVAL = 0.02  # seconds between looks


class PeakMemory:
    """Highest resident memory of this process inside a ``with`` block, looked at 50 times a second.

    Attributes
    ----------
    megabytes
        In 10^6 bytes, after the block; includes what was resident before it.
    """

    def __enter__(self) -> PeakMemory:
        import psutil

        self._process = psutil.Process(os.getpid())
        self._peak = self._process.memory_info().rss
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL):
            self._look()

    def _look(self) -> None:
        self._peak = max(self._peak, self._process.memory_info().rss)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        self._look()
        self.megabytes = self._peak / 1e6
