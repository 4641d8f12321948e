"""The training loop of all networks, and the conversion of their states to arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch

from scgnn.errors import DivergenceError
from scgnn.execution.hardware import current_hardware
from scgnn.execution.progress import get_progress
from scgnn.execution.resources import set_malloc_thresholds
from scgnn.seeding import generator, seed_for, use_generator, use_torch_seed
from scgnn.state import Expression, to_dense_rows
from scgnn.training.collectives import communicator
from scgnn.training.device import fits_device, move, select_rows, use_precision
from scgnn.training.settings import Training

if TYPE_CHECKING:
    from torch import Tensor, nn

MAX_VALIDATION_CELLS = 2000  # more do not improve early stopping
ROWS_PER_COPY = 8192  # of a matrix, to a GPU
EPOCHS_PER_READING = 10  # of losses from a GPU, which waits meanwhile

Arrays = dict[str, np.ndarray]


class DenseRows:
    """Rows of a matrix as dense float32 tensors on the device of the stage.

    The tensor of all rows is cached; on a GPU, batches are selected from it if it fits.
    """

    def __init__(self, matrix: Expression) -> None:
        self.matrix = matrix
        self.device = current_hardware().device
        n_bytes = 4 * math.prod(matrix.shape)
        self._is_resident = self.device != "cpu" and fits_device(n_bytes, self.device)
        self._dense: Tensor | None = None

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def __getitem__(self, cells: Tensor | None) -> Tensor:
        if cells is not None and not self._is_resident:
            return move(torch.from_numpy(to_dense_rows(self.matrix, cells.numpy())), self.device)
        if self._dense is None:
            self._dense = self._move_all()
        return select_rows(self._dense, cells)

    def _move_all(self) -> Tensor:
        if self.device == "cpu":
            return torch.from_numpy(to_dense_rows(self.matrix))
        dense = torch.empty(self.matrix.shape, device=self.device)
        for start in range(0, len(self), ROWS_PER_COPY):
            rows = slice(start, start + ROWS_PER_COPY)
            dense[rows] = move(torch.from_numpy(to_dense_rows(self.matrix, rows)), self.device)
        return dense


def fit(
    module: nn.Module,
    loss: Callable[[Tensor | None], Tensor],
    n_cells: int,
    training: Training,
    seed: int,
    optimizer: torch.optim.Optimizer | None = None,
    own_generator: bool = False,
) -> np.ndarray:
    """Train a module in place.

    Parameters
    ----------
    module
        The module; without trainable parameters nothing happens.
    loss
        The loss of a batch, given the indices of its cells, or None for all cells.
    n_cells
        Number of cells, in a distributed run those of this process.
    training
        The budget.
    seed
        Seed of the order of cells in mini-batches and of random numbers in the loss.
    optimizer
        An optimizer to continue with; by default a new Adam.
    own_generator
        Whether the loss draws from :func:`~scgnn.seeding.torch_generator` only. Other trainings
        use torch's generator, which all threads share, and therefore take turns.

    Returns
    -------
    np.ndarray
        The loss of each epoch, before its steps; fewer than ``epochs`` after early stopping.

    Raises
    ------
    DivergenceError
        The loss is not finite.
    """
    if not any(p.requires_grad for p in module.parameters()):
        return np.zeros(0)
    optimizer = optimizer or build_optimizer(module, training)
    parameters = optimizer.param_groups[0]["params"]  # the loss may replace its items
    losses: list[float] = []
    unread: list[Tensor] = []  # losses of epochs that are still on the device
    device = parameters[0].device.type
    is_read_rarely = device != "cpu" and training.early_stopping_patience is None
    epochs_per_reading = EPOCHS_PER_READING if is_read_rarely else 1
    processes = communicator()
    shard = processes.shard_range(n_cells)
    fraction = training.validation_fraction if training.early_stopping_patience else 0.0
    cells_to_train, validation_cells = _split_validation(shard.n_total, fraction, seed)
    n_train = len(cells_to_train)
    early_stopping = EarlyStopping(training.early_stopping_patience)
    rng = np.random.default_rng(seed)
    batches = _iter_batches(cells_to_train, shard.n_total, training.batch_size, rng)
    n_steps = math.ceil(n_train / training.batch_size)
    n_steps = min(n_steps, training.steps_per_epoch or n_steps)
    set_malloc_thresholds()
    total_type = torch.float32 if device == "mps" else torch.float64  # which mps lacks
    module.train()
    with (use_generator if own_generator else use_torch_seed)(processes.rank_seed(seed)):
        for epoch in range(1, training.epochs + 1):
            total, n_seen = torch.zeros((), dtype=total_type, device=device), 0
            for cells in islice(batches, n_steps):
                optimizer.zero_grad()
                with use_precision(training.precision, device):
                    value = loss(shard.to_local(cells))
                value.backward()
                batch_loss = processes.all_reduce_gradients(parameters, value.detach())
                total += batch_loss.to(total_type) + _penalize(parameters, training)
                optimizer.step()
                n_seen += n_train if cells is None else len(cells)
            unread.append(total * (n_train / n_seen))
            if len(unread) < epochs_per_reading and epoch < training.epochs:
                continue
            losses += torch.stack(unread).tolist()
            unread.clear()
            check_finite(training, np.array(losses[-epochs_per_reading:]))
            monitored = losses[-1]
            get_progress().on_epoch_end(epoch, training.epochs, monitored)
            if validation_cells is not None:
                module.eval()
                with torch.no_grad():
                    value = loss(shard.to_local(validation_cells))
                monitored = processes.all_reduce_sum(float(value))
                module.train()
            if early_stopping.should_stop(monitored):
                break
    module.eval()
    return np.array(losses)


class EarlyStopping:
    """A rule that stops a training whose loss no longer decreases.

    Parameters
    ----------
    patience
        Number of epochs in a row without a relative improvement of at least 0.1%; None never
        stops.
    """

    def __init__(self, patience: int | None) -> None:
        self.patience = patience
        self.best_loss = np.inf
        self.epochs_without_improvement = 0

    def should_stop(self, loss: float) -> bool:
        """Return whether to stop after an epoch with this loss."""
        self.epochs_without_improvement += 1
        if loss < self.best_loss - 1e-3 * abs(loss):
            self.best_loss, self.epochs_without_improvement = loss, 0
        return self.patience is not None and self.epochs_without_improvement >= self.patience


def _split_validation(n_cells: int, fraction: float, seed: int) -> tuple[Tensor, Tensor | None]:
    """Return the cells to train on and the validation cells, at least one if ``fraction`` > 0."""
    n_out = min(max(int(n_cells * fraction), fraction > 0), MAX_VALIDATION_CELLS, n_cells - 1)
    if n_out < 1:
        return torch.arange(n_cells), None
    order = torch.from_numpy(generator(seed_for(seed, "held_out")).permutation(n_cells))
    return order[n_out:].sort().values, order[:n_out]


def check_finite(training: Training, *results: np.ndarray | np.floating | None) -> None:
    """Check that losses or outputs are finite.

    Raises
    ------
    DivergenceError
        One of them is not.
    """
    if not all(result is None or np.isfinite(result).all() for result in results):
        raise DivergenceError(
            "training diverged: losses or outputs are not finite; lower learning_rate (now "
            f"{training.learning_rate:g}), or check the data for very large values"
        )


def build_optimizer(module: nn.Module, training: Training) -> torch.optim.Adam:
    """Return a new Adam of a module's parameters."""
    from scgnn.training.optimizer import Adam

    return Adam(module.parameters(), lr=training.learning_rate, fused=True)


def _iter_batches(
    cells: Tensor, n_cells: int, batch_size: int, rng: np.random.Generator
) -> Iterator[Tensor | None]:
    """Yield batches endlessly, in a new order for each pass; None if one batch has all cells."""
    while True:
        if len(cells) == n_cells <= batch_size:
            yield None
        else:
            yield from cells[torch.from_numpy(rng.permutation(len(cells)))].split(batch_size)


def _penalize(parameters: list[nn.Parameter], training: Training) -> Tensor:
    """Add the gradient of ``l1 Σ|w| + l2 Σw²`` to the gradients; return the penalty."""
    value = torch.zeros((), device=parameters[0].device)
    with torch.no_grad():  # not as a decorator, which would import torch
        for weight in parameters:
            if weight.grad is None:
                continue
            if training.l1:
                value = value + training.l1 * weight.abs().sum()
                weight.grad.add_(weight.sign(), alpha=training.l1)
            if training.l2:
                value = value + training.l2 * weight.square().sum()
                weight.grad.add_(weight, alpha=2 * training.l2)
    return value


def predict(
    forward: Callable[[Tensor], tuple[Tensor, ...]], x: Expression, batch_size: int
) -> tuple[np.ndarray, ...]:
    """Return the outputs of a trained module for all cells, computed in batches of rows."""
    device = current_hardware().device
    batches: list[tuple[np.ndarray, ...]] = []
    with torch.no_grad():
        for start in range(0, max(x.shape[0], 1), batch_size):
            rows = torch.from_numpy(to_dense_rows(x, slice(start, start + batch_size)))
            outputs = forward(move(rows, device))
            batches.append(tuple(output.float().cpu().numpy() for output in outputs))
    return tuple(np.concatenate(outputs) for outputs in zip(*batches, strict=True))


def to_arrays(module: nn.Module) -> Arrays:
    """Return copies of a module's weights by name."""
    return {name: value.cpu().numpy().copy() for name, value in module.state_dict().items()}


def from_arrays(module: nn.Module, arrays: Arrays) -> None:
    """Load weights into a module of the same shape."""
    module.load_state_dict({name: torch.from_numpy(v.copy()) for name, v in arrays.items()})


def optimizer_to_arrays(optimizer: torch.optim.Optimizer) -> Arrays:
    """Return copies of Adam's moments and step counts, named ``PARAMETER.NAME``."""
    return {
        f"{number}.{name}": value.cpu().numpy().copy()
        for number, entry in optimizer.state_dict()["state"].items()
        for name, value in entry.items()
    }


def optimizer_from_arrays(optimizer: torch.optim.Optimizer, arrays: Arrays) -> None:
    """Load Adam's moments and step counts."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in arrays.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = torch.from_numpy(np.array(value))
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
