"""Radius graphs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import csr_matrix

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
    """Radius graph (ε-graph): all pairs of cells within a distance (Belkin & Niyogi 2003).

    Cells without others in their radius are isolated; cells in dense regions have many edges.

    Parameters
    ----------
    radius
        Radius, in units of the metric; auto is the median distance of a cell to its k-th neighbor,
        so that half of the cells have k neighbors or more.
    n_neighbors
        k of the auto radius: a number, below 1 a fraction of the cells, or adaptive, half the
        square root of their number, within 5 and 30.
    metric
        Distance between embeddings: euclidean, cosine (1 − cos) or correlation (1 − Pearson).
    weights
        Edge weights: binary is 1; inverse_distance is 1 / (1 + d); gaussian is exp(−d² / radius²).

    References
    ----------
    Belkin, Niyogi (2003) Laplacian eigenmaps for dimensionality reduction and data representation.
    Neural Computation 15:1373.
    """

    radius: PositiveFloat | Literal["auto"] = "auto"
    n_neighbors: NeighborCount = 10
    metric: Metric = "euclidean"
    weights: EdgeWeighting = "binary"

    def __call__(self, embedding: np.ndarray, seed: int) -> csr_matrix:
        n = len(embedding)
        if n == 1:
            return make_empty_graph(n)
        radius = self._compute_auto_radius(embedding) if self.radius == "auto" else self.radius
        i, j, distances = radius_neighbors(embedding, radius, self.metric)
        weights = compute_edge_weights(self.weights, distances, radius**2 or 1.0)
        upper = csr_matrix((weights, (i, j)), (n, n))
        return canonicalize(upper + upper.T)

    def _compute_auto_radius(self, embedding: np.ndarray) -> float:
        k = resolve_n_neighbors(self.n_neighbors, len(embedding))
        return float(np.median(kneighbors(embedding, k, self.metric)[0][:, -1]))
