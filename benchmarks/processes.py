"""Measurement of the time and memory of a program in its own process."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

POLL_INTERVAL = 0.1  # seconds between memory samples
THREAD_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")
MAX_ERROR_LENGTH = 2000  # characters of the output of a failed program


class ProcessUsage(NamedTuple):
    """Resource usage of a process; times include child processes that it waited for."""

    cpu_seconds: float
    wall_seconds: float
    peak_memory_mb: float  # resident, without child processes


class ProgramFailedError(Exception):
    """A program failed; the message is the end of its output."""


def build_thread_environment(threads: int) -> dict[str, str]:
    """Return environment variables that limit the threads of numerical libraries."""
    return {f"{library}_NUM_THREADS": str(threads) for library in THREAD_LIBRARIES}


def run_measured(
    command: Sequence[str | Path], threads: int = 1, cwd: Path | None = None, **variables: str
) -> ProcessUsage:
    """Run a program and measure it.

    Parameters
    ----------
    command
        Program and arguments.
    threads
        Threads of its numerical libraries.
    cwd
        Working directory.
    **variables
        Further environment variables.

    Raises
    ------
    ProgramFailedError
        If its exit code is not 0.
    """
    environment: Mapping[str, str] = os.environ | build_thread_environment(threads) | variables
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        child = subprocess.Popen(
            [str(argument) for argument in command],
            cwd=cwd,
            env=environment,
            stdout=output,
            stderr=output,
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
            output.seek(0)
            message = output.read().decode(errors="replace").strip()
            raise ProgramFailedError(message[-MAX_ERROR_LENGTH:] or f"exit code {child.returncode}")
    return ProcessUsage(usage.ru_utime + usage.ru_stime, wall, peak / 1e6)


def get_resident_bytes(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 if it has ended."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
