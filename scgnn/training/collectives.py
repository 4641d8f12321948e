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

from scgnn.execution.process_group import rank, translate_peer_errors, world_size
from scgnn.seeding import seed_for

if TYPE_CHECKING:
    from torch import Tensor, nn

N = TypeVar("N", bound=float | np.ndarray)

_synchronized: ContextVar[bool] = ContextVar("in_step", default=False)


class ShardRange(NamedTuple):
    """Where the cells of this process stand among those of all."""

    start: int
    n_local: int
    n_total: int

    def to_local(self, cells: Tensor | None) -> Tensor | None:
        """Those of a batch that are here, numbered from 0; None means all cells."""
        if cells is None or self.n_local == self.n_total:
            return cells
        return cells[(cells >= self.start) & (cells < self.start + self.n_local)] - self.start


@contextmanager
def synchronized() -> Iterator[None]:
    """Inside, all processes do the same thing, each with its own cells."""
    token = _synchronized.set(world_size() > 1)
    try:
        yield
    finally:
        _synchronized.reset(token)


def is_distributed() -> bool:
    """Whether other processes are doing the same thing with other cells."""
    return _synchronized.get()


def all_reduce_sum(value: N) -> N:
    """The sum over all processes of a number or an array, in double precision."""
    return _all_reduce(value, "SUM")


def all_reduce_max(value: N) -> N:
    """The largest of all processes, number by number."""
    return _all_reduce(value, "MAX")


def all_reduce_any(mask: Tensor) -> Tensor:
    """Which of some places are marked in any process."""
    if not is_distributed():
        return mask
    found = mask.to(torch.uint8)
    with translate_peer_errors():
        torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
    return found.bool()


def get_shard_range(n_local: int) -> ShardRange:
    """Where ``n`` cells of this process stand among those of all, in the order of ranks."""
    if not is_distributed():
        return ShardRange(0, n_local, n_local)
    counts = np.zeros(world_size(), dtype=np.int64)
    counts[rank()] = n_local
    counts = all_reduce_sum(counts)
    return ShardRange(int(counts[: rank()].sum()), n_local, int(counts.sum()))


def rank_seed(seed: int) -> int:
    """The seed of what this process draws for its cells, so that no two draw the same."""
    return seed_for(seed, "rank", rank()) if is_distributed() and rank() else seed


def all_reduce_gradients(parameters: list[nn.Parameter], loss: float) -> float:
    """Add up the gradients of all processes, in place, and the loss, which is returned."""
    if not is_distributed():
        return loss
    found = [weight.grad for weight in parameters if weight.grad is not None]
    flat = torch.cat([*(each.ravel() for each in found), torch.tensor([loss])])
    with translate_peer_errors():
        torch.distributed.all_reduce(flat)
    parts = flat.split([*(each.numel() for each in found), 1])
    for each, part in zip(found, parts[:-1], strict=True):
        each.copy_(part.view_as(each))
    return float(parts[-1])


def scatter(tasks: list[Any] | None) -> Any:
    """What the first process has for each; the others give None."""
    found: list[Any] = [None]
    with translate_peer_errors():
        torch.distributed.scatter_object_list(found, tasks, src=0)
    return found[0]


def gather(value: Any) -> list[Any] | None:
    """What each process has, on the first; None on the others."""
    found: list[Any] | None = [None] * world_size() if rank() == 0 else None
    with translate_peer_errors():
        torch.distributed.gather_object(value, found, dst=0)
    return found


def gather_rows(rows: np.ndarray, shard_sizes: list[int]) -> np.ndarray | None:
    """The rows of all processes, in order, on the first; None on the others.

    Parameters
    ----------
    rows
        Of this process, n x d.
    counts
        How many rows each process has.
    """
    with translate_peer_errors():
        if rank():
            torch.distributed.send(torch.from_numpy(np.ascontiguousarray(rows)), dst=0)
            return None
        whole = np.empty((sum(shard_sizes), *rows.shape[1:]), dtype=rows.dtype)
        places = np.cumsum([0, *shard_sizes])
        whole[: places[1]] = rows
        for other in range(1, world_size()):
            part = whole[places[other] : places[other + 1]]
            torch.distributed.recv(torch.from_numpy(part), src=other)
    return whole


def _all_reduce(value: N, operation: str) -> N:
    if not is_distributed():
        return value
    array = np.array(value)
    kind = torch.int64 if array.dtype.kind in "bui" else torch.float64
    tensor = torch.as_tensor(array, dtype=kind)
    with translate_peer_errors():
        torch.distributed.all_reduce(tensor, getattr(torch.distributed.ReduceOp, operation))
    found: Any = tensor.numpy()
    return found if isinstance(value, np.ndarray) else found.item()
