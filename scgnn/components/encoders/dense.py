"""Encoders that look at each cell alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from scgnn.components.encoders.contract import Encoder, activate, normalizer
from scgnn.fields import Activation, Normalization, ProperShare, Widths
from scgnn.state import Matrix, dense


@Encoder.register("identity")
@dataclass(frozen=True)
class Identity(Encoder):
    """The features as they are: what a method does without an encoder."""

    def build(self, n_features: int) -> nn.Module:
        return Unchanged()

    def width(self, n_features: int) -> int:
        return n_features

    def widened(self, width: int) -> Encoder:
        raise ValueError(
            "identity has no width of its own, so it cannot give a mean and a spread; "
            "set graph_decoder.variational: false"
        )


class Unchanged(nn.Module):
    """``x``; ignores the graph."""

    def forward(self, graph: object, x: Tensor) -> Tensor:
        return x


@Encoder.register("mlp")
@dataclass(frozen=True)
class MLP(Encoder):
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
    activation: Activation = "relu"
    output_activation: Activation = "relu"
    dropout: ProperShare = 0.0
    normalization: Normalization = "none"

    def build(self, n_features: int) -> nn.Module:
        return self._dense(n_features, self.hidden)

    def widened(self, width: int) -> Encoder:
        """For a mean and a spread, which may have either sign: the last layer is linear."""
        return replace(self, hidden=(*self.hidden[:-1], width), output_activation="none")

    def _dense(self, n_features: int, widths: tuple[int, ...]) -> Dense:
        activations = self.activation, self.output_activation
        return Dense(n_features, widths, *activations, self.dropout, self.normalization)


class Dense(nn.Module):
    """Linear layers with activations; ignores the graph."""

    def __init__(
        self,
        n_features: int,
        widths: tuple[int, ...],
        activation: Activation,
        output_activation: Activation,
        dropout: float = 0.0,
        normalization: Normalization = "none",
    ) -> None:
        super().__init__()
        self.widths = widths
        sizes = (n_features, *widths)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(normalizer(normalization, width) for width in widths[:-1])
        self.norms.append(nn.Identity())
        self.activations = [activation] * (len(widths) - 1) + [output_activation]
        self.dropout = nn.Dropout(dropout)

    @property
    def is_plain(self) -> bool:
        """Whether there is neither dropout nor normalisation."""
        return not self.dropout.p and all(isinstance(norm, nn.Identity) for norm in self.norms)

    def forward(self, graph: object, x: Tensor) -> Tensor:
        return self.output(self.hidden(x))

    def hidden(self, x: Tensor) -> Tensor:
        """What the last layer sees."""
        for number in range(len(self.layers) - 1):
            x = self._through(number, x)
        return x

    def output(self, hidden: Tensor) -> Tensor:
        """What the last layer makes of it."""
        return self._through(len(self.layers) - 1, hidden)

    def _through(self, number: int, x: Tensor) -> Tensor:
        mapped = self.norms[number](self.layers[number](self.dropout(x)))
        return activate(self.activations[number], mapped)


@Encoder.register("vae")
@dataclass(frozen=True)
class VAE(MLP):
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

    output_activation: Activation = "none"

    def build(self, n_features: int) -> nn.Module:
        return Posterior(self._dense(n_features, (*self.hidden[:-1], 2 * self.hidden[-1])))


class Posterior(nn.Module):
    """A normal distribution per cell: a draw from it in training, its mean otherwise.

    Attributes
    ----------
    mean, log_sd
        Of the cells last seen, cells x width.
    """

    mean: Tensor
    log_sd: Tensor

    def __init__(self, both: nn.Module) -> None:
        super().__init__()
        self.both = both
        last = [layer for layer in both.modules() if isinstance(layer, nn.Linear)][-1]
        with torch.no_grad():  # so that training begins with sd near 1 and not with noise alone
            last.weight[last.out_features // 2 :] *= 0.01

    def forward(self, graph: object, x: Tensor) -> Tensor:
        self.mean, log_sd = self.both(graph, x).chunk(2, dim=1)
        self.log_sd = log_sd.clamp(-10, 10)  # exp stays finite
        if not self.training:
            return self.mean
        return self.mean + torch.randn_like(self.mean) * self.log_sd.exp()


@Encoder.register("pca")
@dataclass(frozen=True)
class PCA(Encoder):
    """Principal components: the linear floor. Computed, not trained (scikit-learn).

    ``(x − mean) · axes``, the axes those along which the cells vary most.

    Parameters
    ----------
    hidden
        One number: how many components. Those beyond the rank of the data are zero.
    """

    hidden: Widths = (50,)

    def __post_init__(self) -> None:
        if len(self.hidden) != 1:
            raise ValueError(f"hidden: pca has one layer, not {len(self.hidden)}")

    def build(self, n_features: int) -> nn.Module:
        return Projection(n_features, self.hidden[0])

    def prepare(self, module: nn.Module, x: Matrix, seed: int) -> None:
        from sklearn.decomposition import PCA as Decomposition

        assert isinstance(module, Projection)
        if not _varies(x):
            return
        most = min(x.shape)
        if min(self.hidden[0], x.shape[1]) < most:
            model = Decomposition(self.hidden[0], svd_solver="arpack", random_state=seed).fit(x)
        elif x.shape[0] > 1:
            model = Decomposition(min(self.hidden[0], most), svd_solver="full").fit(dense(x))
        else:
            return
        module.mean.copy_(torch.as_tensor(model.mean_))
        axes = np.ascontiguousarray(model.components_.T)  # arpack's come with negative strides
        module.axes[:, : model.n_components_].copy_(torch.from_numpy(axes))


def _varies(x: Matrix) -> bool:
    """Whether any two cells differ."""
    first = x[:1]
    if sparse.issparse(x):
        return any((x[at] != first).nnz for at in range(1, x.shape[0]))
    return bool((x != first).any())


class Projection(nn.Module):
    """``(x − mean) @ axes``, with nothing to train; ignores the graph."""

    mean: Tensor
    axes: Tensor

    def __init__(self, n_features: int, n_components: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("axes", torch.zeros(n_features, n_components))

    def forward(self, graph: object, x: Tensor) -> Tensor:
        return (x - self.mean) @ self.axes
