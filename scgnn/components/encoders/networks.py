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
    "none": lambda x: x,
}


def activate(name: Activation, x: Tensor) -> Tensor:
    """Apply an activation by its name."""
    return _ACTIVATIONS[name](x)


def normalizer(rule: Normalization, width: int) -> nn.Module:
    """Normalisation of cells x width."""
    if rule == "batch":
        return BatchNorm(width)
    return nn.LayerNorm(width) if rule == "layer" else nn.Identity()


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation, which leaves a batch of one cell to the running figures."""

    def forward(self, input: Tensor) -> Tensor:
        if self.training and len(input) == 1:
            return nn.functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


class Unchanged(nn.Module):
    """``x``; ignores the graph."""

    def forward(self, graph: object, x: Tensor) -> Tensor:
        return x


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


class Stack(nn.Module):
    """Message-passing layers; between them normalisation, activation and dropout."""

    def __init__(
        self,
        layer: Callable[[int, int, bool], nn.Module],
        widths: tuple[int, ...],
        activation: Activation,
        dropout: float,
        normalization: Normalization,
        residual: bool,
    ) -> None:
        super().__init__()
        sizes = list(pairwise(widths))
        self.layers = nn.ModuleList(
            layer(a, b, i + 1 == len(sizes)) for i, (a, b) in enumerate(sizes)
        )
        self.skips = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in sizes if residual)
        self.norms = nn.ModuleList(normalizer(normalization, b) for _, b in sizes[:-1])
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


class Convolution(nn.Module):
    """A layer of dgl.nn that sums over the neighbourhood, weighted as the edges are.

    ``before`` is a map of the features that comes first, for layers without weights.
    """

    def __init__(self, layer: nn.Module, before: nn.Module | None = None) -> None:
        super().__init__()
        self.before, self.layer = before or nn.Identity(), layer

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        return self.layer(graph, self.before(x), edge_weight=weights_of(graph, x))


class Normalized(nn.Module):
    """A linear layer of dgl.nn that sums over the neighbourhood, between two D^-1/2."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        scale = graph.ndata["scale"].to(x.dtype)[:, None]
        return scale * self.layer(graph, scale * x, edge_weight=weights_of(graph, x))


class Alone(nn.Module):
    """A map of the features that leaves the graph aside."""

    def __init__(self, of_cells: nn.Module) -> None:
        super().__init__()
        self.of_cells = of_cells

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        return self.of_cells(x)


class Attention(nn.Module):
    """A layer of dgl.nn with heads: side by side in the inner layers, averaged in the last."""

    def __init__(self, layer: type, n_in: int, n_out: int, heads: int, last: bool) -> None:
        super().__init__()
        if not last and n_out % heads:
            raise ValueError(f"hidden: {n_out} cannot be divided among {heads} heads")
        self.last = last
        self.attend = layer(n_in, n_out if last else n_out // heads, heads)

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        out = self.attend(graph, x)  # cells x heads x width
        return out.mean(1) if self.last else out.flatten(1)


def weights_of(graph: Any, like: Tensor) -> Tensor | None:
    """The weights of a graph's edges; None where all are 1, which DGL sums many times faster."""
    weights = graph.edata["weight"]
    return None if bool((weights == 1).all()) else weights.to(like.dtype)


class Chebyshev(nn.Module):
    """DGL's ChebConv without its own activation."""

    def __init__(self, n_in: int, n_out: int, terms: int) -> None:
        super().__init__()
        from dgl.nn.pytorch import ChebConv

        self.layer = ChebConv(n_in, n_out, terms, activation=None)

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        return self.layer(graph, x, lambda_max=[2.0])


class DeepResidual(nn.Module):
    """Into the inner width, GCNII layers that share their first input, out of it."""

    def __init__(
        self,
        layer: Callable[[int], nn.Module],
        n_layers: int,
        widths: tuple[int, int, int],
        activation: Activation,
        dropout: float,
        normalization: Normalization,
    ) -> None:
        super().__init__()
        n_features, width, n_out = widths
        self.activation = activation
        self.enter = nn.Linear(n_features, width)
        self.layers = nn.ModuleList(layer(number) for number in range(1, n_layers + 1))
        self.norms = nn.ModuleList(normalizer(normalization, width) for _ in self.layers)
        self.leave = nn.Linear(width, n_out)
        self.dropout = nn.Dropout(dropout)

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        first = x = activate(self.activation, self.enter(self.dropout(x)))
        weights = weights_of(graph, x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = activate(self.activation, norm(layer(graph, self.dropout(x), first, weights)))
        return self.leave(self.dropout(x))
