"""Graphs of the cells within a radius."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from scgnn.components.graph_builders.contract import GraphBuilder
from scgnn.components.graph_builders.edges import Weights, edge_weights, no_edges, tidy
from scgnn.components.graph_builders.neighbors import Metric, nearest, neighbour_count, within
from scgnn.field_types import Neighbours, Rate


@GraphBuilder.register("radius")
@dataclass(frozen=True)
class Radius(GraphBuilder):
    """All cells within a radius of each other (the ε-graph of Belkin & Niyogi 2003).

    A cell with none inside stays alone; where the cells are dense so is the graph.

    Parameters
    ----------
    radius
        In the metric's unit; auto is the median distance of a cell to its k-th neighbour, so that
        half of the cells have k neighbours or more.
    k
        The neighbour that auto goes by: a number, below 1 a share of the cells, or adaptive, half
        the square root of their number, between 5 and 30.
    metric
        Distance between embeddings: euclidean, cosine (1 − cos) or correlation (1 − Pearson).
    weights
        binary is 1; distance is 1 / (1 + d); gaussian is exp(−d² / radius²).
    """

    radius: Rate | Literal["auto"] = "auto"
    k: Neighbours = 10
    metric: Metric = "euclidean"
    weights: Weights = "binary"

    def __call__(self, embedding: np.ndarray, seed: int) -> sparse.csr_matrix:
        n = len(embedding)
        if n == 1:
            return no_edges(n)
        radius = self._median(embedding) if self.radius == "auto" else self.radius
        one, other, distances = within(embedding, radius, self.metric)
        weights = edge_weights(self.weights, distances, radius**2 or 1.0)
        half = sparse.csr_matrix((weights, (one, other)), (n, n))
        return tidy(half + half.T)

    def _median(self, embedding: np.ndarray) -> float:
        k = neighbour_count(self.k, len(embedding))
        return float(np.median(nearest(embedding, k, self.metric)[1][:, -1]))
