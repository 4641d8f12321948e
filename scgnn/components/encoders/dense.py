"""Encoders that do not use the cell graph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import torch

from scgnn.components.encoders.contract import Encoder
from scgnn.field_types import Activation, Normalization, PositiveInt, ProperFraction, Widths
from scgnn.state import Matrix, to_dense_rows

if TYPE_CHECKING:
    from torch import nn

    from scgnn.components.encoders.networks import DenseNetwork


@Encoder.register("identity")
@dataclass(frozen=True)
class Identity(Encoder):
    """Identity: the features themselves, for pipelines without an encoder."""

    def build(self, n_features: int) -> nn.Module:
        from scgnn.components.encoders.networks import Nodewise

        return Nodewise(torch.nn.Identity())

    def embedding_width(self, n_features: int) -> int:
        return n_features

    def replace_width(self, width: int) -> Encoder:
        raise ValueError(
            "identity has no width of its own and cannot return a mean and a standard deviation; "
            "set graph_decoder.variational: false"
        )


@Encoder.register("mlp")
@dataclass(frozen=True)
class MLPEncoder(Encoder):
    """Multilayer perceptron, the encoder of scGNN's feature autoencoder (Wang et al. 2021).

    Each layer is ``activation(W x + b)``.

    Parameters
    ----------
    hidden
        Width of each layer; the last is the width of the embedding.
    activation
        Activation after each layer but the last; null is linear.
    output_activation
        Activation after the last layer; null is linear. scGNN's relu leaves many units dead.
    dropout
        Fraction of the inputs of each layer that is set to zero in training.
    normalization
        Normalization before each activation but the last: batch normalizes over the cells of a
        batch, layer over the units of a cell; null applies none.
    """

    hidden: Widths = (512, 128)
    activation: Activation | None = "relu"
    output_activation: Activation | None = "relu"
    dropout: ProperFraction = 0.0
    normalization: Normalization | None = None
    needs_all_cells: ClassVar[str] = ""

    def build(self, n_features: int) -> nn.Module:
        return self._build_network(n_features, self.hidden)

    def replace_width(self, width: int) -> Encoder:
        """Return the encoder with another width and a linear last layer, whose sign is free."""
        return replace(self, hidden=(*self.hidden[:-1], width), output_activation=None)

    def _build_network(self, n_features: int, widths: tuple[int, ...]) -> DenseNetwork:
        from scgnn.components.encoders.networks import DenseNetwork

        activations = self.activation, self.output_activation
        return DenseNetwork(n_features, widths, *activations, self.dropout, self.normalization)


@Encoder.register("vae")
@dataclass(frozen=True)
class VAE(MLPEncoder):
    """Multilayer perceptron with a Gaussian posterior for each cell (Kingma & Welling 2014).

    The embedding is sampled in training, ``μ + σ ε`` with standard normal ε, and is the mean μ
    otherwise. Add the regularizer ``kl``, without which σ shrinks to that of an mlp.

    Parameters
    ----------
    hidden
        Width of each layer; the last is the width of the embedding, for both μ and log σ.
    output_activation
        Activation after the last layer; null is linear, so that μ can have either sign.

    References
    ----------
    Kingma, Welling (2014) Auto-encoding variational Bayes. ICLR.
    """

    variational: ClassVar[bool] = True

    output_activation: Activation | None = None
    needs_all_cells: ClassVar[str] = ""

    def build(self, n_features: int) -> nn.Module:
        from scgnn.components.encoders.networks import GaussianPosterior

        widths = (*self.hidden[:-1], 2 * self.hidden[-1])
        return GaussianPosterior(self._build_network(n_features, widths))


@Encoder.register("pca")
@dataclass(frozen=True)
class PCA(Encoder):
    """Principal component analysis: a linear baseline without training.

    The embedding is ``(x − mean) · components``, the directions of largest variance. Implemented by
    scikit-learn.

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
        from sklearn import decomposition

        from scgnn.components.encoders.networks import LinearProjection

        assert isinstance(module, LinearProjection)
        if not any((x[i] != x[:1]).sum() for i in range(1, x.shape[0])):
            return  # all cells are equal
        n = min(self.n_components, *x.shape)
        if n < min(x.shape):
            model = decomposition.PCA(n, svd_solver="arpack", random_state=seed).fit(x)
        else:
            model = decomposition.PCA(n, svd_solver="full").fit(to_dense_rows(x))
        module.mean.copy_(torch.as_tensor(model.mean_))
        components = model.components_.T.copy()  # arpack's has negative strides
        module.components[:, :n].copy_(torch.from_numpy(components))

    def estimate_widths(self, n_features: int) -> tuple[int, ...]:
        return n_features, self.n_components
