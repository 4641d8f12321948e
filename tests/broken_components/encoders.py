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
    """Put an encoder among the cases whose network is the given class."""

    def add(module):
        register_broken(check, message)(
            type("Broken" + module.__name__, (LinearEncoder,), {"module": module})
        )
        return module

    return add


@register_broken(
    "embedding_has_declared_width", "the embedding is 30 x 4, not 30 cells x 5 (its width)"
)
class WrongWidth(LinearEncoder):
    """Says that it is wider."""

    def embedding_width(self, n_features):
        return self.hidden[-1] + 1


@register_broken(
    "settings_take_effect",
    "dropout: 0.5 gives what dropout: 0.0 gives; use it, or leave the setting out",
)
@dataclass(frozen=True)
class IgnoredDropout(LinearEncoder):
    """Has a setting that nothing reads."""

    dropout: float = 0.0


@register_broken_network(
    "embedding_has_declared_width", "the embedding is torch.float64, not torch.float32"
)
class Float64Network(LinearNetwork):
    """Works in float64."""

    def forward(self, graph, x):
        return super().forward(graph, x).double()


@register_broken_network(
    "all_weights_receive_gradients", "no gradient reaches unused.weight, unused.bias"
)
class UnusedLayer(LinearNetwork):
    """Has a layer for nothing."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.unused = nn.Linear(n_in, n_out)


@register_broken_network(
    "forward_does_not_modify_inputs", "the network overwrites its input; compute a new tensor"
)
class InPlaceNetwork(LinearNetwork):
    """Doubles what it is given, in place."""

    def forward(self, graph, x):
        return super().forward(graph, x.mul_(2))


@register_broken_network("is_deterministic_in_eval_mode", "in eval mode two passes differ")
class EvalNoise(LinearNetwork):
    """Always adds noise."""

    def forward(self, graph, x):
        return super().forward(graph, x) + torch.rand(len(x), 1)


@register_broken_network(
    "is_permutation_equivariant", "cells in another order get other embeddings"
)
class OrderDependent(LinearNetwork):
    """Looks at the place of a cell."""

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
    "state_dict_is_complete", "state_dict does not hold all; use parameters and buffers"
)
class UnsavedTensor(LinearNetwork):
    """Keeps a number where nobody looks."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.shift = torch.rand(())

    def forward(self, graph, x):
        return super().forward(graph, x) + self.shift


@register_broken("supports_other_widths", "widened to 8 it has 4")
class FixedWidth(LinearEncoder):
    """Stays as it is."""

    def replace_width(self, width):
        return self
