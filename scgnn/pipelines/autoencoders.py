"""The feature autoencoder and its trainings. Each is a stage: a pure function of its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import numpy as np
import torch
from scipy import sparse

from scgnn.components.decoders import Decoder
from scgnn.components.encoders import Encoder
from scgnn.components.regularizers import ForwardPass, Regularizer
from scgnn.errors import InputError
from scgnn.execution.stages import stage
from scgnn.pipelines.loss import Loss
from scgnn.pipelines.reconstruction import LazyReconstruction, is_lazy
from scgnn.registry.introspection import is_builtin
from scgnn.seeding import seed_for, use_torch_seed
from scgnn.state import Expression, Matrix, State
from scgnn.training import collectives
from scgnn.training.budget import Training
from scgnn.training.fit import (
    Arrays,
    DenseRows,
    build_optimizer,
    check_finite,
    fit,
    from_arrays,
    optimizer_from_arrays,
    optimizer_to_arrays,
    predict,
    to_arrays,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

M = TypeVar("M", "Tensor", Matrix)


@dataclass(frozen=True)
class Autoencoder:
    """The parts of a feature autoencoder and of its loss.

    ``reconstruction_weight · error(x, x̂) + Σ regularizers``; the plain error is the decoder's. For a decoder of
    counts the encoder sees log(x + 1).
    """

    encoder: Encoder
    decoder: Decoder | None
    reconstruction_weight: float
    regularizers: tuple[Regularizer, ...] = ()

    def build(self, n_features: int, seed: int) -> nn.ModuleDict:
        """Both networks; each draws its weights from a seed of its own."""
        with use_torch_seed(seed_for(seed, "encoder")):
            networks = {"encoder": self.encoder.build(n_features)}
        if self.decoder is not None:
            with use_torch_seed(seed_for(seed, "decoder")):
                mirrored = self.decoder.mirror(self.encoder)
                networks["decoder"] = mirrored.build(
                    self.encoder.embedding_width(n_features), n_features
                )
        return torch.nn.ModuleDict(networks)

    def to_encoder_input(self, x: M) -> M:
        """What the encoder sees of the expression."""
        if self.decoder is None or not self.decoder.requires_counts:
            return x
        return np.log1p(x) if isinstance(x, np.ndarray) else x.log1p()

    def supports_active_subnetwork(self) -> bool:
        """Whether networks are plain, and the loss sees what they give for cells, not weights."""
        if not is_builtin(type(self.encoder)) or not is_builtin(type(self.decoder)):
            return False  # a stranger's network may hold layers fixed, or hook into them
        seen = (type(each) for each in self.regularizers)
        return all(is_builtin(cls) or cls.acts_on != "encoder" for cls in seen)

    def __call__(self, module: nn.ModuleDict, x: Tensor) -> tuple[Tensor, Any]:
        """The embedding of cells, and what the decoder gives for them (None without one)."""
        z = module["encoder"](None, self.to_encoder_input(x))
        return z, module["decoder"](z) if self.decoder is not None else None


class AutoencoderFit(NamedTuple):
    """A trained feature autoencoder and what it makes of the cells."""

    embedding: np.ndarray  # cells x hidden[-1]
    reconstruction: np.ndarray | None  # cells x genes; None where it is on demand
    decoder_weights: Arrays  # weights of the decoders that rebuild it on demand, numbered
    weights: Arrays
    optimizer_state: Arrays
    losses: np.ndarray  # epochs


class WarmStart(NamedTuple):
    """Weights, and Adam's state or nothing, to begin a training from."""

    weights: Arrays
    optimizer_state: Arrays


def check_integer_counts(x: Matrix) -> None:
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
def fit_feature_autoencoder(
    autoencoder: Autoencoder,
    training: Training,
    state: State,
    seed: int,
    warm_start: WarmStart | None,
) -> AutoencoderFit:
    """Train a feature autoencoder on ``state.x``, freshly or from ``start``."""
    module = autoencoder.build(state.n_genes, seed)
    optimizer = _initialize_training(autoencoder, module, state.x, training, seed, warm_start)
    losses = _train(autoencoder, module, state, training, seed_for(seed, "training"), optimizer)
    kept = not is_lazy(autoencoder.decoder, *state.x.shape)
    embedding, reconstruction = _predict(autoencoder, module, state.x, training.batch_size, kept)
    check_finite(training, embedding, reconstruction)
    decoders = {} if kept else _export_decoder_weights(0, module)
    moments = optimizer_to_arrays(optimizer)
    return AutoencoderFit(embedding, reconstruction, decoders, to_arrays(module), moments, losses)


def _export_decoder_weights(decoder_index: int, module: nn.ModuleDict) -> Arrays:
    """The weights of a decoder, named as :class:`Rebuilt` wants them."""
    return {
        f"{decoder_index}.{name}": value for name, value in to_arrays(module["decoder"]).items()
    }


def reconstruct(
    autoencoder: Autoencoder,
    result: AutoencoderFit,
    n_genes: int,
    clusters: np.ndarray | None = None,
) -> np.ndarray | LazyReconstruction | None:
    """What was rebuilt: all of it, or on demand; by one decoder, or by that of each cluster."""
    if not result.decoder_weights:
        return result.reconstruction
    assert autoencoder.decoder is not None
    number = np.zeros(len(result.embedding), dtype=np.int64) if clusters is None else clusters
    decoder = autoencoder.decoder.mirror(autoencoder.encoder)
    return LazyReconstruction(decoder, result.decoder_weights, result.embedding, number, n_genes)


@stage("imputation")
def fit_imputation_autoencoder(
    autoencoder: Autoencoder, training: Training, state: State, seed: int
) -> AutoencoderFit:
    """Train a fresh autoencoder on ``state.x``; its reconstruction is the imputed matrix."""
    return fit_feature_autoencoder(autoencoder, training, state, seed, None)


@stage("cluster autoencoders")
def fit_cluster_autoencoders(
    autoencoder: Autoencoder,
    training: Training,
    state: State,
    warm_start: WarmStart,
    initialization: Literal["copy", "continue"],
    training_cells: Literal["own", "all"],
    seed: int,
) -> AutoencoderFit:
    """Rebuild ``state.x`` by one autoencoder per cluster of ``state.labels``.

    ``copy`` starts each from the same weights; ``continue`` runs one network and one Adam through
    all clusters. ``own`` trains on a cluster's cells, ``all`` on every cell.
    """
    assert state.clusters is not None
    module = autoencoder.build(state.n_genes, seed)
    optimizer = _initialize_training(autoencoder, module, state.x, training, seed, warm_start)
    kept = not is_lazy(autoencoder.decoder, *state.x.shape)
    rebuilt = np.empty(state.x.shape, dtype=np.float32) if kept else None
    decoders: Arrays = {}
    width = autoencoder.encoder.embedding_width(state.n_genes)
    embedding = np.empty((state.n_cells, width), dtype=np.float32)
    losses = np.zeros(training.epochs)
    for cluster in range(collectives.all_reduce_max(int(state.clusters.max())) + 1):
        cells = np.flatnonzero(state.clusters == cluster)
        if initialization == "copy":
            from_arrays(module, warm_start.weights)
            optimizer = build_optimizer(module, training)
        own = cells if training_cells == "own" else None
        found = _train(
            autoencoder, module, state, training, seed_for(seed, cluster), optimizer, own
        )
        losses += np.pad(found, (0, len(losses) - len(found)), mode="edge")  # ended early
        rows = state.x[cells]
        embedding[cells], own_rows = _predict(autoencoder, module, rows, training.batch_size, kept)
        if rebuilt is None:
            decoders |= _export_decoder_weights(cluster, module)
        else:
            rebuilt[cells] = own_rows
    check_finite(training, embedding, rebuilt)
    moments = optimizer_to_arrays(optimizer)
    return AutoencoderFit(embedding, rebuilt, decoders, to_arrays(module), moments, losses)


def _initialize_training(
    autoencoder: Autoencoder,
    module: nn.ModuleDict,
    x: Expression,
    training: Training,
    seed: int,
    warm_start: WarmStart | None,
) -> torch.optim.Optimizer:
    """Prepare a module's computed parts, load ``start``, and make its optimiser."""
    if warm_start is None:
        autoencoder.encoder.prepare(
            module["encoder"], autoencoder.to_encoder_input(x), seed_for(seed, "prepare")
        )
    else:
        from_arrays(module, warm_start.weights)
    trained = torch.nn.Linear(1, 1) if not list(module.parameters()) else module
    optimizer = build_optimizer(trained, training)
    if warm_start is not None and warm_start.optimizer_state:
        optimizer_from_arrays(optimizer, warm_start.optimizer_state)
    return optimizer


def _train(
    autoencoder: Autoencoder,
    module: nn.ModuleDict,
    state: State,
    training: Training,
    seed: int,
    optimizer: torch.optim.Optimizer,
    subset: np.ndarray | None = None,
) -> np.ndarray:
    """Train on all cells, or on some of them, ``own``; returns the loss of each epoch."""
    if autoencoder.decoder is None:
        return np.zeros(training.epochs)
    decoder, x = autoencoder.decoder, DenseRows(state.x if subset is None else state.x[subset])
    places = None if subset is None else torch.from_numpy(subset)
    of_batch = Loss(
        autoencoder.decoder, autoencoder.reconstruction_weight, autoencoder.regularizers, state
    )
    awake = None
    if not optimizer.state and autoencoder.supports_active_subnetwork():
        from scgnn.pipelines.active_units import extract_active_subnetwork

        awake = extract_active_subnetwork(module["encoder"], module["decoder"], x, training)

    def loss(cells: Tensor | None) -> Tensor:
        rows = x[cells]
        z, output = autoencoder(module, rows) if awake is None else awake(rows, cells)
        batch = ForwardPass(rows, decoder.reconstruct(output, rows), z, module["encoder"])
        among_all = cells if places is None else places if cells is None else places[cells]
        return of_batch(output, batch, among_all)

    if awake is None:
        return fit(module, loss, len(x), training, seed, optimizer)
    losses = fit(awake, loss, len(x), training, seed, awake.optimizer)
    awake.write_back(optimizer)
    return losses


def _predict(
    autoencoder: Autoencoder,
    module: nn.ModuleDict,
    x: Expression,
    batch_size: int,
    with_reconstruction: bool,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Embedding and, where wanted, reconstruction of all cells, a clean forward pass."""

    def forward(rows: Tensor) -> tuple[Tensor, ...]:
        if autoencoder.decoder is None or not with_reconstruction:
            return (module["encoder"](None, autoencoder.to_encoder_input(rows)),)
        z, output = autoencoder(module, rows)
        return z, autoencoder.decoder.reconstruct(output, rows)

    outputs = predict(forward, x, batch_size)
    return outputs[0], outputs[1] if len(outputs) > 1 else None
