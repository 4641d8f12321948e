"""The processes of a run that is divided among several, and what they tell each other.

``torchrun`` starts them and numbers them by rank. Sums and places are over all of them inside
:func:`in_step`, where every process does the same thing with its own cells; anywhere else, and in a
run of one process, a process counts alone.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from scgnn.errors import UserError
from scgnn.seeding import seed_for

if TYPE_CHECKING:
    from torch import Tensor, nn

N = TypeVar("N", bound=float | np.ndarray)

FOREVER = timedelta(days=60)  # the graph stage may take days; a process that ends is seen at once
GOODBYE = timedelta(seconds=10)  # for the others to clean up before torchrun ends them

_in_step: ContextVar[bool] = ContextVar("in_step", default=False)


class Elsewhere(UserError):
    """Another process of the run has ended, and said why if it could."""


class Place(NamedTuple):
    """Where the cells of this process stand among those of all."""

    first: int
    n: int
    total: int

    def own(self, cells: Tensor | None) -> Tensor | None:
        """Those of a batch that are here, numbered from 0; None means all cells."""
        if cells is None or self.n == self.total:
            return cells
        return cells[(cells >= self.first) & (cells < self.first + self.n)] - self.first


def size() -> int:
    """How many processes torchrun has started; 1 without it."""
    started = {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()
    return int(os.environ.get("WORLD_SIZE", 1)) if started else 1


def rank() -> int:
    """The number of this process, from 0; the first one reads, writes and speaks for all."""
    return int(os.environ["RANK"]) if size() > 1 else 0


@contextmanager
def in_step() -> Iterator[None]:
    """Inside, all processes do the same thing, each with its own cells."""
    token = _in_step.set(size() > 1)
    try:
        yield
    finally:
        _in_step.reset(token)


def together() -> bool:
    """Whether other processes are doing the same thing with other cells."""
    return _in_step.get()


@contextmanager
def connected() -> Iterator[None]:
    """Refuse in words to go on when a process of the run is gone.

    Raises
    ------
    Elsewhere
        The connection to it broke.
    """
    try:
        yield
    except RuntimeError as error:
        raise Elsewhere(
            "a process of this run is gone, killed or out of memory: see what its machine says"
        ) from error


def summed(value: N) -> N:
    """The sum over all processes of a number or an array, in double precision."""
    return _reduced(value, "SUM")


def largest(value: N) -> N:
    """The largest of all processes, number by number."""
    return _reduced(value, "MAX")


def place(n: int) -> Place:
    """Where ``n`` cells of this process stand among those of all, in the order of ranks."""
    if not together():
        return Place(0, n, n)
    counts = np.zeros(size(), dtype=np.int64)
    counts[rank()] = n
    counts = summed(counts)
    return Place(int(counts[: rank()].sum()), n, int(counts.sum()))


def own_seed(seed: int) -> int:
    """The seed of what this process draws for its cells, so that no two draw the same."""
    return seed_for(seed, "rank", rank()) if together() and rank() else seed


def sum_gradients(weights: list[nn.Parameter], value: float) -> float:
    """Add up the gradients of all processes, in place, and the loss, which is returned."""
    if not together():
        return value
    import torch
    from torch import distributed

    found = [weight.grad for weight in weights if weight.grad is not None]
    flat = torch.cat([*(each.ravel() for each in found), torch.tensor([value])])
    with connected():
        distributed.all_reduce(flat)
    parts = flat.split([*(each.numel() for each in found), 1])
    for each, part in zip(found, parts[:-1], strict=True):
        each.copy_(part.view_as(each))
    return float(parts[-1])


def scattered(orders: list[Any] | None) -> Any:
    """What the first process has for each; the others give None."""
    from torch import distributed

    found: list[Any] = [None]
    with connected():
        distributed.scatter_object_list(found, orders, src=0)
    return found[0]


def gathered(value: Any) -> list[Any] | None:
    """What each process has, on the first; None on the others."""
    from torch import distributed

    found: list[Any] | None = [None] * size() if rank() == 0 else None
    with connected():
        distributed.gather_object(value, found, dst=0)
    return found


def stacked(rows: np.ndarray, counts: list[int]) -> np.ndarray | None:
    """The rows of all processes, in order, on the first; None on the others.

    Parameters
    ----------
    rows
        Of this process, n x d.
    counts
        How many rows each process has.
    """
    import torch
    from torch import distributed

    with connected():
        if rank():
            distributed.send(torch.from_numpy(np.ascontiguousarray(rows)), dst=0)
            return None
        whole = np.empty((sum(counts), *rows.shape[1:]), dtype=rows.dtype)
        places = np.cumsum([0, *counts])
        whole[: places[1]] = rows
        for other in range(1, size()):
            part = whole[places[other] : places[other + 1]]
            distributed.recv(torch.from_numpy(part), src=other)
    return whole


@contextmanager
def joined() -> Iterator[None]:
    """The processes of a run, connected; a run of one process is left as it is.

    The first that fails says why and with which code all end: 2 for what a person can put right,
    else 1. The others end in silence.
    """
    if size() == 1:
        yield
        return
    from torch import distributed

    board, number, n = next(distributed.rendezvous("env://"))
    distributed.init_process_group("gloo", None, FOREVER, n, number, board)
    try:
        try:
            yield
        except SystemExit as done:
            if code_of(done):
                raise
        with connected():
            distributed.barrier()
        distributed.destroy_process_group()
    except BaseException as error:
        sys.exit(_left(board, error))


def _left(board: Any, error: BaseException) -> int:
    """Leave with a word for the others; returns the exit code, which is that of the first."""
    from torch import distributed

    word = f"{code_of(error)} {rank()}"
    first = board.compare_set("scgnn/ended", "", word).decode()
    if first == word:
        _say(error)
    distributed.destroy_process_group()  # the others notice
    board.set(f"scgnn/left/{rank()}", "")
    if first == word:
        others = [f"scgnn/left/{other}" for other in range(size()) if other != rank()]
        with suppress(Exception):  # one of them computes, or is dead
            board.wait(others, GOODBYE)
    return int(first.split()[0])


def code_of(error: BaseException) -> int:
    """The exit code of a process that ends with an error."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, KeyboardInterrupt):
        return 130
    return 2 if isinstance(error, UserError) and not isinstance(error, Elsewhere) else 1


def _say(error: BaseException) -> None:
    """Write why a process ended."""
    if isinstance(error, UserError):
        sys.stderr.write(f"{error}\n")
    elif isinstance(error, Exception):
        traceback.print_exception(error)
    sys.stderr.flush()


def _reduced(value: N, operation: str) -> N:
    if not together():
        return value
    import torch
    from torch import distributed

    array = np.array(value)
    kind = torch.int64 if array.dtype.kind in "bui" else torch.float64
    tensor = torch.as_tensor(array, dtype=kind)
    with connected():
        distributed.all_reduce(tensor, getattr(distributed.ReduceOp, operation))
    found: Any = tensor.numpy()
    return found if isinstance(value, np.ndarray) else found.item()
