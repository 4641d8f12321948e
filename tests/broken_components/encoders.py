"""Encoders that break one rule each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from broken_components.case import register_broken
from scgnn.components.encoders import Encoder


class LinearNetwork(nn.Module):
    """One linear layer."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)

    def forward(self, graph, x):
        return self.layer(x)


@dataclass(frozen=True)
class LinearEncoder(Encoder):
    """One linear layer."""

    hidden: tuple[int, ...] = (4,)
    module: ClassVar[type[nn.Module]] = LinearNetwork

    def build(self, n_features):
        return self.module(n_features, self.hidden[-1])


def register_broken_network(check: str, message: str):
    """Return a decorator that adds an encoder with the given network to the cases."""

    def register(module):
        register_broken(check, message)(
            type("Broken" + module.__name__, (LinearEncoder,), {"module": module})
        )
        return module

    return register


@register_broken(
    "embedding_has_declared_width",
    "embedding: expected shape (30, 5), got (30, 4)",
)
class WrongWidth(LinearEncoder):
    """Declares another width."""

    def embedding_width(self, n_features):
        return self.hidden[-1] + 1


@register_broken(
    "settings_take_effect",
    "dropout: 0.5 has the same result as 0.0; use or remove the parameter",
)
@dataclass(frozen=True)
class IgnoredDropout(LinearEncoder):
    """Has an unused parameter."""

    dropout: float = 0.0


@register_broken_network(
    "embedding_has_declared_width", "the embedding is torch.float64, not torch.float32"
)
class Float64Network(LinearNetwork):
    """Returns float64."""

    def forward(self, graph, x):
        return super().forward(graph, x).double()


@register_broken_network(
    "all_weights_receive_gradients", "no gradient reaches unused.weight, unused.bias"
)
class UnusedLayer(LinearNetwork):
    """Has an unused layer."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.unused = nn.Linear(n_in, n_out)


@register_broken_network(
    "forward_does_not_modify_inputs",
    "the network modifies its input in place; return a new tensor",
)
class InPlaceNetwork(LinearNetwork):
    """Doubles its input in place."""

    def forward(self, graph, x):
        return super().forward(graph, x.mul_(2))


@register_broken_network("is_deterministic_in_eval_mode", "two passes in eval mode differ")
class EvalNoise(LinearNetwork):
    """Adds noise in eval mode."""

    def forward(self, graph, x):
        return super().forward(graph, x) + torch.rand(len(x), 1)


@register_broken_network(
    "is_permutation_equivariant", "the embedding of a cell depends on the order of the cells"
)
class OrderDependent(LinearNetwork):
    """Adds the index of the cell."""

    def forward(self, graph, x):
        return super().forward(graph, x) + torch.arange(len(x))[:, None]


@register_broken_network(
    "accepts_isolated_cells", "a graph without edges: the embedding is not finite"
)
class DegreeDivision(LinearNetwork):
    """Divides by the degree."""

    def forward(self, graph, x):
        degree = torch.from_numpy(np.asarray(graph.sum(axis=1), dtype=np.float32))
        return super().forward(graph, x) / degree


@register_broken_network(
    "state_dict_is_complete", "state_dict is incomplete; use nn.Parameter or register_buffer"
)
class UnsavedTensor(LinearNetwork):
    """Holds a tensor that is not a buffer."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.shift = torch.rand(())

    def forward(self, graph, x):
        return super().forward(graph, x) + self.shift


@register_broken("supports_other_widths", "after replace_width(8) embedding_width is 4")
class FixedWidth(LinearEncoder):
    """Ignores the requested width."""

    def replace_width(self, width):
        return self
