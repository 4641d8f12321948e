"""Encoders that look at each cell alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from scipy import sparse

from scgnn.components.encoders.contract import Encoder
from scgnn.field_types import Activation, Normalization, PositiveInt, ProperFraction, Widths
from scgnn.state import Matrix, to_dense_rows

if TYPE_CHECKING:
    from torch import nn

    from scgnn.components.encoders.networks import DenseNetwork


@Encoder.register("identity")
@dataclass(frozen=True)
class Identity(Encoder):
    """The features as they are: what a method does without an encoder."""

    def build(self, n_features: int) -> nn.Module:
        from scgnn.components.encoders.networks import IdentityNetwork

        return IdentityNetwork()

    def embedding_width(self, n_features: int) -> int:
        return n_features

    def replace_width(self, width: int) -> Encoder:
        raise ValueError(
            "identity has no width of its own, so it cannot give a mean and a spread; "
            "set graph_decoder.variational: false"
        )


@Encoder.register("mlp")
@dataclass(frozen=True)
class MLPEncoder(Encoder):
    """Fully connected layers: the encoder of scGNN's feature autoencoder.

    Each layer is ``activation(W x + b)``.

    Parameters
    ----------
    hidden
        Width of each layer; the last is the embedding.
    activation
        After every layer but the last.
    output_activation
        After the last layer. The original has relu, which leaves many units dead; none is linear.
    dropout
        Share of inputs to each layer set to zero while training.
    normalization
        Before each activation but the last: over the cells of a batch, or over the units of a cell.
    """

    hidden: Widths = (512, 128)
    activation: Activation | None = "relu"
    output_activation: Activation | None = "relu"
    dropout: ProperFraction = 0.0
    normalization: Normalization | None = None

    def build(self, n_features: int) -> nn.Module:
        return self._build_network(n_features, self.hidden)

    def replace_width(self, width: int) -> Encoder:
        """For a mean and a spread, which may have either sign: the last layer is linear."""
        return replace(self, hidden=(*self.hidden[:-1], width), output_activation=None)

    def _build_network(self, n_features: int, widths: tuple[int, ...]) -> DenseNetwork:
        from scgnn.components.encoders.networks import DenseNetwork

        activations = self.activation, self.output_activation
        return DenseNetwork(n_features, widths, *activations, self.dropout, self.normalization)


@Encoder.register("vae")
@dataclass(frozen=True)
class VAE(MLPEncoder):
    """Fully connected layers into a normal distribution per cell (Kingma & Welling 2014).

    Training draws the embedding from it, ``μ + σ ε`` with ε standard normal, everything else takes
    its mean. The regularizer ``kl`` holds it to the standard normal; without ``kl`` the spread
    shrinks and this is an mlp.

    Parameters
    ----------
    hidden
        Width of each layer; the last is the embedding, mean and log standard deviation each.
    activation
        After every layer but the last.
    output_activation
        After the last layer; none lets the mean have either sign.
    dropout
        Share of inputs to each layer set to zero while training.
    normalization
        Before each activation but the last: over the cells of a batch, or over the units of a cell.
    """

    variational: ClassVar[bool] = True

    output_activation: Activation | None = None

    def build(self, n_features: int) -> nn.Module:
        from scgnn.components.encoders.networks import GaussianPosterior

        return GaussianPosterior(
            self._build_network(n_features, (*self.hidden[:-1], 2 * self.hidden[-1]))
        )


@Encoder.register("pca")
@dataclass(frozen=True)
class PCA(Encoder):
    """Principal components: the linear floor. Computed, not trained (scikit-learn).

    ``(x − mean) · axes``, the axes those along which the cells vary most.

    Parameters
    ----------
    n_components
        Number of components. Those beyond the rank of the data are zero.
    """

    n_components: PositiveInt = 50

    def embedding_width(self, n_features: int) -> int:
        return self.n_components

    def replace_width(self, width: int) -> Encoder:
        return replace(self, n_components=width)

    def build(self, n_features: int) -> nn.Module:
        from scgnn.components.encoders.networks import LinearProjection

        return LinearProjection(n_features, self.n_components)

    def prepare(self, module: nn.Module, x: Matrix, seed: int) -> None:
        from sklearn.decomposition import PCA as Decomposition

        from scgnn.components.encoders.networks import LinearProjection

        assert isinstance(module, LinearProjection)
        if not _has_variation(x):
            return
        most = min(x.shape)
        if min(self.n_components, x.shape[1]) < most:
            model = Decomposition(self.n_components, svd_solver="arpack", random_state=seed).fit(x)
        elif x.shape[0] > 1:
            model = Decomposition(min(self.n_components, most), svd_solver="full").fit(
                to_dense_rows(x)
            )
        else:
            return
        module.mean.copy_(torch.as_tensor(model.mean_))
        axes = np.ascontiguousarray(model.components_.T)  # arpack's come with negative strides
        module.components[:, : model.n_components_].copy_(torch.from_numpy(axes))


def _has_variation(x: Matrix) -> bool:
    """Whether any two cells differ."""
    first = x[:1]
    if sparse.issparse(x):
        return any((x[at] != first).nnz for at in range(1, x.shape[0]))
    return bool((x != first).any())
