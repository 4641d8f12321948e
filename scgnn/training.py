"""Training: a budget, and the loop that spends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from scgnn.errors import UserError
from scgnn.fields import Positive, Rate, Weight
from scgnn.progress import listener
from scgnn.state import Matrix, dense

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Training:
    """How long and how fast a network is trained, apart from what the network is.

    Parameters
    ----------
    epochs
        Passes over the cells.
    learning_rate
        Of Adam (betas 0.9 and 0.999, eps 1e-8).
    batch_size
        Cells in a batch; up to this many cells a pass is one step on all of them.
    l1
        Weight of Σ|w| over all weights and biases.
    l2
        Weight of Σw².
    """

    epochs: Positive = 200
    learning_rate: Rate = 1e-3
    batch_size: Positive = 12800
    l1: Weight = 0.0
    l2: Weight = 0.0


class Rows:
    """Rows of a matrix as float32 tensors; asked for all of them, it keeps the dense form."""

    def __init__(self, matrix: Matrix) -> None:
        self.matrix = matrix
        self._all: Tensor | None = None

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def __getitem__(self, cells: Tensor | None) -> Tensor:
        if cells is not None:
            return torch.from_numpy(dense(self.matrix, cells.numpy()))
        if self._all is None:
            self._all = torch.from_numpy(dense(self.matrix))
        return self._all


def fit(
    module: nn.Module,
    loss: Callable[[Tensor | None], Tensor],
    n_cells: int,
    training: Training,
    seed: int,
    optimizer: torch.optim.Optimizer | None = None,
) -> np.ndarray:
    """Train a module in place; returns the loss of each epoch, before its steps.

    Parameters
    ----------
    module
        Whose parameters are trained; without any, nothing happens.
    loss
        The loss on a batch of cells, or on all cells for None.
    n_cells
        How many cells there are.
    training
        The budget.
    seed
        Of the order of cells in mini-batches and of what the loss draws.
    optimizer
        To go on with; by default a fresh Adam.

    Raises
    ------
    UserError
        The loss is no longer a finite number.
    """
    weights = [p for p in module.parameters() if p.requires_grad]
    if not weights:
        return np.zeros(0)
    optimizer = optimizer or adam(module, training)
    losses = np.zeros(training.epochs)
    order = np.random.default_rng(seed)
    module.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for epoch in range(training.epochs):
            for cells in _batches(n_cells, training.batch_size, order):
                optimizer.zero_grad()
                value = loss(cells)
                value.backward()
                penalty = _penalize(weights, training)
                optimizer.step()
                losses[epoch] += value.item() + penalty
            refuse_divergence(training, losses[epoch])
            listener().epoch(epoch + 1, training.epochs, float(losses[epoch]))
    module.eval()
    return losses


def refuse_divergence(training: Training, *results: np.ndarray | np.floating | None) -> None:
    """Refuse losses or outputs that are no longer finite.

    Raises
    ------
    UserError
        With the settings that led there.
    """
    if not all(result is None or np.isfinite(result).all() for result in results):
        raise UserError(
            f"training diverged: its numbers are no longer finite; lower learning_rate (now "
            f"{training.learning_rate:g}), or look for very large values in the data"
        )


def adam(module: nn.Module, training: Training) -> torch.optim.Adam:
    """The optimiser of all trainings."""
    return torch.optim.Adam(module.parameters(), lr=training.learning_rate, fused=True)


def _batches(n: int, size: int, order: np.random.Generator) -> Iterator[Tensor | None]:
    if n <= size:
        yield None
        return
    shuffled = torch.from_numpy(order.permutation(n))
    yield from shuffled.split(size)


@torch.no_grad()
def _penalize(weights: list[nn.Parameter], training: Training) -> float:
    """Add the gradient of ``l1 Σ|w| + l2 Σw²`` to the gradients; returns its value."""
    value = torch.zeros(())
    for weight in weights:
        if weight.grad is None:
            continue
        if training.l1:
            value = value + training.l1 * weight.abs().sum()
            weight.grad.add_(weight.sign(), alpha=training.l1)
        if training.l2:
            value = value + training.l2 * weight.square().sum()
            weight.grad.add_(weight, alpha=2 * training.l2)
    return float(value)


def predict(
    forward: Callable[[Tensor], tuple[Tensor, ...]], x: Matrix, batch_size: int
) -> tuple[np.ndarray, ...]:
    """Outputs of a trained module for all cells, a clean forward pass in batches of rows."""
    parts: list[tuple[np.ndarray, ...]] = []
    with torch.no_grad():
        for start in range(0, x.shape[0], batch_size):
            rows = torch.from_numpy(dense(x, slice(start, start + batch_size)))
            parts.append(tuple(out.numpy() for out in forward(rows)))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def to_arrays(module: nn.Module) -> Arrays:
    """The weights of a module, copied."""
    return {name: value.detach().numpy().copy() for name, value in module.state_dict().items()}


def from_arrays(module: nn.Module, arrays: Arrays) -> None:
    """Put weights back into a module of the same shape."""
    module.load_state_dict({name: torch.from_numpy(v.copy()) for name, v in arrays.items()})


def optimizer_to_arrays(optimizer: torch.optim.Optimizer) -> Arrays:
    """Adam's moments and step counts, by parameter number."""
    return {
        f"{number}.{word}": value.numpy().copy()
        for number, entry in optimizer.state_dict()["state"].items()
        for word, value in entry.items()
    }


def optimizer_from_arrays(optimizer: torch.optim.Optimizer, arrays: Arrays) -> None:
    """Put Adam's moments back."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in arrays.items():
        number, _, word = key.partition(".")
        state.setdefault(int(number), {})[word] = torch.from_numpy(np.array(value))
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
