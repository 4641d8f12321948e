"""What the processes of a divided run tell each other: sums, places, orders and rows.

Sums and places are over all processes inside :func:`in_step`, where every one does the same thing
with its own cells; anywhere else, and in a run of one process, a process counts alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import torch

from scgnn.execution.process_group import connected, rank, size
from scgnn.seeding import seed_for

if TYPE_CHECKING:
    from torch import Tensor, nn

N = TypeVar("N", bound=float | np.ndarray)

_in_step: ContextVar[bool] = ContextVar("in_step", default=False)


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


def summed(value: N) -> N:
    """The sum over all processes of a number or an array, in double precision."""
    return _reduced(value, "SUM")


def largest(value: N) -> N:
    """The largest of all processes, number by number."""
    return _reduced(value, "MAX")


def anywhere(marks: Tensor) -> Tensor:
    """Which of some places are marked in any process."""
    if not together():
        return marks
    found = marks.to(torch.uint8)
    with connected():
        torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
    return found.bool()


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
    found = [weight.grad for weight in weights if weight.grad is not None]
    flat = torch.cat([*(each.ravel() for each in found), torch.tensor([value])])
    with connected():
        torch.distributed.all_reduce(flat)
    parts = flat.split([*(each.numel() for each in found), 1])
    for each, part in zip(found, parts[:-1], strict=True):
        each.copy_(part.view_as(each))
    return float(parts[-1])


def scattered(orders: list[Any] | None) -> Any:
    """What the first process has for each; the others give None."""
    found: list[Any] = [None]
    with connected():
        torch.distributed.scatter_object_list(found, orders, src=0)
    return found[0]


def gathered(value: Any) -> list[Any] | None:
    """What each process has, on the first; None on the others."""
    found: list[Any] | None = [None] * size() if rank() == 0 else None
    with connected():
        torch.distributed.gather_object(value, found, dst=0)
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
    with connected():
        if rank():
            torch.distributed.send(torch.from_numpy(np.ascontiguousarray(rows)), dst=0)
            return None
        whole = np.empty((sum(counts), *rows.shape[1:]), dtype=rows.dtype)
        places = np.cumsum([0, *counts])
        whole[: places[1]] = rows
        for other in range(1, size()):
            part = whole[places[other] : places[other + 1]]
            torch.distributed.recv(torch.from_numpy(part), src=other)
    return whole


def _reduced(value: N, operation: str) -> N:
    if not together():
        return value
    array = np.array(value)
    kind = torch.int64 if array.dtype.kind in "bui" else torch.float64
    tensor = torch.as_tensor(array, dtype=kind)
    with connected():
        torch.distributed.all_reduce(tensor, getattr(torch.distributed.ReduceOp, operation))
    found: Any = tensor.numpy()
    return found if isinstance(value, np.ndarray) else found.item()
