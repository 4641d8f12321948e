"""Signals that interrupt runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

# Ctrl-C, a time limit, a lost terminal, Ctrl-\\; the last two not on Windows
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
STDERR = 2
RETRY_SECONDS = 0.01  # until a destructor or callback has ended
NOTHING_COMPUTED = "interrupted: nothing was computed yet"


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """End the process with a sentence if it is interrupted inside the block."""

    def exit_now(number: int, _: FrameType | None) -> None:
        with suppress(OSError):  # nobody reads it any more
            os.write(STDERR, f"{NOTHING_COMPUTED}\n".encode())
        os._exit(128 + number)

    before = {n: signal.getsignal(n) for n in SIGNALS}
    before = {n: handler for n, handler in before.items() if handler is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, exit_now)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def defer_signals(must_wait: Callable[[FrameType | None], bool] | None = None) -> Iterator[None]:
    """Call the handlers of signals, such as Ctrl-C, after the block instead of inside.

    igraph aborts the process if its generator raises an exception, as a handler may.

    Parameters
    ----------
    must_wait
        Function of the frame that runs, which returns whether an exception would do harm there.
        Handlers are then called inside the block, as soon as it returns False.
    """
    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # the one that handlers run in
        handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    alarm = getattr(signal, "SIGALRM", 0)  # not on Windows
    can_retry = must_wait is not None and alarm in handlers and not callable(handlers[alarm])
    before = {n: h for n, h in handlers.items() if callable(h) or (n == alarm and can_retry)}
    received: list[tuple[int, Any]] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if not (can_retry and number == alarm):
            received.append((number, frame))
        if not can_retry or not received:
            return
        if must_wait is not None and must_wait(frame):
            signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)
        else:
            args, received[:] = received[0], []
            before[args[0]](*args)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        if can_retry and received:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            if signal.getsignal(number) is handle:  # and not what a handler has set
                signal.signal(number, handler)
        for args in received[:1]:
            before[args[0]](*args)
