"""pruners"""

from __future__ import annotations

import numpy as np

from scgnn.components.pruners import Pruner
from scgnn.testing.check import check, demand
from scgnn.testing.edge_cases import Cells, cells, equal
from scgnn.testing.exercise import neighbours


def _five() -> Cells:
    """The first cells, twins and the empty one among them: some pruners are slow by the cell."""
    return cells().ordered(np.arange(5))


@check("pruner")
def check_gives_a_mask(pruner: Pruner) -> None:
    """A mask of the shape of the neighbours, true for edges kept."""
    near, distances = neighbours(_five())
    mask = np.asarray(pruner(near, distances, 1))
    demand(mask.shape == near.shape, f"the mask is {mask.shape}, not {near.shape}")
    demand(mask.dtype == bool, f"the mask is {mask.dtype}, not bool")


@check("pruner")
def check_keeps_the_nearest(pruner: Pruner) -> None:
    """Each cell keeps its nearest neighbour."""
    for some, what in ((_five(), "5 cells"), (equal(5), "equal cells")):
        for k in (1, 4):
            mask = pruner(*neighbours(some, k), 1)
            lost = int((~mask[:, 0]).sum())
            demand(not lost, f"{what}, k = {k}: {lost} lose their nearest")
