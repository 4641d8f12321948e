"""Checks of pruners."""

from __future__ import annotations

import numpy as np

from scgnn.components.pruners import Pruner
from scgnn.testing.check import register_check, require, require_shape
from scgnn.testing.edge_cases import SyntheticCells, make_cells, make_identical_cells
from scgnn.testing.exercise import compute_neighbors


def _make_five_cells() -> SyntheticCells:
    """Return the first cells, duplicates among them: some pruners take long for each cell."""
    return make_cells().take(np.arange(5))


@register_check("pruner")
def check_returns_boolean_mask(pruner: Pruner) -> None:
    """Check that it returns a boolean mask, cells x neighbors."""
    neighbors, distances = compute_neighbors(_make_five_cells())
    mask = np.asarray(pruner(neighbors, distances, 1))
    require_shape(mask.shape, neighbors.shape, "mask")
    require(mask.dtype == bool, f"the mask is {mask.dtype}, not bool")


@register_check("pruner")
def check_keeps_nearest_neighbor(pruner: Pruner) -> None:
    """Check that every cell keeps the edge to its nearest neighbor."""
    for cells in (_make_five_cells(), make_identical_cells(5)):
        for k in (1, 4):
            n_lost = int((~pruner(*compute_neighbors(cells, k), 1)[:, 0]).sum())
            require(not n_lost, f"{n_lost} of 5 cells lose their nearest neighbor of {k}")
