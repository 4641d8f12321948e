"""The networks that encoders build. Importing this loads torch; describing an encoder does not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from scgnn.field_types import Activation, Normalization

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "elu": nn.functional.elu,
    "softplus": nn.functional.softplus,
    "tanh": torch.tanh,
}


def activate(name: Activation | None, x: Tensor) -> Tensor:
    """Apply an activation by its name; None leaves ``x`` as it is."""
    return x if name is None else _ACTIVATIONS[name](x)


def build_normalization(normalization: Normalization | None, width: int) -> nn.Module:
    """Normalisation of cells x width."""
    if normalization == "batch":
        return BatchNorm(width)
    return nn.LayerNorm(width) if normalization == "layer" else nn.Identity()


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation, which leaves a batch of one cell to the running figures."""

    def forward(self, input: Tensor) -> Tensor:
        if self.training and len(input) == 1:
            return nn.functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


class IdentityNetwork(nn.Module):
    """``x``; ignores the graph."""

    def forward(self, graph: object, x: Tensor) -> Tensor:
        return x


class DenseNetwork(nn.Module):
    """Linear layers with activations; ignores the graph."""

    def __init__(
        self,
        n_features: int,
        widths: tuple[int, ...],
        activation: Activation | None,
        output_activation: Activation | None,
        dropout: float = 0.0,
        normalization: Normalization | None = None,
    ) -> None:
        super().__init__()
        self.widths = widths
        sizes = (n_features, *widths)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(
            build_normalization(normalization, width) for width in widths[:-1]
        )
        self.norms.append(nn.Identity())
        self.activations = [activation] * (len(widths) - 1) + [output_activation]
        self.dropout = nn.Dropout(dropout)

    @property
    def is_unregularized(self) -> bool:
        """Whether there is neither dropout nor normalisation."""
        return not self.dropout.p and all(isinstance(norm, nn.Identity) for norm in self.norms)

    def forward(self, graph: object, x: Tensor) -> Tensor:
        return self.forward_output(self.forward_hidden(x))

    def forward_hidden(self, x: Tensor) -> Tensor:
        """What the last layer sees."""
        for number in range(len(self.layers) - 1):
            x = self._apply_layer(number, x)
        return x

    def forward_output(self, hidden: Tensor) -> Tensor:
        """What the last layer makes of it."""
        return self._apply_layer(len(self.layers) - 1, hidden)

    def _apply_layer(self, index: int, x: Tensor) -> Tensor:
        mapped = self.norms[index](self.layers[index](self.dropout(x)))
        return activate(self.activations[index], mapped)


class GaussianPosterior(nn.Module):
    """A normal distribution per cell: a draw from it in training, its mean otherwise.

    Attributes
    ----------
    mean, log_sd
        Of the cells last seen, cells x width.
    """

    mean: Tensor
    log_std: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        last = [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]
        with torch.no_grad():  # so that training begins with sd near 1 and not with noise alone
            last.weight[last.out_features // 2 :] *= 0.01

    def forward(self, graph: object, x: Tensor) -> Tensor:
        self.mean, log_sd = self.network(graph, x).chunk(2, dim=1)
        self.log_std = log_sd.clamp(-10, 10)  # exp stays finite
        if not self.training:
            return self.mean
        return self.mean + torch.randn_like(self.mean) * self.log_std.exp()


class LinearProjection(nn.Module):
    """``(x − mean) @ axes``, with nothing to train; ignores the graph."""

    mean: Tensor
    components: Tensor

    def __init__(self, n_features: int, n_components: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("components", torch.zeros(n_features, n_components))

    def forward(self, graph: object, x: Tensor) -> Tensor:
        return (x - self.mean) @ self.components


class MessagePassingNetwork(nn.Module):
    """Message-passing layers; between them normalisation, activation and dropout."""

    def __init__(
        self,
        layer: Callable[[int, int, bool], nn.Module],
        widths: tuple[int, ...],
        activation: Activation | None,
        dropout: float,
        normalization: Normalization | None,
        residual: bool,
    ) -> None:
        super().__init__()
        sizes = list(pairwise(widths))
        self.layers = nn.ModuleList(
            layer(a, b, i + 1 == len(sizes)) for i, (a, b) in enumerate(sizes)
        )
        self.skips = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in sizes if residual)
        self.norms = nn.ModuleList(build_normalization(normalization, b) for _, b in sizes[:-1])
        self.activation = activation
        self.dropout = nn.Dropout(dropout)

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            if i:
                x = activate(self.activation, self.norms[i - 1](x))
            x = self.dropout(x)
            out = layer(graph, x)
            x = out + self.skips[i](x) if len(self.skips) else out
        return x


class WeightedConvolution(nn.Module):
    """A layer of dgl.nn that sums over the neighbourhood, weighted as the edges are.

    ``before`` is a map of the features that comes first, for layers without weights.
    """

    def __init__(self, layer: nn.Module, input_projection: nn.Module | None = None) -> None:
        super().__init__()
        self.input_projection, self.layer = input_projection or nn.Identity(), layer

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        return self.layer(graph, self.input_projection(x), edge_weight=get_edge_weights(graph, x))


class NormalizedConvolution(nn.Module):
    """A linear layer of dgl.nn that sums over the neighbourhood, between two D^-1/2."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        scale = graph.ndata["scale"].to(x.dtype)[:, None]
        return scale * self.layer(graph, scale * x, edge_weight=get_edge_weights(graph, x))


class NodewiseLinear(nn.Module):
    """A map of the features that leaves the graph aside."""

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        return self.linear(x)


class MultiHeadAttention(nn.Module):
    """A layer of dgl.nn with heads: side by side in the inner layers, averaged in the last."""

    def __init__(self, layer_class: type, n_in: int, n_out: int, heads: int, last: bool) -> None:
        super().__init__()
        if not last and n_out % heads:
            raise ValueError(f"hidden: {n_out} cannot be divided among {heads} heads")
        self.last = last
        self.layer = layer_class(n_in, n_out if last else n_out // heads, heads)

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        out = self.layer(graph, x)  # cells x heads x width
        return out.mean(1) if self.last else out.flatten(1)


def get_edge_weights(graph: Any, like: Tensor) -> Tensor | None:
    """The weights of a graph's edges; None where all are 1, which DGL sums many times faster."""
    weights = graph.edata["weight"]
    return None if bool((weights == 1).all()) else weights.to(like.dtype)


class ChebyshevConvolution(nn.Module):
    """DGL's ChebConv without its own activation."""

    def __init__(self, n_in: int, n_out: int, n_terms: int) -> None:
        super().__init__()
        from dgl.nn.pytorch import ChebConv

        self.layer = ChebConv(n_in, n_out, n_terms, activation=None)

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        return self.layer(graph, x, lambda_max=[2.0])


class GCN2Network(nn.Module):
    """Into the inner width, GCNII layers that share their first input, out of it."""

    def __init__(
        self,
        layer: Callable[[int], nn.Module],
        n_layers: int,
        widths: tuple[int, int, int],
        activation: Activation | None,
        dropout: float,
        normalization: Normalization | None,
    ) -> None:
        super().__init__()
        n_features, width, n_out = widths
        self.activation = activation
        self.input_layer = nn.Linear(n_features, width)
        self.layers = nn.ModuleList(layer(number) for number in range(1, n_layers + 1))
        self.norms = nn.ModuleList(build_normalization(normalization, width) for _ in self.layers)
        self.output_layer = nn.Linear(width, n_out)
        self.dropout = nn.Dropout(dropout)

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        first = x = activate(self.activation, self.input_layer(self.dropout(x)))
        weights = get_edge_weights(graph, x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = activate(self.activation, norm(layer(graph, self.dropout(x), first, weights)))
        return self.output_layer(self.dropout(x))
