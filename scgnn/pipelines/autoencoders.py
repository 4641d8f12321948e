"""Feature autoencoders and their trainings. Every training is a stage, a pure function."""

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
from scgnn.execution.hardware import current_hardware
from scgnn.execution.stages import stage
from scgnn.pipelines.loss import Loss
from scgnn.pipelines.reconstruction import LazyReconstruction, is_lazy
from scgnn.registry.introspection import has_third_party
from scgnn.seeding import seed_for, use_torch_seed
from scgnn.state import Expression, Matrix, State
from scgnn.training.collectives import communicator
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
from scgnn.training.settings import Training

if TYPE_CHECKING:
    from torch import Tensor, nn

M = TypeVar("M", "Tensor", Matrix)
Outputs = tuple[np.ndarray, np.ndarray | None]  # embedding and, unless it is lazy, reconstruction


@dataclass(frozen=True)
class Autoencoder:
    """The components of a feature autoencoder and of its loss.

    The loss is ``reconstruction_weight · error(x, x̂) + Σ regularizers`` with the error of the
    decoder. If the decoder requires counts, the encoder gets log(x + 1).
    """

    encoder: Encoder
    decoder: Decoder | None
    reconstruction_weight: float
    regularizers: tuple[Regularizer, ...] = ()

    def build(self, n_features: int, seed: int) -> nn.ModuleDict:
        """Return new networks ``encoder`` and ``decoder``, each initialized from its own seed."""
        with use_torch_seed(seed_for(seed, "encoder")):
            networks = {"encoder": self.encoder.build(n_features)}
        if self.decoder is not None:
            width = self.encoder.embedding_width(n_features)
            with use_torch_seed(seed_for(seed, "decoder")):
                networks["decoder"] = self.decoder.mirror(self.encoder).build(width, n_features)
        return torch.nn.ModuleDict(networks)

    def to_encoder_input(self, x: M) -> M:
        """Return the input of the encoder, cells x genes."""
        if self.decoder is None or not self.decoder.requires_counts:
            return x
        return np.log1p(x) if isinstance(x, np.ndarray) else x.log1p()

    def __call__(self, module: nn.ModuleDict, x: Tensor) -> tuple[Tensor, Any]:
        """Return the embedding and the output of the decoder, None without one."""
        z = module["encoder"](None, self.to_encoder_input(x))
        return z, module["decoder"](z) if self.decoder is not None else None


class AutoencoderFit(NamedTuple):
    """A trained feature autoencoder and its outputs."""

    embedding: np.ndarray  # cells x width
    reconstruction: np.ndarray | None  # cells x genes; None if it is lazy
    decoder_weights: Arrays  # of the decoders of a lazy reconstruction, "INDEX.NAME"
    weights: Arrays
    optimizer_state: Arrays
    losses: np.ndarray  # epochs


class WarmStart(NamedTuple):
    """Initial weights of a training, and the state of Adam or nothing."""

    weights: Arrays
    optimizer_state: Arrays


def check_integer_counts(x: Matrix) -> None:
    """Check that expression consists of integers, as decoders of counts require.

    Raises
    ------
    InputError
        It does not; with the first other value.
    """
    values: Any = x.data if sparse.issparse(x) else np.ravel(x)
    fractional: np.ndarray = values != np.round(values)
    if fractional.any():
        raise InputError(
            f"the decoder requires integer counts, but the data contain "
            f"{values[fractional.argmax()]:g}; provide raw counts (data.layer) or use a "
            "feature_decoder such as mlp"
        )


@stage("feature autoencoder", "device")
def fit_feature_autoencoder(
    autoencoder: Autoencoder,
    training: Training,
    state: State,
    seed: int,
    warm_start: WarmStart | None,
) -> AutoencoderFit:
    """Train a feature autoencoder on ``state.x``, initialized from a seed or a warm start."""
    trainer = AutoencoderTrainer(autoencoder, training, state, seed, warm_start)
    losses = trainer.train(seed_for(seed, "training"))
    outputs = trainer.predict(state.x)
    decoders = trainer.export_decoder(0) if trainer.lazy else {}
    return trainer.make_fit(outputs, decoders, losses)


@stage("feature embedding", "device")
def fit_feature_encoder(
    autoencoder: Autoencoder,
    training: Training,
    state: State,
    seed: int,
    warm_start: WarmStart | None,
) -> AutoencoderFit:
    """Fit an encoder that has no decoder, and is not trained, such as PCA."""
    return fit_feature_autoencoder(autoencoder, training, state, seed, warm_start)


@stage("imputation", "device")
def fit_imputation_autoencoder(
    autoencoder: Autoencoder, training: Training, state: State, seed: int
) -> AutoencoderFit:
    """Train a new autoencoder on ``state.x``; its reconstruction is the imputed matrix."""
    return fit_feature_autoencoder(autoencoder, training, state, seed, None)


@stage("cluster autoencoders", "device")
def fit_cluster_autoencoders(
    autoencoder: Autoencoder,
    training: Training,
    state: State,
    warm_start: WarmStart,
    initialization: Literal["copy", "continue"],
    training_cells: Literal["own", "all"],
    seed: int,
) -> AutoencoderFit:
    """Train one autoencoder for each cluster and reconstruct ``state.x`` cluster by cluster.

    Parameters
    ----------
    autoencoder, training, state, seed
        As for :func:`fit_feature_autoencoder`; ``state.clusters`` are the clusters.
    warm_start
        The initial weights.
    initialization
        ``copy`` initializes every autoencoder with the same weights; ``continue`` trains one
        network with one Adam on all clusters in turn.
    training_cells
        ``own`` trains on the cells of the cluster, ``all`` on all cells.
    """
    assert state.clusters is not None
    trainer = AutoencoderTrainer(autoencoder, training, state, seed, warm_start)
    reconstruction = None if trainer.lazy else np.empty(state.x.shape, dtype=np.float32)
    width = autoencoder.encoder.embedding_width(state.n_genes)
    embedding = np.empty((state.n_cells, width), dtype=np.float32)
    decoders: Arrays = {}
    losses = np.zeros(training.epochs)
    for cluster in range(communicator().all_reduce_max(int(state.clusters.max())) + 1):
        cells = np.flatnonzero(state.clusters == cluster)
        if initialization == "copy":
            trainer.restart(warm_start.weights)
        loss = trainer.train(seed_for(seed, cluster), cells if training_cells == "own" else None)
        losses += np.pad(loss, (0, len(losses) - len(loss)), mode="edge")  # after early stopping
        embedding[cells], rows = trainer.predict(state.x[cells])
        if reconstruction is None:
            decoders |= trainer.export_decoder(cluster)
        else:
            reconstruction[cells] = rows
    return trainer.make_fit((embedding, reconstruction), decoders, losses)


def reconstruct(
    autoencoder: Autoencoder, fit: AutoencoderFit, n_genes: int, clusters: np.ndarray | None = None
) -> np.ndarray | LazyReconstruction | None:
    """Return the reconstruction of a fit, cells x genes, or None without a decoder.

    Parameters
    ----------
    autoencoder, fit
        The components and what was fitted.
    n_genes
        Columns of the reconstruction.
    clusters
        The clusters of cluster autoencoders, for a lazy reconstruction by several decoders.
    """
    if not fit.decoder_weights:
        return fit.reconstruction
    assert autoencoder.decoder is not None
    index = np.zeros(len(fit.embedding), dtype=np.int64) if clusters is None else clusters
    decoder = autoencoder.decoder.mirror(autoencoder.encoder)
    return LazyReconstruction(
        decoder,
        fit.decoder_weights,
        fit.embedding,
        index,
        n_genes,
        device=current_hardware().device,
    )


class AutoencoderTrainer:
    """The networks of an autoencoder and their Adam, in trainings on ``state.x``.

    Parameters
    ----------
    autoencoder, training, state
        The components, the budget, and the expression with what the regularizers require.
    seed
        Seed of the initial weights.
    warm_start
        Other initial weights; None for those of the seed.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        training: Training,
        state: State,
        seed: int,
        warm_start: WarmStart | None,
    ) -> None:
        self.autoencoder, self.training, self.state = autoencoder, training, state
        self.lazy = is_lazy(autoencoder.decoder, *state.x.shape)
        self.module = module = autoencoder.build(state.n_genes, seed)
        if warm_start is None:
            x = autoencoder.to_encoder_input(state.x)
            autoencoder.encoder.prepare(module["encoder"], x, seed_for(seed, "prepare"))
        else:
            from_arrays(module, warm_start.weights)
        module.to(current_hardware().device)
        has_parameters = any(True for _ in module.parameters())
        trained = module if has_parameters else torch.nn.ParameterList([torch.zeros(1)])
        self.optimizer = build_optimizer(trained, training)
        if warm_start is not None and warm_start.optimizer_state:
            optimizer_from_arrays(self.optimizer, warm_start.optimizer_state)

    def restart(self, weights: Arrays) -> None:
        """Load weights, and begin with a new Adam."""
        from_arrays(self.module, weights)
        self.optimizer = build_optimizer(self.module, self.training)

    def train(self, seed: int, subset: np.ndarray | None = None) -> np.ndarray:
        """Train on all cells or on a subset; return the loss of each epoch."""
        encoder, decoder = self.autoencoder.encoder, self.autoencoder.decoder
        regularizers, module = self.autoencoder.regularizers, self.module
        if decoder is None:
            return np.zeros(self.training.epochs)
        from scgnn.pipelines.active_units import train_active_units

        x = DenseRows(self.state.x if subset is None else self.state.x[subset])
        state_rows = None if subset is None else torch.from_numpy(subset)
        weight = self.autoencoder.reconstruction_weight
        compute_loss = Loss(decoder, weight, regularizers, self.state)

        def loss(cells: Tensor | None) -> Tensor:
            rows = x[cells]
            z, output = self.autoencoder(module, rows)
            batch = ForwardPass(rows, decoder.reconstruct(output, rows), z, module["encoder"])
            if state_rows is not None:
                cells = state_rows if cells is None else state_rows[cells]
            return compute_loss(output, batch, cells)

        components = encoder, decoder, *regularizers
        with train_active_units(module, components, x, self.training, self.optimizer):
            own_generator = not has_third_party(components)
            return fit(module, loss, len(x), self.training, seed, self.optimizer, own_generator)

    def predict(self, x: Expression) -> Outputs:
        """Return the embedding and, unless it is lazy, the reconstruction of cells."""
        decoder = self.autoencoder.decoder

        def forward(rows: Tensor) -> tuple[Tensor, ...]:
            if decoder is None or self.lazy:
                return (self.module["encoder"](None, self.autoencoder.to_encoder_input(rows)),)
            z, output = self.autoencoder(self.module, rows)
            return z, decoder.reconstruct(output, rows)

        embedding, *reconstruction = predict(forward, x, self.training.batch_size)
        return embedding, reconstruction[0] if reconstruction else None

    def export_decoder(self, index: int) -> Arrays:
        """Return the weights of the decoder, as a lazy reconstruction takes them."""
        weights = to_arrays(self.module["decoder"])
        return {f"{index}.{name}": value for name, value in weights.items()}

    def make_fit(self, outputs: Outputs, decoders: Arrays, losses: np.ndarray) -> AutoencoderFit:
        """Return the result, after checking that it is finite."""
        check_finite(self.training, *outputs)
        arrays = to_arrays(self.module), optimizer_to_arrays(self.optimizer)
        return AutoencoderFit(*outputs, decoders, *arrays, losses)
