"""The feature autoencoder and its trainings. Each is a stage: a pure function of its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import numpy as np
import torch
from scipy import sparse

from scgnn.components.decoders import Decoder
from scgnn.components.encoders import Encoder
from scgnn.components.regularizers import Forward, Regularizer
from scgnn.errors import InputError
from scgnn.execution.stages import stage
from scgnn.pipelines.loss import Loss
from scgnn.pipelines.reconstruction import Rebuilt, on_demand
from scgnn.registry.introspection import is_own
from scgnn.seeding import seed_for, torch_seed
from scgnn.state import Expression, Matrix, State
from scgnn.training import collectives
from scgnn.training.budget import Training
from scgnn.training.fit import (
    Arrays,
    Rows,
    adam,
    fit,
    from_arrays,
    optimizer_from_arrays,
    optimizer_to_arrays,
    predict,
    refuse_divergence,
    to_arrays,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

M = TypeVar("M", "Tensor", Matrix)


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
        return torch.nn.ModuleDict(networks)

    def seen(self, x: M) -> M:
        """What the encoder sees of the expression."""
        if self.decoder is None or not self.decoder.counts:
            return x
        return np.log1p(x) if isinstance(x, np.ndarray) else x.log1p()

    def leaves_idle_weights(self) -> bool:
        """Whether networks are plain, and the loss sees what they give for cells, not weights."""
        if not is_own(type(self.encoder)) or not is_own(type(self.decoder)):
            return False  # a stranger's network may hold layers fixed, or hook into them
        seen = (type(each) for each in self.regularizers)
        return all(is_own(cls) or cls.penalty is Regularizer.penalty for cls in seen)

    def __call__(self, module: nn.ModuleDict, x: Tensor) -> tuple[Tensor, Any]:
        """The embedding of cells, and what the decoder gives for them (None without one)."""
        z = module["encoder"](None, self.seen(x))
        return z, module["decoder"](z) if self.decoder is not None else None


class Fitted(NamedTuple):
    """A trained feature autoencoder and what it makes of the cells."""

    embedding: np.ndarray  # cells x hidden[-1]
    reconstruction: np.ndarray | None  # cells x genes; None where it is on demand
    decoders: Arrays  # weights of the decoders that rebuild it on demand, numbered
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
    kept = not on_demand(parts.decoder, *state.x.shape)
    embedding, reconstruction = _outputs(parts, module, state.x, training.batch_size, kept)
    refuse_divergence(training, embedding, reconstruction)
    decoders = {} if kept else _numbered(0, module)
    moments = optimizer_to_arrays(optimizer)
    return Fitted(embedding, reconstruction, decoders, to_arrays(module), moments, losses)


def _numbered(number: int, module: nn.ModuleDict) -> Arrays:
    """The weights of a decoder, named as :class:`Rebuilt` wants them."""
    return {f"{number}.{name}": value for name, value in to_arrays(module["decoder"]).items()}


def expression(
    parts: Autoencoder, fitted: Fitted, n_genes: int, labels: np.ndarray | None = None
) -> np.ndarray | Rebuilt | None:
    """What was rebuilt: all of it, or on demand; by one decoder, or by that of each cluster."""
    if not fitted.decoders:
        return fitted.reconstruction
    assert parts.decoder is not None
    number = np.zeros(len(fitted.embedding), dtype=np.int64) if labels is None else labels
    decoder = parts.decoder.mirror(parts.encoder)
    return Rebuilt(decoder, fitted.decoders, fitted.embedding, number, n_genes)


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
    kept = not on_demand(parts.decoder, *state.x.shape)
    rebuilt = np.empty(state.x.shape, dtype=np.float32) if kept else None
    decoders: Arrays = {}
    width = parts.encoder.width(state.n_genes)
    embedding = np.empty((state.n_cells, width), dtype=np.float32)
    losses = np.zeros(training.epochs)
    for cluster in range(collectives.largest(int(state.labels.max())) + 1):
        cells = np.flatnonzero(state.labels == cluster)
        if rule == "copy":
            from_arrays(module, start.weights)
            optimizer = adam(module, training)
        own = cells if on == "own" else None
        found = _train(parts, module, state, training, seed_for(seed, cluster), optimizer, own)
        losses += np.pad(found, (0, len(losses) - len(found)), mode="edge")  # ended early
        rows = state.x[cells]
        embedding[cells], own_rows = _outputs(parts, module, rows, training.batch_size, kept)
        if rebuilt is None:
            decoders |= _numbered(cluster, module)
        else:
            rebuilt[cells] = own_rows
    refuse_divergence(training, embedding, rebuilt)
    moments = optimizer_to_arrays(optimizer)
    return Fitted(embedding, rebuilt, decoders, to_arrays(module), moments, losses)


def _begin(
    parts: Autoencoder,
    module: nn.ModuleDict,
    x: Expression,
    training: Training,
    seed: int,
    start: Start | None,
) -> torch.optim.Optimizer:
    """Prepare a module's computed parts, load ``start``, and make its optimiser."""
    if start is None:
        parts.encoder.prepare(module["encoder"], parts.seen(x), seed_for(seed, "prepare"))
    else:
        from_arrays(module, start.weights)
    trained = torch.nn.Linear(1, 1) if not list(module.parameters()) else module
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
    of_batch = Loss(parts.decoder, parts.fidelity, parts.regularizers, state)
    awake = None
    if not optimizer.state and parts.leaves_idle_weights():
        from scgnn.pipelines.active_units import awake_part

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
    parts: Autoencoder, module: nn.ModuleDict, x: Expression, batch_size: int, rebuild: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Embedding and, where wanted, reconstruction of all cells, a clean forward pass."""

    def forward(rows: Tensor) -> tuple[Tensor, ...]:
        if parts.decoder is None or not rebuild:
            return (module["encoder"](None, parts.seen(rows)),)
        z, output = parts(module, rows)
        return z, parts.decoder.mean(output, rows)

    outputs = predict(forward, x, batch_size)
    return outputs[0], outputs[1] if len(outputs) > 1 else None
