"""What a graph builder is."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scgnn.registry.component import Component


class GraphBuilder(Component, kind="graph_builder"):
    """Connects cells that are near each other in an embedding.

    A builder that declares ``requires = frozenset({"batch"})`` is called with one argument more,
    the batch of each cell as a whole number [cells].
    """

    def __call__(self, embedding: np.ndarray, seed: int) -> sparse.csr_matrix:
        """The graph, cells x cells: symmetric CSR, no self-loops, weights > 0."""
        raise NotImplementedError
