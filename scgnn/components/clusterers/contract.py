"""Contract of clusterers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, TypeAlias

import numpy as np
from scipy.sparse import csr_matrix

from scgnn.errors import UserError
from scgnn.registry.component import Component

Graph: TypeAlias = csr_matrix | None  # cells x cells; None in pipelines without a graph


class Clusterer(Component, kind="clusterer"):
    """Base class of clusterers, which partition cells by their embedding or their graph."""

    seconds_per_cell: ClassVar[float] = 3e-5  # for the cost estimate

    def fit_predict(self, embedding: np.ndarray, graph: Graph, seed: int) -> np.ndarray:
        """Return the cluster of each cell.

        Parameters
        ----------
        embedding
            Embedding of the cells, cells x d.
        graph
            Cell graph, cells x cells, symmetric; None where no graph is available, which a
            clusterer that needs it rules out by ``requires = frozenset({"graph"})``.
        seed
            Seed of all random numbers.

        Returns
        -------
        ndarray
            Integers 0 … K−1 [cells] without gaps, by decreasing cluster size, ties by first cell:
            :func:`scgnn.components.clusterers.relabel_by_size` renumbers any partition so.
        """
        raise NotImplementedError(f"{type(self).__name__} must define fit_predict()")


@contextmanager
def suppress_warnings() -> Iterator[None]:
    """Silence scikit-learn's warnings about degenerate data and slow convergence."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def check_max_cells(name: str, n_cells: int, max_cells: int, alternatives: str) -> None:
    """Raise UserError for more cells than a clusterer with quadratic memory accepts."""
    if n_cells > max_cells:
        raise UserError(
            f"{name} holds every pair of cells in memory, and {n_cells:,} cells are more than its "
            f"max_cells, {max_cells:,}; use {alternatives}, or set a higher max_cells"
        )
