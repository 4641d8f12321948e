"""Graph builders that break one rule each."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from broken_components.case import breaks
from scgnn.components.graph_builders import GraphBuilder


class Builder(GraphBuilder):
    """Weights between all cells, by a rule."""

    def weights(self, embedding):
        """Cells x cells, the diagonal left out afterwards."""
        return np.ones((len(embedding),) * 2)

    def __call__(self, embedding, seed):
        weights = self.weights(embedding)
        return sparse.csr_matrix(weights * (1 - np.eye(len(weights))))


@breaks("builds_a_cell_graph", "30 cells: the graph is not symmetric")
class OneWay(Builder):
    """Links in one direction."""

    def weights(self, embedding):
        return np.triu(super().weights(embedding))


@breaks("builds_a_cell_graph", "30 cells: a cell is linked to itself")
class Selfish(Builder):
    """Links a cell to itself."""

    def __call__(self, embedding, seed):
        return sparse.csr_matrix(self.weights(embedding))


@breaks("builds_a_cell_graph", "30 cells: a stored weight is not above 0")
class Negative(Builder):
    """Has weights below 0."""

    def weights(self, embedding):
        return -super().weights(embedding)


@breaks("links_cells", "30 cells get a graph without edges")
class Lonely(Builder):
    """Links nothing."""

    def weights(self, embedding):
        return 0 * super().weights(embedding)


@breaks("takes_equal_cells", "30 equal cells: a weight is not finite")
class Inverse(Builder):
    """One by the distance."""

    def __call__(self, embedding, seed):
        distances = np.linalg.norm(embedding[:, None] - embedding, axis=2)
        with np.errstate(divide="ignore"):
            weights = 1 / distances
        np.fill_diagonal(weights, 0)
        return sparse.csr_matrix(weights)


@breaks("takes_few_cells", "2 cells: the graph is (5, 5), not (2, 2)")
class Many(Builder):
    """Wants five cells."""

    def weights(self, embedding):
        return np.ones((max(5, len(embedding)),) * 2)


@breaks("takes_one_cell", "one cell: the graph is (2, 2), not (1, 1)")
class Two(Builder):
    """Wants two cells."""

    def weights(self, embedding):
        return np.ones((max(2, len(embedding)),) * 2)


@breaks("relabelled_cells_relabel_the_graph", "cells in another order get other edges or weights")
class Chain(Builder):
    """Links each cell to the next one."""

    def weights(self, embedding):
        return np.eye(len(embedding), k=1) + np.eye(len(embedding), k=-1)
