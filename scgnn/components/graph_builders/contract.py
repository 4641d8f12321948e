"""Contract of graph builders."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from scgnn.registry.component import Component


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
        raise NotImplementedError
