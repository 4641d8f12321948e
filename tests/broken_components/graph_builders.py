"""Graph builders that break one rule each."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from broken_components.case import register_broken
from scgnn.components.graph_builders import GraphBuilder


class DenseWeightsBuilder(GraphBuilder):
    """Connects all pairs of cells with a weight above 0."""

    def compute_weights(self, embedding):
        """Return the weights, cells x cells; the diagonal is ignored."""
        return np.ones((len(embedding),) * 2)

    def __call__(self, embedding, seed):
        weights = self.compute_weights(embedding)
        return sparse.csr_matrix(weights * (1 - np.eye(len(weights))))


@register_broken("builds_valid_graph", "30 cells: the graph is not symmetric")
class Asymmetric(DenseWeightsBuilder):
    """Builds a directed graph."""

    def compute_weights(self, embedding):
        return np.triu(super().compute_weights(embedding))


@register_broken("builds_valid_graph", "30 cells: the graph has self-loops")
class SelfLoops(DenseWeightsBuilder):
    """Connects each cell to itself."""

    def __call__(self, embedding, seed):
        return sparse.csr_matrix(self.compute_weights(embedding))


@register_broken("builds_valid_graph", "30 cells: a stored weight is not above 0")
class NegativeWeights(DenseWeightsBuilder):
    """Has negative weights."""

    def compute_weights(self, embedding):
        return -super().compute_weights(embedding)


@register_broken("graph_has_edges", "the graph of 30 cells has no edges")
class NoEdges(DenseWeightsBuilder):
    """Connects no cells."""

    def compute_weights(self, embedding):
        return 0 * super().compute_weights(embedding)


@register_broken("accepts_identical_cells", "30 identical cells: a weight is not finite")
class InverseDistance(DenseWeightsBuilder):
    """Weights edges by the inverse distance."""

    def __call__(self, embedding, seed):
        distances = np.linalg.norm(embedding[:, None] - embedding, axis=2)
        with np.errstate(divide="ignore"):
            weights = 1 / distances
        np.fill_diagonal(weights, 0)
        return sparse.csr_matrix(weights)


@register_broken("accepts_few_cells", "2 cells, graph: expected shape (2, 2), got (5, 5)")
class AtLeastFiveCells(DenseWeightsBuilder):
    """Assumes five cells or more."""

    def compute_weights(self, embedding):
        return np.ones((max(5, len(embedding)),) * 2)


@register_broken("accepts_single_cell", "one cell, graph: expected shape (1, 1), got (2, 2)")
class AtLeastTwoCells(DenseWeightsBuilder):
    """Assumes two cells or more."""

    def compute_weights(self, embedding):
        return np.ones((max(2, len(embedding)),) * 2)


@register_broken(
    "is_permutation_equivariant", "the edges of a cell depend on the order of the cells"
)
class Chain(DenseWeightsBuilder):
    """Connects consecutive cells."""

    def compute_weights(self, embedding):
        return np.eye(len(embedding), k=1) + np.eye(len(embedding), k=-1)
