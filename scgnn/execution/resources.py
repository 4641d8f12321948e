"""Threads and memory of this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from scgnn.errors import UserError

SPIN_COUNT = 1000  # of a waiting OpenMP thread before it sleeps
SAMPLING_INTERVAL = 0.02  # seconds
CGROUP_ROOT = Path("/sys/fs/cgroup")
CGROUP_LIMIT_FILES = ("memory.max", "memory/memory.limit_in_bytes")  # of version 2, of version 1
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h

_threads_of_runs: list[int] = []  # of each active run of this process
_user_settings: list[Any] = []  # of torch, while runs are active
_threads_lock = threading.Lock()
_has_run = False  # in this process, or in one that it was forked from
_is_forked_after_run = False


def _forget_runs() -> None:
    """Forget the runs of other threads in a forked process, which does not have them."""
    global _threads_lock, _is_forked_after_run
    _threads_lock = threading.Lock()
    _threads_of_runs.clear()
    _is_forked_after_run = _has_run


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_runs)


def configure_process(threads: int | None = None) -> None:
    """Prepare this process for a run; takes full effect before torch is first imported.

    Parameters
    ----------
    threads
        Threads of all numerical libraries; None leaves them as they are.
    """
    set_spin_count()
    set_malloc_thresholds()
    set_threads(threads)


@contextmanager
def hold_threads(threads: int | None = None) -> Iterator[None]:
    """Prepare this process for a run, as :func:`configure_process`, and keep its threads.

    Settings of torch and NumPy that change values have their defaults inside the block.

    Raises
    ------
    UserError
        Another run of this process uses another number of threads, which all runs share; or this
        process was forked after a run with several threads.
    """
    global _has_run
    set_spin_count()
    import torch

    from scgnn.seeding import in_run

    if _is_forked_after_run:
        _check_one_thread()
    _has_run = True
    with _threads_lock:
        n = threads or torch.get_num_threads()
        if _threads_of_runs and _threads_of_runs[0] != n:
            problem = f"a run with {_threads_of_runs[0]} threads is active in this process"
            raise UserError(f"{problem}; use as many for this one instead of {n}, or run it later")
        configure_process(threads)
        if not _threads_of_runs:
            _user_settings[:] = _get_matmul_precision(), torch.get_default_dtype()
            torch.set_float32_matmul_precision("highest")
            torch.set_default_dtype(torch.float32)
        _threads_of_runs.append(n)
    token = in_run.set(True)
    try:
        with _use_default_modes():
            yield
    finally:
        in_run.reset(token)
        with _threads_lock:
            _threads_of_runs.pop()
            if not _threads_of_runs:
                _set_matmul_precision(_user_settings[0])
                torch.set_default_dtype(_user_settings[1])


def _get_matmul_precision() -> tuple[str, dict[str, str]]:
    """Return torch's precision of products in float32, and that of each library.

    torch 2.9 or later has a setting for each library, and refuses to return the common one where
    they differ.
    """
    import torch

    by_library = {}
    for name in ("cuda", "mkldnn"):
        matmul: Any = getattr(getattr(torch.backends, name), "matmul", None)
        if hasattr(matmul, "fp32_precision"):
            by_library[name] = str(matmul.fp32_precision)
    try:
        return torch.get_float32_matmul_precision(), by_library
    except RuntimeError:
        return "highest", by_library


def _set_matmul_precision(settings: tuple[str, dict[str, str]]) -> None:
    """Set what :func:`_get_matmul_precision` has returned."""
    import torch

    common, by_library = settings
    torch.set_float32_matmul_precision(common)
    for name, precision in by_library.items():
        getattr(torch.backends, name).matmul.fp32_precision = precision


def _check_one_thread() -> None:
    """Check that no library waits for threads that this process, a fork, does not have."""
    import threadpoolctl

    pools = threadpoolctl.threadpool_info()
    if any(pool["user_api"] == "openmp" and pool["num_threads"] > 1 for pool in pools):
        problem = "this process was forked after a run with several threads, which it lacks"
        advice = "start it with multiprocessing's method 'spawn', or set OMP_NUM_THREADS=1 before"
        raise UserError(f"{problem}; {advice}")


@contextmanager
def _use_default_modes() -> Iterator[None]:
    """Use torch's and NumPy's default modes of this thread, whatever the user has set."""
    import numpy as np
    import torch

    is_cpu = torch.empty(0).device.type == "cpu"  # torch 2.5 may not tell its default device
    device = nullcontext() if is_cpu else torch.device("cpu")
    errors = np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
    with ExitStack() as stack:
        for mode in (torch.inference_mode(False), torch.enable_grad(), device, errors):
            stack.enter_context(mode)
        for name in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(name):
                stack.enter_context(torch.autocast(name, enabled=False))
        yield


def set_spin_count() -> None:
    """Let waiting OpenMP threads sleep soon, unless the user has set their policy.

    By default they spin, which makes training up to ten times slower where other processes need
    the processor. libgomp reads the variable when torch is first imported.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPIN_COUNT))


@cache
def set_malloc_thresholds() -> None:
    """Let glibc keep 64 MiB of freed memory, and serve arrays of up to 32 MiB from it.

    Each training step frees its gradients and allocates as many bytes again; new pages from the
    system cost up to a third of the step. Other C libraries are left as they are.
    """
    import ctypes

    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return
    libc.mallopt(M_TRIM_THRESHOLD, 64 * 2**20)
    libc.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)


def set_threads(threads: int | None) -> None:
    """Set the number of threads of torch and all other libraries, loaded or not; None: as is."""
    if threads is not None:
        import threadpoolctl
        import torch

        for library in ("OMP", "OPENBLAS", "MKL"):
            os.environ[f"{library}_NUM_THREADS"] = str(threads)
        torch.set_num_threads(threads)
        threadpoolctl.threadpool_limits(threads)


def memory_limit() -> float:
    """Return the memory of the machine, or of the container, in 10^6 bytes."""
    import psutil

    limits = [psutil.virtual_memory().total]
    for name in CGROUP_LIMIT_FILES:
        file = CGROUP_ROOT / name
        if file.is_file() and (text := file.read_text(encoding="ascii").strip()).isdigit():
            limits.append(int(text))
    return min(limits) / 1e6


class PeakMemory:
    """Highest resident memory of this process during a ``with`` block, sampled 50 times a second.

    Attributes
    ----------
    megabytes
        Peak in 10^6 bytes, what was resident before the block included; set after the block.
    """

    def __enter__(self) -> PeakMemory:
        import psutil

        self._process = psutil.Process()
        self._peak = 0
        self._sample()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()
        return self

    def _poll(self) -> None:
        while not self._done.wait(SAMPLING_INTERVAL):
            self._sample()

    def _sample(self) -> None:
        self._peak = max(self._peak, self._process.memory_info().rss)

    def __exit__(self, *_: Any) -> None:
        self._done.set()
        self._thread.join()
        self._sample()
        self.megabytes = self._peak / 1e6
