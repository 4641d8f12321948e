"""Graph builders that break one rule each."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from broken_components.case import register_broken
from scgnn.components.graph_builders import GraphBuilder


class DenseWeightsBuilder(GraphBuilder):
    """Weights between all cells, by a rule."""

    def compute_weights(self, embedding):
        """Cells x cells, the diagonal left out afterwards."""
        return np.ones((len(embedding),) * 2)

    def __call__(self, embedding, seed):
        weights = self.compute_weights(embedding)
        return sparse.csr_matrix(weights * (1 - np.eye(len(weights))))


@register_broken("builds_valid_graph", "30 cells: the graph is not symmetric")
class Asymmetric(DenseWeightsBuilder):
    """Links in one direction."""

    def compute_weights(self, embedding):
        return np.triu(super().compute_weights(embedding))


@register_broken("builds_valid_graph", "30 cells: a cell is linked to itself")
class SelfLoops(DenseWeightsBuilder):
    """Links a cell to itself."""

    def __call__(self, embedding, seed):
        return sparse.csr_matrix(self.compute_weights(embedding))


@register_broken("builds_valid_graph", "30 cells: a stored weight is not above 0")
class NegativeWeights(DenseWeightsBuilder):
    """Has weights below 0."""

    def compute_weights(self, embedding):
        return -super().compute_weights(embedding)


@register_broken("graph_has_edges", "30 cells get a graph without edges")
class NoEdges(DenseWeightsBuilder):
    """Links nothing."""

    def compute_weights(self, embedding):
        return 0 * super().compute_weights(embedding)


@register_broken("accepts_identical_cells", "30 equal cells: a weight is not finite")
class InverseDistance(DenseWeightsBuilder):
    """One by the distance."""

    def __call__(self, embedding, seed):
        distances = np.linalg.norm(embedding[:, None] - embedding, axis=2)
        with np.errstate(divide="ignore"):
            weights = 1 / distances
        np.fill_diagonal(weights, 0)
        return sparse.csr_matrix(weights)


@register_broken("accepts_few_cells", "2 cells: the graph is (5, 5), not (2, 2)")
class AtLeastFiveCells(DenseWeightsBuilder):
    """Wants five cells."""

    def compute_weights(self, embedding):
        return np.ones((max(5, len(embedding)),) * 2)


@register_broken("accepts_single_cell", "one cell: the graph is (2, 2), not (1, 1)")
class AtLeastTwoCells(DenseWeightsBuilder):
    """Wants two cells."""

    def compute_weights(self, embedding):
        return np.ones((max(2, len(embedding)),) * 2)


@register_broken("is_permutation_equivariant", "cells in another order get other edges or weights")
class Chain(DenseWeightsBuilder):
    """Links each cell to the next one."""

    def compute_weights(self, embedding):
        return np.eye(len(embedding), k=1) + np.eye(len(embedding), k=-1)
