"""What an encoder is, and what all networks here are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import torch
from scipy import sparse
from torch import Tensor, nn

from scgnn.fields import Activation, Normalization, Widths
from scgnn.registry import Component
from scgnn.state import Matrix

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
    n_features, to an embedding, cells x ``width(n_features)``. That of a ``variational`` one is a
    :class:`scgnn.components.encoders.Posterior`. The last number of ``hidden`` is the width of the
    embedding; one without ``hidden`` says its width in ``width`` and ``widened``. ``graph`` is the
    scipy matrix that the graph builder gave, in the form that :meth:`graph` makes of it once; only
    an encoder with ``requires = frozenset({"graph"})`` gets one.
    """

    variational: ClassVar[bool] = False

    hidden: Widths

    def build(self, n_features: int) -> nn.Module:
        """A new module with fresh weights, drawn from torch's generator."""
        raise NotImplementedError

    def width(self, n_features: int) -> int:
        """How many numbers a cell is turned into."""
        return self.hidden[-1]

    def widened(self, width: int) -> Encoder:
        """The same encoder with an embedding of another width.

        Raises
        ------
        ValueError
            It has no width of its own.
        """
        if not isinstance(getattr(self, "hidden", None), tuple):
            raise ValueError(
                f"{self.name} has no hidden, a tuple with the width of each layer; give it one, or "
                "set graph_decoder.variational: false"
            )
        return replace(self, hidden=(*self.hidden[:-1], width))  # type: ignore[type-var]

    def prepare(self, module: nn.Module, x: Matrix, seed: int) -> None:
        """Set what is computed from ``x`` rather than trained. Most encoders have nothing to do."""

    def graph(self, graph: sparse.csr_matrix | None) -> Any:
        """The cell graph in the form that ``forward`` wants; by default as it is."""
        return graph


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
