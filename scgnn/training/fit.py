"""Training: a budget, and the loop that spends it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scgnn.errors import DivergenceError
from scgnn.execution.progress import get_progress
from scgnn.execution.resources import set_malloc_thresholds
from scgnn.seeding import generator, seed_for
from scgnn.state import Expression, to_dense_rows
from scgnn.training import collectives
from scgnn.training.budget import Training

if TYPE_CHECKING:
    from torch import Tensor, nn

MAX_VALIDATION_CELLS = 2000  # cells at most; more tell no better when to stop


Arrays = dict[str, np.ndarray]


class DenseRows:
    """Rows of a matrix as float32 tensors; asked for all of them, it keeps the dense form."""

    def __init__(self, matrix: Expression) -> None:
        self.matrix = matrix
        self._dense: Tensor | None = None

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def __getitem__(self, cells: Tensor | None) -> Tensor:
        if cells is not None:
            return torch.from_numpy(to_dense_rows(self.matrix, cells.numpy()))
        if self._dense is None:
            self._dense = torch.from_numpy(to_dense_rows(self.matrix))
        return self._dense


def fit(
    module: nn.Module,
    loss: Callable[[Tensor | None], Tensor],
    n_cells: int,
    training: Training,
    seed: int,
    optimizer: torch.optim.Optimizer | None = None,
) -> np.ndarray:
    """Train a module in place; returns the loss of each epoch that was trained, before its steps.

    Parameters
    ----------
    module
        Whose parameters are trained; without any, nothing happens.
    loss
        The loss on a batch of cells, or on all cells for None.
    n_cells
        How many cells there are; in a divided run, how many are here.
    training
        The budget.
    seed
        Of the order of cells in mini-batches and of what the loss draws.
    optimizer
        To go on with; by default a fresh Adam.

    Raises
    ------
    Diverged
        The loss is no longer a finite number.
    """
    if not any(p.requires_grad for p in module.parameters()):
        return np.zeros(0)
    optimizer = optimizer or build_optimizer(module, training)
    weights = optimizer.param_groups[0]["params"]  # an optimiser may be given others on the way
    losses: list[float] = []
    here = collectives.get_shard_range(n_cells)
    kept, held_out = _split_validation(
        here.n_total,
        training.validation_fraction if training.early_stopping_patience else 0.0,
        seed,
    )
    patience = EarlyStopping(training.early_stopping_patience)
    batches = _iter_batches(kept, here.n_total, training.batch_size, np.random.default_rng(seed))
    steps = math.ceil(len(kept) / training.batch_size)
    steps = min(steps, training.steps_per_epoch or steps)
    set_malloc_thresholds()
    module.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(collectives.rank_seed(seed))
        for epoch in range(training.epochs):
            losses.append(0.0)
            seen = 0
            for cells in islice(batches, steps):
                optimizer.zero_grad()
                with _autocast(training.precision):
                    value = loss(here.to_local(cells))
                value.backward()
                whole = collectives.all_reduce_gradients(weights, value.item())
                penalty = _penalize(weights, training)
                optimizer.step()
                losses[-1] += whole + penalty
                seen += len(kept) if cells is None else len(cells)
            losses[-1] *= len(kept) / seen
            check_finite(training, np.float64(losses[-1]))
            get_progress().on_epoch_end(epoch + 1, training.epochs, losses[-1])
            if patience.should_stop(
                losses[-1]
                if held_out is None
                else _evaluate_loss(module, loss, here.to_local(held_out))
            ):
                break
    module.eval()
    return np.array(losses)


class EarlyStopping:
    """Ends a training once its loss has stopped falling.

    Parameters
    ----------
    epochs
        How many in a row may pass without a new best loss, a thousandth below the last; 0: any.
    """

    def __init__(self, patience: int | None) -> None:
        self.patience = patience
        self.best_loss = np.inf
        self.epochs_without_improvement = 0

    def should_stop(self, loss: float) -> bool:
        """Whether to stop after an epoch with this loss."""
        if loss < self.best_loss - 1e-3 * abs(loss):
            self.best_loss, self.epochs_without_improvement = loss, 0
        else:
            self.epochs_without_improvement += 1
        return self.patience is not None and self.epochs_without_improvement >= self.patience


def _split_validation(n_cells: int, fraction: float, seed: int) -> tuple[Tensor, Tensor | None]:
    """The cells to train on, and those held out; where a share asks for any, at least one."""
    n_out = min(max(int(n_cells * fraction), fraction > 0), MAX_VALIDATION_CELLS, n_cells - 1)
    if n_out < 1:
        return torch.arange(n_cells), None
    order = torch.from_numpy(generator(seed_for(seed, "held_out")).permutation(n_cells))
    return order[n_out:].sort().values, order[:n_out]


def _evaluate_loss(
    module: nn.Module, loss: Callable[[Tensor | None], Tensor], cells: Tensor | None
) -> float:
    """The loss of cells that are not trained on."""
    module.eval()
    with torch.no_grad():
        value = float(loss(cells))
    module.train()
    return collectives.all_reduce_sum(value)


def _autocast(precision: str) -> AbstractContextManager[Any]:
    """Inside, matrix products are of this precision."""
    if precision == "bfloat16" and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.autocast("cpu", torch.bfloat16)
    return nullcontext()


def check_finite(training: Training, *results: np.ndarray | np.floating | None) -> None:
    """Refuse losses or outputs that are no longer finite.

    Raises
    ------
    Diverged
        With the settings that led there.
    """
    if not all(result is None or np.isfinite(result).all() for result in results):
        raise DivergenceError(
            f"training diverged: its numbers are no longer finite; lower learning_rate (now "
            f"{training.learning_rate:g}), or look for very large values in the data"
        )


def build_optimizer(module: nn.Module, training: Training) -> torch.optim.Adam:
    """The optimiser of all trainings."""
    return torch.optim.Adam(module.parameters(), lr=training.learning_rate, fused=True)


def _iter_batches(
    cells: Tensor, n_cells: int, batch_size: int, rng: np.random.Generator
) -> Iterator[Tensor | None]:
    """Without end: None for all cells where they are one batch; else each pass in a new order."""
    while True:
        if len(cells) == n_cells <= batch_size:
            yield None
        else:
            yield from cells[torch.from_numpy(rng.permutation(len(cells)))].split(batch_size)


def _penalize(weights: list[nn.Parameter], training: Training) -> float:
    """Add the gradient of ``l1 Σ|w| + l2 Σw²`` to the gradients; returns its value."""
    value = torch.zeros(())
    with torch.no_grad():
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
    forward: Callable[[Tensor], tuple[Tensor, ...]], x: Expression, batch_size: int
) -> tuple[np.ndarray, ...]:
    """Outputs of a trained module for all cells, a clean forward pass in batches of rows."""
    parts: list[tuple[np.ndarray, ...]] = []
    with torch.no_grad():
        for start in range(0, max(x.shape[0], 1), batch_size):
            rows = torch.from_numpy(to_dense_rows(x, slice(start, start + batch_size)))
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
