"""The processes of a run that is divided among several: who is there, and how they end.

``torchrun`` starts them and numbers them by rank.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from scgnn.errors import UserError

COLLECTIVE_TIMEOUT = timedelta(
    days=60
)  # the graph stage may take days; a process that ends is seen at once
SHUTDOWN_TIMEOUT = timedelta(seconds=10)  # for the others to clean up before torchrun ends them


class PeerLostError(UserError):
    """Another process of the run has ended, and said why if it could."""


def world_size() -> int:
    """How many processes torchrun has started; 1 without it."""
    started = {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()
    return int(os.environ.get("WORLD_SIZE", 1)) if started else 1


def rank() -> int:
    """The number of this process, from 0; the first one reads, writes and speaks for all."""
    return int(os.environ["RANK"]) if world_size() > 1 else 0


@contextmanager
def translate_peer_errors() -> Iterator[None]:
    """Refuse in words to go on when a process of the run is gone.

    Raises
    ------
    Elsewhere
        The connection to it broke.
    """
    try:
        yield
    except RuntimeError as error:
        raise PeerLostError(
            "a process of this run is gone, killed or out of memory: see what its machine says"
        ) from error


@contextmanager
def init_process_group() -> Iterator[None]:
    """The processes of a run, connected; a run of one process is left as it is.

    The first that fails says why and with which code all end: 2 for what a person can put right,
    else 1. The others end in silence.
    """
    if world_size() == 1:
        yield
        return
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # that others are gone, we say
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    board, number, n = next(rendezvous("env://"))
    distributed.init_process_group("gloo", None, COLLECTIVE_TIMEOUT, n, number, board)
    try:
        try:
            yield
        except SystemExit as done:
            if get_exit_code(done):
                raise
        with translate_peer_errors():
            distributed.barrier()
        distributed.destroy_process_group()
    except BaseException as error:
        sys.exit(_leave_process_group(board, error))


def _leave_process_group(store: Any, error: BaseException) -> int:
    """Leave with a word for the others; returns the exit code, which is that of the first."""
    from torch import distributed

    word = f"{get_exit_code(error)} {rank()}"
    first = store.compare_set("scgnn/ended", "", word).decode()
    if first == word:
        _print_error(error)
    distributed.destroy_process_group()  # the others notice
    store.set(f"scgnn/left/{rank()}", "")
    if first == word:
        others = [f"scgnn/left/{other}" for other in range(world_size()) if other != rank()]
        with suppress(Exception):  # one of them computes, or is dead
            store.wait(others, SHUTDOWN_TIMEOUT)
    return int(first.split()[0])


def get_exit_code(error: BaseException) -> int:
    """The exit code of a process that ends with an error."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, KeyboardInterrupt):
        return 130
    return 2 if isinstance(error, UserError) and not isinstance(error, PeerLostError) else 1


def _print_error(error: BaseException) -> None:
    """Write why a process ended."""
    if isinstance(error, UserError):
        sys.stderr.write(f"{error}\n")
    elif isinstance(error, Exception):
        traceback.print_exception(error)
    sys.stderr.flush()
