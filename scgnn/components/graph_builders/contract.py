"""Contract of graph builders."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from scgnn.components.graph_builders.neighbors import DEFAULT_EXACT_UP_TO
from scgnn.field_types import Cost
from scgnn.registry.component import Component

# for the cost estimate
SECONDS_PER_DISTANCE = 7e-9  # exact search
SECONDS_PER_APPROXIMATE_QUERY = 3e-4  # up to LARGE_N_CELLS
LARGE_N_CELLS = 64_000  # beyond, caches miss more often


class GraphBuilder(Component, kind="graph_builder"):
    """Base class of graph builders, which connect cells that are close in an embedding.

    A builder with ``requires = frozenset({"batch"})`` is called with a third argument, the integer
    batch of each cell [cells].
    """

    def __call__(self, embedding: np.ndarray, seed: int) -> csr_matrix:
        """Return the cell graph.

        Parameters
        ----------
        embedding
            Embedding of the cells, cells x d.
        seed
            Seed of all random numbers.

        Returns
        -------
        csr_matrix
            Edge weights > 0, cells x cells, float32: symmetric, without self-loops.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__()")

    def estimate_n_edges(self, n_cells: int) -> float:
        """Return the expected number of entries of the graph, for the cost estimate."""
        return 1.6 * n_cells * 15.0

    def estimate_cost(self, n_cells: int) -> Cost:
        """Return the cost of building the graph: a neighbor search, by default."""
        seconds = n_cells**2 * SECONDS_PER_DISTANCE
        if n_cells > getattr(self, "exact_up_to", DEFAULT_EXACT_UP_TO):
            slowdown = max(1.0, n_cells / LARGE_N_CELLS) ** 0.6
            seconds = n_cells * SECONDS_PER_APPROXIMATE_QUERY * slowdown
        memory_mb = n_cells * 6.5e-3 + self.estimate_n_edges(n_cells) * 60e-6
        return Cost(seconds + n_cells * 2e-5, memory_mb)
