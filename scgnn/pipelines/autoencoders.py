"""The feature autoencoder and its trainings. Each is a stage: a pure function of its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from scgnn.components.decoders import MLP, Decoder
from scgnn.components.encoders import Encoder
from scgnn.components.regularizers import Forward, Regularizer, SquaredErrors
from scgnn.errors import InputError
from scgnn.pipelines.awake import awake_part
from scgnn.registry import is_own
from scgnn.seeding import seed_for, torch_seed
from scgnn.stages import stage
from scgnn.state import Matrix, State
from scgnn.training import (
    Arrays,
    Rows,
    Training,
    adam,
    fit,
    from_arrays,
    optimizer_from_arrays,
    optimizer_to_arrays,
    predict,
    refuse_divergence,
    to_arrays,
)

M = TypeVar("M", Tensor, Matrix)


@dataclass(frozen=True)
class Autoencoder:
    """The parts of a feature autoencoder and of its loss.

    ``fidelity · error(x, x̂) + Σ regularizers``; the plain error is the decoder's. For a decoder of
    counts the encoder sees log(x + 1).
    """

    encoder: Encoder
    decoder: Decoder | None
    fidelity: float
    regularizers: tuple[Regularizer, ...] = ()

    def build(self, n_features: int, seed: int) -> nn.ModuleDict:
        """Both networks; each draws its weights from a seed of its own."""
        with torch_seed(seed_for(seed, "encoder")):
            networks = {"encoder": self.encoder.build(n_features)}
        if self.decoder is not None:
            with torch_seed(seed_for(seed, "decoder")):
                mirrored = self.decoder.mirror(self.encoder)
                networks["decoder"] = mirrored.build(self.encoder.width(n_features), n_features)
        return nn.ModuleDict(networks)

    def seen(self, x: M) -> M:
        """What the encoder sees of the expression."""
        if self.decoder is None or not self.decoder.counts:
            return x
        return np.log1p(x) if isinstance(x, np.ndarray) else x.log1p()

    def leaves_idle_weights(self) -> bool:
        """Whether the loss sees a network by what it gives for cells, not by its weights."""
        seen = (type(each) for each in self.regularizers)
        return all(is_own(cls) or cls.penalty is Regularizer.penalty for cls in seen)

    def __call__(self, module: nn.ModuleDict, x: Tensor) -> tuple[Tensor, Any]:
        """The embedding of cells, and what the decoder gives for them (None without one)."""
        z = module["encoder"](None, self.seen(x))
        return z, module["decoder"](z) if self.decoder is not None else None


class Loss:
    """``fidelity · error(x, x̂) + Σ regularizers`` of the batches of one training.

    Squared errors, the plain one and those of regularizers, are one sum with added weights.
    """

    def __init__(self, parts: Autoencoder, state: State) -> None:
        assert parts.decoder is not None
        self.decoder, self.fidelity = parts.decoder, parts.fidelity
        squared = type(parts.decoder).loss is MLP.loss
        self.squares: list[tuple[SquaredErrors, Any]] = []
        self.others: list[tuple[Regularizer, Any]] = []
        for regularizer in parts.regularizers:
            ready = regularizer.prepare(state)
            own_loss = type(regularizer).loss is not SquaredErrors.loss
            if squared and isinstance(regularizer, SquaredErrors) and not own_loss:
                self.squares.append((regularizer, ready))
            else:
                self.others.append((regularizer, ready))
        self._of_all_cells: Tensor | None = None

    def __call__(self, output: Any, batch: Forward, cells: Tensor | None) -> Tensor:
        """The loss of what the decoder gave for a batch; None means all cells."""
        if self.squares:
            value = self.decoder.loss(output, batch.x, self._weights(cells))
        else:
            value = self.fidelity * self.decoder.loss(output, batch.x)
        for regularizer, ready in self.others:
            value = value + regularizer.penalty(batch, ready, cells)
        return value

    def _weights(self, cells: Tensor | None) -> Tensor:
        if cells is None and self._of_all_cells is not None:
            return self._of_all_cells
        summed = torch.tensor(self.fidelity)
        for regularizer, ready in self.squares:
            summed = summed + regularizer.weight * regularizer.weights(ready, cells)
        if cells is None:
            self._of_all_cells = summed
        return summed


class Fitted(NamedTuple):
    """A trained feature autoencoder and what it makes of the cells."""

    embedding: np.ndarray  # cells x hidden[-1]
    reconstruction: np.ndarray | None  # cells x genes
    weights: Arrays
    optimizer: Arrays
    losses: np.ndarray  # epochs


class Start(NamedTuple):
    """Weights, and Adam's state or nothing, to begin a training from."""

    weights: Arrays
    optimizer: Arrays


def refuse_other_than_counts(x: Matrix) -> None:
    """Refuse expression that is not whole numbers, for decoders of counts.

    Raises
    ------
    InputError
        With one of the values.
    """
    values: Any = x.data if sparse.issparse(x) else np.ravel(x)
    broken: np.ndarray = values != np.round(values)
    if broken.any():
        raise InputError(
            f"the decoder rebuilds counts, but the data hold {values[broken.argmax()]:g}; "
            "give raw counts (data.layer) or a feature_decoder such as mlp"
        )


@stage("feature autoencoder")
def fit_features(
    parts: Autoencoder, training: Training, state: State, seed: int, start: Start | None
) -> Fitted:
    """Train a feature autoencoder on ``state.x``, freshly or from ``start``."""
    module = parts.build(state.n_genes, seed)
    optimizer = _begin(parts, module, state.x, training, seed, start)
    losses = _train(parts, module, state, training, seed_for(seed, "training"), optimizer)
    embedding, reconstruction = _outputs(parts, module, state.x, training.batch_size)
    refuse_divergence(training, embedding, reconstruction)
    return Fitted(
        embedding, reconstruction, to_arrays(module), optimizer_to_arrays(optimizer), losses
    )


@stage("imputation")
def impute(parts: Autoencoder, training: Training, state: State, seed: int) -> Fitted:
    """Train a fresh autoencoder on ``state.x``; its reconstruction is the imputed matrix."""
    return fit_features(parts, training, state, seed, None)


@stage("cluster autoencoders")
def fit_clusters(
    parts: Autoencoder,
    training: Training,
    state: State,
    start: Start,
    rule: Literal["copy", "continue"],
    on: Literal["own", "all"],
    seed: int,
) -> Fitted:
    """Rebuild ``state.x`` by one autoencoder per cluster of ``state.labels``.

    ``copy`` starts each from the same weights; ``continue`` runs one network and one Adam through
    all clusters. ``own`` trains on a cluster's cells, ``all`` on every cell.
    """
    assert state.labels is not None
    module = parts.build(state.n_genes, seed)
    optimizer = _begin(parts, module, state.x, training, seed, start)
    rebuilt = np.empty(state.x.shape, dtype=np.float32)
    width = parts.encoder.width(state.n_genes)
    embedding = np.empty((state.n_cells, width), dtype=np.float32)
    losses = np.zeros(training.epochs)
    for cluster in range(int(state.labels.max()) + 1):
        cells = np.flatnonzero(state.labels == cluster)
        if rule == "copy":
            from_arrays(module, start.weights)
            optimizer = adam(module, training)
        own = cells if on == "own" else None
        found = _train(parts, module, state, training, seed_for(seed, cluster), optimizer, own)
        losses += np.pad(found, (0, len(losses) - len(found)), mode="edge")  # ended early
        rows = state.x[cells]
        embedding[cells], rebuilt[cells] = _outputs(parts, module, rows, training.batch_size)
    refuse_divergence(training, embedding, rebuilt)
    return Fitted(embedding, rebuilt, to_arrays(module), optimizer_to_arrays(optimizer), losses)


def _begin(
    parts: Autoencoder,
    module: nn.ModuleDict,
    x: Matrix,
    training: Training,
    seed: int,
    start: Start | None,
) -> torch.optim.Optimizer:
    """Prepare a module's computed parts, load ``start``, and make its optimiser."""
    if start is None:
        parts.encoder.prepare(module["encoder"], parts.seen(x), seed_for(seed, "prepare"))
    else:
        from_arrays(module, start.weights)
    trained = nn.Linear(1, 1) if not list(module.parameters()) else module
    optimizer = adam(trained, training)
    if start is not None and start.optimizer:
        optimizer_from_arrays(optimizer, start.optimizer)
    return optimizer


def _train(
    parts: Autoencoder,
    module: nn.ModuleDict,
    state: State,
    training: Training,
    seed: int,
    optimizer: torch.optim.Optimizer,
    own: np.ndarray | None = None,
) -> np.ndarray:
    """Train on all cells, or on some of them, ``own``; returns the loss of each epoch."""
    if parts.decoder is None:
        return np.zeros(training.epochs)
    decoder, x = parts.decoder, Rows(state.x if own is None else state.x[own])
    places = None if own is None else torch.from_numpy(own)
    of_batch = Loss(parts, state)
    awake = None
    if not optimizer.state and parts.leaves_idle_weights():
        awake = awake_part(module["encoder"], module["decoder"], x, training)

    def loss(cells: Tensor | None) -> Tensor:
        rows = x[cells]
        z, output = parts(module, rows) if awake is None else awake(rows, cells)
        batch = Forward(rows, decoder.mean(output, rows), z, module["encoder"])
        among_all = cells if places is None else places if cells is None else places[cells]
        return of_batch(output, batch, among_all)

    if awake is None:
        return fit(module, loss, len(x), training, seed, optimizer)
    losses = fit(awake, loss, len(x), training, seed, awake.optimizer)
    awake.give_back(optimizer)
    return losses


def _outputs(
    parts: Autoencoder, module: nn.ModuleDict, x: Matrix, batch_size: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Embedding and reconstruction of all cells, a clean forward pass after training."""

    def forward(rows: Tensor) -> tuple[Tensor, ...]:
        z, output = parts(module, rows)
        return (z,) if parts.decoder is None else (z, parts.decoder.mean(output, rows))

    outputs = predict(forward, x, batch_size)
    return outputs[0], outputs[1] if len(outputs) > 1 else None
