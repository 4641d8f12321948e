"""Encoders that break one rule each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from broken_components.case import breaks
from scgnn.components.encoders import Encoder


class Linear(nn.Module):
    """One linear layer."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)

    def forward(self, graph, x):
        return self.layer(x)


@dataclass(frozen=True)
class Layer(Encoder):
    """One linear layer."""

    hidden: tuple[int, ...] = (4,)
    module: ClassVar[type[nn.Module]] = Linear

    def build(self, n_features):
        return self.module(n_features, self.hidden[-1])


def layer(check: str, said: str):
    """Put an encoder among the cases whose network is the given class."""

    def add(module):
        breaks(check, said)(type("Broken" + module.__name__, (Layer,), {"module": module}))
        return module

    return add


@breaks("gives_its_width", "the embedding is 30 x 4, not 30 cells x 5 (its width)")
class Boastful(Layer):
    """Says that it is wider."""

    def width(self, n_features):
        return self.hidden[-1] + 1


@breaks(
    "its_settings_have_an_effect",
    "dropout: 0.5 gives what dropout: 0.0 gives; use it, or leave the setting out",
)
@dataclass(frozen=True)
class Idle(Layer):
    """Has a setting that nothing reads."""

    dropout: float = 0.0


@layer("gives_its_width", "the embedding is torch.float64, not torch.float32")
class Double(Linear):
    """Works in float64."""

    def forward(self, graph, x):
        return super().forward(graph, x).double()


@layer("a_gradient_reaches_every_weight", "no gradient reaches unused.weight, unused.bias")
class Unused(Linear):
    """Has a layer for nothing."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.unused = nn.Linear(n_in, n_out)


@layer("leaves_the_cells_as_they_are", "the network overwrites its input; compute a new tensor")
class Overwriting(Linear):
    """Doubles what it is given, in place."""

    def forward(self, graph, x):
        return super().forward(graph, x.mul_(2))


@layer("draws_nothing_in_eval", "in eval mode two passes differ")
class Noisy(Linear):
    """Always adds noise."""

    def forward(self, graph, x):
        return super().forward(graph, x) + torch.rand(len(x), 1)


@layer("relabelled_cells_relabel_the_embedding", "cells in another order get other embeddings")
class Counting(Linear):
    """Looks at the place of a cell."""

    def forward(self, graph, x):
        return super().forward(graph, x) + torch.arange(len(x))[:, None]


@layer("takes_lone_cells", "a graph without edges: the embedding is not finite")
class Dividing(Linear):
    """Divides by the degree."""

    def forward(self, graph, x):
        degree = torch.from_numpy(np.asarray(graph.sum(axis=1), dtype=np.float32))
        return super().forward(graph, x) / degree


@layer("weights_are_its_whole_state", "state_dict does not hold all; use parameters and buffers")
class Forgetful(Linear):
    """Keeps a number where nobody looks."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.shift = torch.rand(())

    def forward(self, graph, x):
        return super().forward(graph, x) + self.shift


@breaks("takes_another_width", "widened to 8 it has 4")
class Stubborn(Layer):
    """Stays as it is."""

    def widened(self, width):
        return self
