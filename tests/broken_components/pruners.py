"""Pruners that break one rule each."""

from __future__ import annotations

import numpy as np

from broken_components.case import breaks
from scgnn.components.pruners import Pruner


@breaks("gives_a_mask", "the mask is (5, 1), not (5, 4)")
class Narrow(Pruner):
    """Looks at the nearest alone."""

    def __call__(self, neighbours, distances, seed=0):
        return np.ones((len(distances), 1), dtype=bool)


@breaks("gives_a_mask", "the mask is float64, not bool")
class Soft(Pruner):
    """Keeps edges by half."""

    def __call__(self, neighbours, distances, seed=0):
        return np.full(distances.shape, 0.5)


@breaks("keeps_the_nearest", "5 cells, k = 1: 5 lose their nearest")
class Harsh(Pruner):
    """Keeps nothing."""

    def __call__(self, neighbours, distances, seed=0):
        return np.zeros(distances.shape, dtype=bool)
