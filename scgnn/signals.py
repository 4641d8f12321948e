"""Signals that interrupt runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

# Ctrl-C, a time limit, a lost terminal, Ctrl-\\; the last two not on Windows
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
STDERR = 2
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
def defer_signals() -> Iterator[None]:
    """Call the handlers of signals, such as Ctrl-C, after the block instead of inside.

    igraph aborts the process if its generator raises an exception, as a handler may.
    """
    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # the one that handlers run in
        handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    received: list[tuple[int, Any]] = []
    for number in handlers:
        signal.signal(number, lambda *args: received.append(args))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for args in received[:1]:
            handlers[args[0]](*args)
