"""Pruners that break one rule each."""

from __future__ import annotations

import numpy as np

from broken_components.case import register_broken
from scgnn.components.pruners import Pruner


@register_broken("returns_boolean_mask", "mask: expected shape (5, 4), got (5, 1)")
class WrongMaskShape(Pruner):
    """Returns a mask of the nearest neighbors only."""

    def __call__(self, neighbors, distances, seed=0):
        return np.ones((len(distances), 1), dtype=bool)


@register_broken("returns_boolean_mask", "the mask is float64, not bool")
class FloatMask(Pruner):
    """Returns floats."""

    def __call__(self, neighbors, distances, seed=0):
        return np.full(distances.shape, 0.5)


@register_broken("keeps_nearest_neighbor", "5 of 5 cells lose their nearest neighbor of 1")
class NoEdgesKept(Pruner):
    """Drops all edges."""

    def __call__(self, neighbors, distances, seed=0):
        return np.zeros(distances.shape, dtype=bool)
