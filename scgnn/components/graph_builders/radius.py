"""Graphs of the cells within a radius."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from scgnn.components.graph_builders.contract import GraphBuilder
from scgnn.components.graph_builders.edges import (
    EdgeWeighting,
    canonicalize,
    compute_edge_weights,
    make_empty_graph,
)
from scgnn.components.graph_builders.neighbors import (
    Metric,
    kneighbors,
    radius_neighbors,
    resolve_n_neighbors,
)
from scgnn.field_types import NeighborCount, PositiveFloat


@GraphBuilder.register("radius")
@dataclass(frozen=True)
class RadiusGraph(GraphBuilder):
    """All cells within a radius of each other (the ε-graph of Belkin & Niyogi 2003).

    A cell with none inside stays alone; where the cells are dense so is the graph.

    Parameters
    ----------
    radius
        In the metric's unit; auto is the median distance of a cell to its k-th neighbour, so that
        half of the cells have k neighbours or more.
    n_neighbors
        The neighbour that auto goes by: a number, below 1 a share of the cells, or adaptive, half
        the square root of their number, between 5 and 30.
    metric
        Distance between embeddings: euclidean, cosine (1 − cos) or correlation (1 − Pearson).
    weights
        binary is 1; inverse_distance is 1 / (1 + d); gaussian is exp(−d² / radius²).
    """

    radius: PositiveFloat | Literal["auto"] = "auto"
    n_neighbors: NeighborCount = 10
    metric: Metric = "euclidean"
    weights: EdgeWeighting = "binary"

    def __call__(self, embedding: np.ndarray, seed: int) -> sparse.csr_matrix:
        n = len(embedding)
        if n == 1:
            return make_empty_graph(n)
        radius = self._compute_auto_radius(embedding) if self.radius == "auto" else self.radius
        one, other, distances = radius_neighbors(embedding, radius, self.metric)
        weights = compute_edge_weights(self.weights, distances, radius**2 or 1.0)
        half = sparse.csr_matrix((weights, (one, other)), (n, n))
        return canonicalize(half + half.T)

    def _compute_auto_radius(self, embedding: np.ndarray) -> float:
        k = resolve_n_neighbors(self.n_neighbors, len(embedding))
        return float(np.median(kneighbors(embedding, k, self.metric)[1][:, -1]))
