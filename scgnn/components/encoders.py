"""Encoders: cells into vectors, with or without the graph.

Message passing is DGL's; this file is the only one that knows it, behind :func:`to_dgl`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from scgnn.errors import UserError
from scgnn.fields import Activation, Positive, ProperShare, Widths
from scgnn.registry import Component
from scgnn.state import Matrix, dense

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "elu": nn.functional.elu,
    "softplus": nn.functional.softplus,
    "tanh": torch.tanh,
    "none": lambda x: x,
}


def activate(name: Activation, x: Tensor) -> Tensor:
    """Apply an activation by its name."""
    return _ACTIVATIONS[name](x)


class Encoder(Component, kind="encoder"):
    """Turns cells into vectors, with or without the graph.

    ``build(n_features)`` gives a module whose ``forward(graph, x)`` maps features, cells x
    n_features, to an embedding, cells x ``hidden[-1]``.
    """

    hidden: Widths

    def build(self, n_features: int) -> nn.Module:
        """A new module with fresh weights, drawn from torch's generator."""
        raise NotImplementedError

    def prepare(self, module: nn.Module, x: Matrix, seed: int) -> None:
        """Set what is computed from ``x`` rather than trained. Most encoders have nothing to do."""

    def graph(self, graph: sparse.csr_matrix | None) -> Any:
        """The cell graph in the form that ``forward`` wants; by default as it is."""
        return graph


@Encoder.register("mlp")
@dataclass(frozen=True)
class MLP(Encoder):
    """Fully connected layers: the encoder of scGNN's feature autoencoder.

    Parameters
    ----------
    hidden
        Width of each layer; the last is the embedding.
    activation
        After every layer but the last.
    output_activation
        After the last layer. The original has relu, which leaves many units dead; none is linear.
    """

    hidden: Widths = (512, 128)
    activation: Activation = "relu"
    output_activation: Activation = "relu"

    def build(self, n_features: int) -> nn.Module:
        return Dense(n_features, self.hidden, self.activation, self.output_activation)


class Dense(nn.Module):
    """Linear layers with activations; ignores the graph."""

    def __init__(
        self,
        n_features: int,
        widths: tuple[int, ...],
        activation: Activation,
        output_activation: Activation,
    ) -> None:
        super().__init__()
        sizes = (n_features, *widths)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.activations = [activation] * (len(widths) - 1) + [output_activation]

    def forward(self, graph: object, x: Tensor) -> Tensor:
        for layer, activation in zip(self.layers, self.activations, strict=True):
            x = activate(activation, layer(x))
        return x


@Encoder.register("pca")
@dataclass(frozen=True)
class PCA(Encoder):
    """Principal components: the linear floor. Computed, not trained (scikit-learn).

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


def to_dgl(graph: sparse.csr_matrix) -> Any:
    """A cell graph as a DGLGraph with self-loops, the one place where DGL meets the rest.

    Edge data ``norm`` holds D^-1/2 (A + I) D^-1/2 [edges], the symmetric normalisation of Kipf &
    Welling (2017), so weighted graphs need nothing else.
    """
    os.environ.setdefault("DGLBACKEND", "pytorch")  # else dgl writes a file into the home folder
    try:
        import dgl
    except Exception as error:  # a broken binary raises anything from ImportError to OSError
        raise UserError(
            f"dgl cannot be imported ({error}); install dgl==1.1.3 and packaging, "
            "and see what 'scgnn-recipe doctor' says"
        ) from error
    loops = (graph + sparse.identity(graph.shape[0], format="csr")).tocoo()
    scale = 1 / np.sqrt(np.asarray(loops.sum(axis=1)).ravel())
    made = dgl.graph(
        (torch.as_tensor(loops.row), torch.as_tensor(loops.col)), num_nodes=graph.shape[0]
    )
    norm = loops.data * scale[loops.row] * scale[loops.col]
    made.edata["norm"] = torch.as_tensor(norm, dtype=torch.float32)
    return made


@dataclass(frozen=True)
class MessagePassing(Encoder):
    """What the graph encoders share: a stack of layers that pass messages along edges."""

    hidden: Widths = (32, 16)
    dropout: ProperShare = 0.0
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})

    def layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        """One layer: ``forward(graph, x)`` from cells x n_in to cells x n_out."""
        raise NotImplementedError

    def build(self, n_features: int) -> nn.Module:
        sizes = (n_features, *self.hidden)
        layers = [
            self.layer(sizes[i], sizes[i + 1], last=i + 1 == len(self.hidden))
            for i in range(len(self.hidden))
        ]
        return Stack(layers, self.dropout)

    def graph(self, graph: sparse.csr_matrix | None) -> Any:
        assert graph is not None
        return to_dgl(graph)


class Stack(nn.Module):
    """Message-passing layers, dropout before each and ReLU between."""

    def __init__(self, layers: list[nn.Module], dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.dropout = nn.Dropout(dropout)

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            x = layer(graph, self.dropout(torch.relu(x) if i else x))
        return x


@Encoder.register("gcn")
@dataclass(frozen=True)
class GCN(MessagePassing):
    """Graph convolution (Kipf & Welling 2017): the mean of the neighbourhood, then a linear map.

    Parameters
    ----------
    hidden
        Width of each layer; the last is the embedding.
    dropout
        Share of inputs to each layer set to zero while training.
    """

    def layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        return Convolution(n_in, n_out)


class Convolution(nn.Module):
    """``Â x W`` without bias, Â the normalised adjacency with self-loops."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        from dgl.nn.pytorch import GraphConv

        self.convolve = GraphConv(n_in, n_out, norm="none", bias=False)

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        return self.convolve(graph, x, edge_weight=graph.edata["norm"].to(x.dtype))


@Encoder.register("gat")
@dataclass(frozen=True)
class GAT(MessagePassing):
    """Graph attention (Velickovic 2018): neighbours weighted by what they hold.

    Parameters
    ----------
    hidden
        Width of each layer, all heads together; the last is the embedding.
    dropout
        Share of inputs to each layer set to zero while training.
    heads
        Attention heads: side by side in the inner layers, averaged in the last.
    """

    heads: Positive = 2

    def __post_init__(self) -> None:
        for width in self.hidden[:-1]:
            if width % self.heads:
                raise ValueError(f"hidden: {width} cannot be divided among {self.heads} heads")

    def layer(self, n_in: int, n_out: int, last: bool) -> nn.Module:
        return Attention(n_in, n_out, self.heads, last)


class Attention(nn.Module):
    """Multi-head attention over the neighbours and the cell itself."""

    def __init__(self, n_in: int, n_out: int, heads: int, last: bool) -> None:
        super().__init__()
        from dgl.nn.pytorch import GATConv

        self.last = last
        self.attend = GATConv(n_in, n_out if last else n_out // heads, heads)

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        out = self.attend(graph, x)  # cells x heads x width
        return out.mean(1) if self.last else out.flatten(1)
