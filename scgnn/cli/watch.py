"""Interruption of runs: the command watches over the process that computes.

Libraries hold the interpreter for minutes or end the process when a signal arrives. The command
therefore forks before it loads them: the child computes; the parent passes signals on, ends the
child where it does not end itself, prints what is kept, and shows that the child is running.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from scgnn.cli.heartbeat import Heartbeat, connect
from scgnn.execution.files import TEMPORARY_FOLDER_PREFIX
from scgnn.signals import NOTHING_COMPUTED, RETRY_SECONDS, SIGNALS

INTERRUPTED = 130  # exit code
GRACE_SECONDS = 4  # that a run gets to end itself
PR_SET_PDEATHSIG = 1  # of sys/prctl.h
SHOW_CURSOR = "\x1b[?25h"
RESUME_ADVICE = "rerun with --resume to continue"

_received: list[int] = []  # signals that interrupted this process


def run_watched(command: Callable[[], object]) -> None:
    """Run a command in a child process, and exit with its code.

    Parameters
    ----------
    command
        Function without arguments, which exits the process.
    """
    reader, writer = os.pipe()
    parent, child = os.getpid(), os.fork()
    if child:
        sys.exit(_wait(child, Heartbeat(reader, writer)))
    os.close(reader)
    connect(writer)
    _end_with(parent)
    sys.unraisablehook = _interrupt_again
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        command()
    except SystemExit as end:
        if end.code == INTERRUPTED:  # its sentence is printed; what ends now may report more
            logging.disable(logging.CRITICAL)
            sys.unraisablehook = lambda _: None
        raise


def is_interrupted() -> bool:
    """Return whether a signal has interrupted this process."""
    return bool(_received)


def _interrupt(number: int, _: FrameType | None) -> None:
    _received.append(number)
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)  # the first one counts
    raise KeyboardInterrupt


def _interrupt_again(unraisable: Any) -> None:
    """Interrupt once more if an interruption was lost, as it is in destructors and callbacks."""
    if unraisable.exc_type is KeyboardInterrupt:
        signal.signal(signal.SIGALRM, _interrupt)  # a thread may start only after its time
        signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)
    else:
        sys.__unraisablehook__(unraisable)


def _end_with(parent: int) -> None:
    """End this process as soon as its parent has ended."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return

    def poll() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=poll, daemon=True).start()


def _wait(child: int, heartbeat: Heartbeat) -> int:
    """Wait for a child, pass signals on to it, and return the exit code."""
    heartbeat.start()
    received: list[int] = []

    def forward(number: int, _: FrameType | None) -> None:
        if not received:
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
        received.append(number)
        os.kill(child, number)

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, forward)
    signal.signal(signal.SIGALRM, lambda *_: _kill_family(child))
    import psutil  # noqa: F401  (now rather than when the time is up)

    # the child is not reaped before the handlers are off: its number may be given away then
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    heartbeat.stop()
    for number in (*SIGNALS, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code >= 0 and not (received and code == INTERRUPTED):
        return code
    if code < 0:
        _remove_temporary_folders(child)
    if received:
        code = -received[0]
        message = heartbeat.messages[-1] if heartbeat.messages else NOTHING_COMPUTED
    elif code == -signal.SIGKILL:
        message = f"the system killed the run, probably for lack of memory; {RESUME_ADVICE}"
    else:
        name = signal.strsignal(-code)
        message = f"the run crashed in a library ({name}); {RESUME_ADVICE}"
    with contextlib.suppress(OSError):  # the terminal is gone
        cursor = SHOW_CURSOR if sys.stderr.isatty() else ""
        sys.stderr.write(f"{cursor}{message}\n" if message else "")
    return 128 - code


def _kill_family(child: int) -> None:
    """Kill a process and all that it started, such as the workers of a study."""
    import psutil

    try:
        family = psutil.Process(child).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    os.kill(child, signal.SIGKILL)
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _remove_temporary_folders(child: int) -> None:
    """Remove the temporary folders of a process that was killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{TEMPORARY_FOLDER_PREFIX}{child}-*"):
        shutil.rmtree(folder, ignore_errors=True)
