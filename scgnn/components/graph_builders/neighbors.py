"""Which cells are near which: exact, in blocks, or approximate with a known recall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from scgnn.components.graph_builders.approximate import approximate_kneighbors
from scgnn.components.graph_builders.exact import exact_kneighbors
from scgnn.field_types import NeighborCount

if TYPE_CHECKING:
    from torch import Tensor

Metric = Literal["euclidean", "cosine", "correlation"]

DEFAULT_EXACT_UP_TO = 30_000  # cells
DEFAULT_RECALL = 0.9  # of the exact neighbours beyond
ROWS_PER_BLOCK = 256
EDGES_PER_BLOCK = 2**16  # whose coordinates are held together when their lengths are taken


def resolve_n_neighbors(n_neighbors: NeighborCount, n_cells: int) -> int:
    """How many neighbours ``k`` means among so many cells, at least 1.

    A share is a share of the cells; adaptive is half the square root of their number, between 5
    and 30.
    """
    if isinstance(n_neighbors, str):
        return int(np.clip(round(np.sqrt(n_cells) / 2), 5, 30))
    return max(1, round(n_neighbors * n_cells)) if isinstance(n_neighbors, float) else n_neighbors


def kneighbors(
    embedding: np.ndarray,
    n_neighbors: int,
    metric: Metric,
    exact_up_to: int = DEFAULT_EXACT_UP_TO,
    recall: float = DEFAULT_RECALL,
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest other cells and their distances, both cells x k, nearest first.

    Neighbours come from an exact search in blocks, beyond ``exact_up_to`` cells from
    :func:`scgnn.components.graph_builders.approximate.approximate` where faiss is installed; the
    distances are then recomputed in float64, and ties are ordered by cell.
    """
    points = _transform_for_metric(embedding, metric)
    n = len(points)
    n_neighbors = min(n_neighbors, n - 1)
    if n_neighbors < 1:
        return np.empty((n, 0), dtype=np.int64), np.empty((n, 0))
    few = n <= exact_up_to
    found = (
        exact_kneighbors(points, points, n_neighbors + 1)
        if few
        else approximate_kneighbors(points, n_neighbors + 1, recall)
    )
    return _sort_by_distance(points, points, found, metric, n_neighbors, exclude_self=True)


def cross_kneighbors(
    query_embedding: np.ndarray, embedding: np.ndarray, n_neighbors: int, metric: Metric
) -> tuple[np.ndarray, np.ndarray]:
    """For each row of ``others`` the k nearest rows of ``embedding``, as :func:`nearest`."""
    queries, points = (
        _transform_for_metric(query_embedding, metric),
        _transform_for_metric(embedding, metric),
    )
    n_neighbors = min(n_neighbors, len(points))
    return _sort_by_distance(
        queries, points, exact_kneighbors(queries, points, n_neighbors), metric, n_neighbors
    )


def radius_neighbors(
    embedding: np.ndarray, radius: float, metric: Metric
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pair of cells no farther apart than ``radius``: first, second > first, distance."""
    from sklearn.neighbors import NearestNeighbors

    points = _transform_for_metric(embedding, metric)
    square = radius**2 if metric == "euclidean" else 2 * radius
    # a little more than wanted, as the search rounds; the exact distances decide
    limit = np.sqrt(square * (1 + 1e-9) + 1e-12 * np.square(points).sum(1).max())
    search = NearestNeighbors(radius=limit, algorithm="brute").fit(points)
    found = search.radius_neighbors(points, return_distance=False)
    one = np.repeat(np.arange(len(points)), [len(row) for row in found])
    other = np.concatenate(found)
    once = one < other
    one, other = one[once], other[once]
    distances = np.empty(len(one))
    for start in range(0, len(one), EDGES_PER_BLOCK):
        edges = slice(start, start + EDGES_PER_BLOCK)
        apart = points[one[edges]] - points[other[edges]]
        distances[edges] = _compute_distances(torch.from_numpy(apart), metric)
    near = distances <= radius
    return one[near], other[near], distances[near]


def _sort_by_distance(
    queries: np.ndarray,
    points: np.ndarray,
    candidates: np.ndarray,
    metric: Metric,
    n_neighbors: int,
    exclude_self: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of the points found, by their distance in float64 and then by number."""
    candidates = np.sort(candidates, axis=1)
    distances = np.empty(candidates.shape)
    ends, starts = torch.from_numpy(points), torch.from_numpy(queries)[:, None]
    for start in range(0, len(candidates), ROWS_PER_BLOCK):
        rows = slice(start, start + ROWS_PER_BLOCK)
        apart = ends[torch.from_numpy(candidates[rows])] - starts[rows]
        distances[rows] = _compute_distances(apart, metric)
    if exclude_self:
        distances[candidates == np.arange(len(candidates))[:, None]] = np.inf
    order = distances.argsort(axis=1, kind="stable")[:, :n_neighbors]
    return np.take_along_axis(candidates, order, 1), np.take_along_axis(distances, order, 1)


def _compute_distances(differences: Tensor, metric: Metric) -> np.ndarray:
    """Distances along the last axis from differences of points, which it uses up."""
    squares = differences.square_().sum(-1)
    return (squares.sqrt_() if metric == "euclidean" else squares / 2).numpy()


def _transform_for_metric(embedding: np.ndarray, metric: Metric) -> np.ndarray:
    """Points whose Euclidean distance ranks cells as the metric does: |a − b|² = 2 (1 − cos)."""
    embedding = np.require(embedding, np.float64, ["C", "W"])  # torch reads nothing else
    if metric == "euclidean":
        return embedding
    if metric == "correlation":
        embedding = embedding - embedding.mean(1, keepdims=True)
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    return np.divide(embedding, length, out=np.zeros_like(embedding), where=length > 0)
