"""pruners"""

from __future__ import annotations

import numpy as np

from scgnn.components.pruners import Pruner
from scgnn.testing.check import register_check, require
from scgnn.testing.edge_cases import SyntheticCells, make_cells, make_identical_cells
from scgnn.testing.exercise import compute_neighbors


def _make_five_cells() -> SyntheticCells:
    """The first cells, twins and the empty one among them: some pruners are slow by the cell."""
    return make_cells().take(np.arange(5))


@register_check("pruner")
def check_returns_boolean_mask(pruner: Pruner) -> None:
    """A mask of the shape of the neighbours, true for edges kept."""
    near, distances = compute_neighbors(_make_five_cells())
    mask = np.asarray(pruner(near, distances, 1))
    require(mask.shape == near.shape, f"the mask is {mask.shape}, not {near.shape}")
    require(mask.dtype == bool, f"the mask is {mask.dtype}, not bool")


@register_check("pruner")
def check_keeps_nearest_neighbor(pruner: Pruner) -> None:
    """Each cell keeps its nearest neighbour."""
    for some, what in ((_make_five_cells(), "5 cells"), (make_identical_cells(5), "equal cells")):
        for k in (1, 4):
            mask = pruner(*compute_neighbors(some, k), 1)
            lost = int((~mask[:, 0]).sum())
            require(not lost, f"{what}, k = {k}: {lost} lose their nearest")
