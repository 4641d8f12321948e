"""Collective operations of the processes of a run: sums, maxima, gradients and rows.

A :class:`Communicator` is that of a run of one process; code calls the current one, whether there
are others or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import torch

from scgnn.execution.process_group import rank, translate_peer_errors, world_size
from scgnn.seeding import seed_for

if TYPE_CHECKING:
    from torch import Tensor, nn

N = TypeVar("N", bound="float | np.ndarray | Tensor")


class ShardRange(NamedTuple):
    """Position of the cells of this process among all cells, in the order of ranks."""

    start: int
    n_local: int
    n_total: int

    def to_local(self, cells: Tensor | None) -> Tensor | None:
        """Return the cells of a batch that this process has, numbered from 0; None: all cells."""
        if cells is None or self.n_local == self.n_total:
            return cells
        return cells[(cells >= self.start) & (cells < self.start + self.n_local)] - self.start


class Communicator:
    """Collective operations of a single process: every result is its own value.

    Attributes
    ----------
    rank
        Number of this process, from 0.
    world_size
        Number of processes that call the same operations, each for its own cells.
    """

    rank = 0
    world_size = 1

    def all_reduce_sum(self, value: N) -> N:
        """Return the sum of a number, an array or a tensor over processes, in double precision."""
        return self._all_reduce(value, "SUM")

    def all_reduce_max(self, value: N) -> N:
        """Return the elementwise maximum over processes; of a Boolean mask, its union."""
        return self._all_reduce(value, "MAX")

    def all_reduce_gradients(self, parameters: list[nn.Parameter], loss: Tensor) -> Tensor:
        """Sum the gradients of all processes in place, and return the sum of their losses."""
        return loss

    def shard_range(self, n_local: int) -> ShardRange:
        """Return the position of the ``n_local`` cells of this process among all cells."""
        counts = np.zeros(self.world_size, dtype=np.int64)
        counts[self.rank] = n_local
        counts = self.all_reduce_sum(counts)
        return ShardRange(int(counts[: self.rank].sum()), n_local, int(counts.sum()))

    def rank_seed(self, seed: int) -> int:
        """Return a seed for draws that concern the cells of this process only."""
        return seed_for(seed, "rank", self.rank) if self.rank else seed

    def _all_reduce(self, value: N, operation: str) -> N:
        return value


class DistributedCommunicator(Communicator):
    """Collective operations of the processes that torchrun started, over torch.distributed."""

    def __init__(self) -> None:
        self.rank, self.world_size = rank(), world_size()

    def all_reduce_gradients(self, parameters: list[nn.Parameter], loss: Tensor) -> Tensor:
        gradients = [weight.grad for weight in parameters if weight.grad is not None]
        flat = torch.cat([*(g.ravel() for g in gradients), loss.reshape(1)])
        with translate_peer_errors():
            torch.distributed.all_reduce(flat)
        *sums, total = flat.split([*(g.numel() for g in gradients), 1])
        for gradient, reduced in zip(gradients, sums, strict=True):
            gradient.copy_(reduced.view_as(gradient))
        return total[0]

    def scatter(self, tasks: list[Any] | None) -> Any:
        """Return the item of this process from the list of the first; the others pass None."""
        result: list[Any] = [None]
        with translate_peer_errors():
            torch.distributed.scatter_object_list(result, tasks, src=0)
        return result[0]

    def gather(self, value: Any) -> list[Any] | None:
        """Return the values of all processes on the first one, None on the others."""
        values: list[Any] | None = None if self.rank else [None] * self.world_size
        with translate_peer_errors():
            torch.distributed.gather_object(value, values, dst=0)
        return values

    def gather_rows(self, rows: np.ndarray, shard_sizes: list[int]) -> np.ndarray | None:
        """Return the rows of all processes, in order, on the first one, None on the others.

        Parameters
        ----------
        rows
            Rows of this process, n x d.
        shard_sizes
            Number of rows of each process; only the first one needs it.
        """
        with translate_peer_errors():
            if self.rank:
                torch.distributed.send(torch.from_numpy(np.ascontiguousarray(rows)), dst=0)
                return None
            result = np.empty((sum(shard_sizes), *rows.shape[1:]), dtype=rows.dtype)
            first, *others = np.split(result, np.cumsum(shard_sizes)[:-1])  # views
            first[:] = rows
            for sender, shard in enumerate(others, start=1):
                torch.distributed.recv(torch.from_numpy(shard), src=sender)
        return result

    def _all_reduce(self, value: Any, operation: str) -> Any:
        is_tensor = isinstance(value, torch.Tensor)
        local = value if is_tensor else torch.from_numpy(np.array(value))
        result = local.to(torch.float64 if local.is_floating_point() else torch.int64, copy=True)
        with translate_peer_errors():
            torch.distributed.all_reduce(result, getattr(torch.distributed.ReduceOp, operation))
        if is_tensor:
            return result.to(value.dtype)
        return result.numpy() if isinstance(value, np.ndarray) else result.item()


_SINGLE = Communicator()
_current = _SINGLE


def communicator() -> Communicator:
    """Return the communicator of the code that runs now."""
    return _current


@contextmanager
def use_communicator(new: Communicator) -> Iterator[None]:
    """Run the block in step with other processes, each of which calls the same operations."""
    global _current
    _current = new
    try:
        yield
    finally:
        _current = _SINGLE
