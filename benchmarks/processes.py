"""What a program costs: run as a process of its own, its time and memory taken."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

POLL_INTERVAL = 0.1  # seconds between looks at the memory
THREAD_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")
MAX_ERROR_LENGTH = 2000  # characters of what a failed program said


class ProcessUsage(NamedTuple):
    """What a process took; its time includes those that it started and waited for."""

    cpu_seconds: float  # seconds
    wall_seconds: float  # seconds
    peak_memory_mb: float  # at most, resident; of the process alone


class ProgramFailedError(Exception):
    """A program did not end well; the message is the end of what it said."""


def build_thread_environment(threads: int) -> dict[str, str]:
    """The environment of a program whose numerics use this many threads."""
    return {f"{library}_NUM_THREADS": str(threads) for library in THREAD_LIBRARIES}


def run_measured(
    command: Sequence[str | Path], threads: int = 1, cwd: Path | None = None, **variables: str
) -> ProcessUsage:
    """Run a program to its end.

    Parameters
    ----------
    command
        The program and its words.
    threads
        How many its numerics may use.
    cwd
        Where it runs.
    **more
        Variables of its environment.

    Raises
    ------
    Failed
        Its exit code was not 0.
    """
    environment: Mapping[str, str] = os.environ | build_thread_environment(threads) | variables
    with tempfile.TemporaryFile() as said:
        begin = time.perf_counter()
        child = subprocess.Popen(
            [str(word) for word in command], cwd=cwd, env=environment, stdout=said, stderr=said
        )
        peak = 0
        try:
            while True:
                ended, status, usage = os.wait4(child.pid, os.WNOHANG)
                if ended:
                    break
                peak = max(peak, get_resident_bytes(child.pid))
                time.sleep(POLL_INTERVAL)
        except BaseException:
            child.kill()
            raise
        wall = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            words = said.read().decode(errors="replace").strip()
            raise ProgramFailedError(words[-MAX_ERROR_LENGTH:] or f"exit code {child.returncode}")
    return ProcessUsage(usage.ru_utime + usage.ru_stime, wall, peak / 1e6)


def get_resident_bytes(pid: int) -> int:
    """Bytes that a process holds now; 0 once it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
