"""Checks of pruners."""

from __future__ import annotations

import numpy as np

from scgnn.components.pruners import Pruner
from scgnn.testing.check import register_check, require
from scgnn.testing.edge_cases import SyntheticCells, make_cells, make_identical_cells
from scgnn.testing.exercise import compute_neighbors


def _make_five_cells() -> SyntheticCells:
    """Return the first cells, duplicates among them: some pruners take long for each cell."""
    return make_cells().take(np.arange(5))


@register_check("pruner")
def check_returns_boolean_mask(pruner: Pruner) -> None:
    """It returns a boolean mask of the shape of the neighbors, true for edges to keep."""
    neighbors, distances = compute_neighbors(_make_five_cells())
    mask = np.asarray(pruner(neighbors, distances, 1))
    require(mask.shape == neighbors.shape, f"the mask is {mask.shape}, not {neighbors.shape}")
    require(mask.dtype == bool, f"the mask is {mask.dtype}, not bool")


@register_check("pruner")
def check_keeps_nearest_neighbor(pruner: Pruner) -> None:
    """Every cell keeps the edge to its nearest neighbor."""
    for cells, context in (
        (_make_five_cells(), "5 cells"),
        (make_identical_cells(5), "5 identical cells"),
    ):
        for k in (1, 4):
            mask = pruner(*compute_neighbors(cells, k), 1)
            n_lost = int((~mask[:, 0]).sum())
            require(not n_lost, f"{context}, k = {k}: {n_lost} cells lose their nearest neighbor")
