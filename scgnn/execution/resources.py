"""How much memory there is, how much a block of code used at most, and what is kept when freed."""

from __future__ import annotations

import ctypes
import os
import threading
from functools import cache
from pathlib import Path
from types import TracebackType


def set_threads(threads: int | None) -> None:
    """Limit torch and every other library to a number of threads, also those not loaded yet."""
    if threads is not None:
        import threadpoolctl
        import torch

        for library in ("OMP", "OPENBLAS", "MKL"):
            os.environ[f"{library}_NUM_THREADS"] = str(threads)
        torch.set_num_threads(threads)
        threadpoolctl.threadpool_limits(threads)


SAMPLING_INTERVAL = 0.02  # seconds between looks
CGROUP_ROOT = Path("/sys/fs/cgroup")
CGROUP_LIMIT_FILES = ("memory.max", "memory/memory.limit_in_bytes")  # of a container
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def memory_limit() -> float:
    """Memory that this process may use, in 10^6 bytes: the machine's, or less in a container."""
    import psutil

    found = [psutil.virtual_memory().total]
    for name in CGROUP_LIMIT_FILES:
        file = CGROUP_ROOT / name
        if file.is_file() and (limit := file.read_text(encoding="ascii").strip()).isdigit():
            found.append(int(limit))
    return min(found) / 1e6


@cache
def set_malloc_thresholds() -> None:
    """Let glibc keep up to 64 MB that were freed, and arrays up to 32 MB in what it keeps.

    Every step of a training frees its gradients and takes as many bytes again. From the system,
    these are new pages, which cost up to a third of the step. Other C libraries stay as they are.
    """
    try:
        allocator = ctypes.CDLL("libc.so.6")
    except OSError:
        return
    allocator.mallopt(M_TRIM_THRESHOLD, 64 * 2**20)
    allocator.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)


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
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()
        return self

    def _poll(self) -> None:
        while not self._done.wait(SAMPLING_INTERVAL):
            self._sample()

    def _sample(self) -> None:
        self._peak = max(self._peak, self._process.memory_info().rss)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        exc_traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        self._sample()
        self.megabytes = self._peak / 1e6
