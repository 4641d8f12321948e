"""What a clusterer is."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from scipy import sparse

from scgnn.errors import UserError
from scgnn.registry.component import Component


class Clusterer(Component, kind="clusterer"):
    """Groups cells by their embedding or their graph.

    Labels are whole numbers 0 … K−1, none missing, the largest cluster first; clusters of equal
    size are numbered by their first cell.
    """

    def __call__(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
    ) -> np.ndarray:
        """Labels [cells] from an embedding, cells x d, and a graph, cells x cells."""
        raise NotImplementedError


@contextmanager
def suppress_warnings() -> Iterator[None]:
    """Without the warnings of scikit-learn about data on which its answer is taken as it is."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def check_max_cells(name: str, n_cells: int, max_cells: int, alternatives: str) -> None:
    """Refuse more cells than a clusterer that holds every pair of them has memory for.

    Raises
    ------
    UserError
        Naming what to do instead.
    """
    if n_cells > max_cells:
        raise UserError(
            f"{name} holds every pair of cells in memory, and {n_cells:,} cells are more than its "
            f"max_cells, {max_cells:,}; take {alternatives}, or set a higher max_cells"
        )
