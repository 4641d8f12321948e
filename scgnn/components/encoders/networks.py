"""Networks of encoders. Importing this module loads torch; describing an encoder does not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from scgnn.field_types import Activation, Normalization
from scgnn.seeding import draw_normal, torch_generator

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "elu": nn.functional.elu,
    "softplus": nn.functional.softplus,
    "tanh": torch.tanh,
}


def activate(name: Activation | None, x: Tensor) -> Tensor:
    """Apply an activation by its name; None is the identity."""
    return x if name is None else _ACTIVATIONS[name](x)


def build_normalization(normalization: Normalization | None, width: int) -> nn.Module:
    """Return a normalization of cells x width."""
    if normalization == "batch":
        return BatchNorm(width)
    return nn.LayerNorm(width) if normalization == "layer" else nn.Identity()


class BatchNorm(nn.BatchNorm1d):
    """Batch normalization, which uses the running statistics for a batch of one cell."""

    def forward(self, input: Tensor) -> Tensor:
        if self.training and len(input) == 1:
            return nn.functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


class Nodewise(nn.Module):
    """A network applied to each cell on its own; ignores the graph."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, graph: object, x: Tensor) -> Tensor:
        return self.network(x)


class DenseNetwork(nn.Module):
    """Linear layers with dropout, normalization and activations; ignores the graph."""

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
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise((n_features, *widths)))
        self.norms = nn.ModuleList(build_normalization(normalization, b) for b in widths[:-1])
        self.norms.append(nn.Identity())
        self.activations = [activation] * (len(widths) - 1) + [output_activation]
        self.dropout = Dropout(dropout)

    @property
    def is_unregularized(self) -> bool:
        """Whether there is neither dropout nor normalization."""
        return not self.dropout.p and all(isinstance(norm, nn.Identity) for norm in self.norms)

    def forward(self, graph: object, x: Tensor) -> Tensor:
        return self.apply_layers(x, len(self.layers))

    def apply_layers(self, x: Tensor, n_layers: int) -> Tensor:
        """Return the output of the first ``n_layers`` layers, cells x units."""
        for i in range(n_layers):
            x = activate(self.activations[i], self.norms[i](self.layers[i](self.dropout(x))))
        return x


class Dropout(nn.Module):
    """Inverted dropout whose draws are from :func:`~scgnn.seeding.torch_generator`.

    With the same generator state, the result is that of ``torch.nn.Dropout``, bit by bit. Masks
    are as large as the data and are drawn on their device, which gives other ones on a GPU.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        generator = torch_generator(x.device)
        mask = torch.empty_like(x).bernoulli_(1 - self.p, generator=generator)
        return x * mask.div_(1 - self.p)


class GaussianPosterior(nn.Module):
    """Gaussian posterior of each cell: a sample in training, its mean otherwise.

    Attributes
    ----------
    mean, log_std
        Parameters for the last cells passed through the network, cells x width.
    """

    mean: Tensor
    log_std: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        last = [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]
        with torch.no_grad():  # start at a standard deviation near 1
            last.weight[last.out_features // 2 :] *= 0.01

    def forward(self, graph: object, x: Tensor) -> Tensor:
        self.mean, log_std = self.network(graph, x).chunk(2, dim=1)
        self.log_std = log_std.clamp(-10, 10)  # exp stays finite
        if not self.training:
            return self.mean
        return self.mean + draw_normal(self.mean) * self.log_std.exp()


class LinearProjection(nn.Module):
    """``(x − mean) @ components``, without trainable weights; ignores the graph."""

    mean: Tensor
    components: Tensor

    def __init__(self, n_features: int, n_components: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("components", torch.zeros(n_features, n_components))

    def forward(self, graph: object, x: Tensor) -> Tensor:
        return (x - self.mean) @ self.components


class MessagePassingNetwork(nn.Module):
    """Message-passing layers with normalization, activation and dropout between them."""

    def __init__(
        self,
        build_layer: Callable[[int, int, bool], nn.Module],
        widths: tuple[int, ...],
        activation: Activation | None,
        dropout: float,
        normalization: Normalization | None,
        residual: bool,
    ) -> None:
        super().__init__()
        sizes = list(pairwise(widths))
        self.layers = nn.ModuleList(
            build_layer(a, b, i + 1 == len(sizes)) for i, (a, b) in enumerate(sizes)
        )
        self.skips = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in sizes if residual)
        self.norms = nn.ModuleList(build_normalization(normalization, b) for _, b in sizes[:-1])
        self.activation = activation
        self.dropout = Dropout(dropout)

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            if i:
                x = activate(self.activation, self.norms[i - 1](x))
            x = self.dropout(x)
            out = layer(graph, x)
            x = out + self.skips[i](x) if len(self.skips) else out
        return x


class GCN2Network(nn.Module):
    """Linear input layer, GCNII layers that share its output, and linear output layer."""

    def __init__(
        self,
        build_layer: Callable[[int], nn.Module],
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
        self.layers = nn.ModuleList(build_layer(i + 1) for i in range(n_layers))
        self.norms = nn.ModuleList(build_normalization(normalization, width) for _ in self.layers)
        self.output_layer = nn.Linear(width, n_out)
        self.dropout = Dropout(dropout)

    def forward(self, graph: Any, x: Tensor) -> Tensor:
        first = x = activate(self.activation, self.input_layer(self.dropout(x)))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = activate(self.activation, norm(layer(graph, self.dropout(x), first)))
        return self.output_layer(self.dropout(x))
