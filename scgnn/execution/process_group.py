"""The process group of a distributed run: ranks, connection and exit codes.

``torchrun`` starts the processes and numbers them in environment variables.
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

COLLECTIVE_TIMEOUT = timedelta(days=60)  # the graph stage takes long; dead peers fail at once
SHUTDOWN_TIMEOUT = timedelta(seconds=10)  # for peers to clean up before torchrun kills them


class PeerLostError(UserError):
    """Another process of the run has ended; it printed the reason if it could."""


def world_size() -> int:
    """Return the number of processes that torchrun started; 1 without it."""
    is_started = {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()
    return int(os.environ.get("WORLD_SIZE", 1)) if is_started else 1


def rank() -> int:
    """Return the number of this process, from 0; the first one logs and writes the files."""
    return int(os.environ["RANK"]) if world_size() > 1 else 0


@contextmanager
def translate_peer_errors() -> Iterator[None]:
    """Translate errors of the connection to other processes.

    Raises
    ------
    PeerLostError
        The connection broke.
    """
    try:
        yield
    except RuntimeError as error:
        problem = "lost another process of this run (killed or out of memory)"
        raise PeerLostError(f"{problem}; check the log of its machine") from error


@contextmanager
def init_process_group() -> Iterator[None]:
    """Connect the processes of a run inside the block; a single process is left as it is.

    The first process that fails prints the reason, and all exit with its code: 2 for a mistake of
    the user, else 1. The others print nothing.
    """
    if world_size() == 1:
        yield
        return
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # no warnings of lost connections
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    store, number, n_processes = next(rendezvous("env://"))
    distributed.init_process_group("gloo", None, COLLECTIVE_TIMEOUT, n_processes, number, store)
    try:
        try:
            yield
        except SystemExit as error:
            if get_exit_code(error):
                raise
        with translate_peer_errors():
            distributed.barrier()
        distributed.destroy_process_group()
    except BaseException as error:
        sys.exit(_leave_process_group(store, error))


def _leave_process_group(store: Any, error: BaseException) -> int:
    """Report an error to the other processes; return the exit code of the first to fail."""
    from torch import distributed

    report = f"{get_exit_code(error)} {rank()}"
    first_report = store.compare_set("scgnn/ended", "", report).decode()
    is_first = first_report == report
    if is_first and isinstance(error, UserError):
        sys.stderr.write(f"{error}\n")
    elif is_first and isinstance(error, Exception):
        traceback.print_exception(error)
    distributed.destroy_process_group()  # makes the others fail
    store.set(f"scgnn/left/{rank()}", "")
    if is_first:
        others = [f"scgnn/left/{other}" for other in range(world_size()) if other != rank()]
        with suppress(Exception):  # one of them is computing, or dead
            store.wait(others, SHUTDOWN_TIMEOUT)
    return int(first_report.split()[0])


def get_exit_code(error: BaseException) -> int:
    """Return the exit code of a process that ends with an error."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, KeyboardInterrupt):
        return 130
    return 2 if isinstance(error, UserError) and not isinstance(error, PeerLostError) else 1
