"""Which cells are near which: exact, in blocks, or approximate with a known recall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from scgnn.components.graph_builders.approximate import approximate
from scgnn.components.graph_builders.exact import exact
from scgnn.field_types import Neighbours

if TYPE_CHECKING:
    from torch import Tensor

Metric = Literal["euclidean", "cosine", "correlation"]

EXACT_UP_TO = 30_000  # cells
RECALL = 0.9  # of the exact neighbours beyond
ROWS_AT_ONCE = 256
EDGES_AT_ONCE = 2**16  # whose coordinates are held together when their lengths are taken


def neighbour_count(k: Neighbours, n_cells: int) -> int:
    """How many neighbours ``k`` means among so many cells, at least 1.

    A share is a share of the cells; adaptive is half the square root of their number, between 5
    and 30.
    """
    if isinstance(k, str):
        return int(np.clip(round(np.sqrt(n_cells) / 2), 5, 30))
    return max(1, round(k * n_cells)) if isinstance(k, float) else k


def nearest(
    embedding: np.ndarray,
    k: int,
    metric: Metric,
    exact_up_to: int = EXACT_UP_TO,
    recall: float = RECALL,
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest other cells and their distances, both cells x k, nearest first.

    Neighbours come from an exact search in blocks, beyond ``exact_up_to`` cells from
    :func:`scgnn.components.graph_builders.approximate.approximate` where faiss is installed; the
    distances are then recomputed in float64, and ties are ordered by cell.
    """
    points = _points(embedding, metric)
    n = len(points)
    k = min(k, n - 1)
    if k < 1:
        return np.empty((n, 0), dtype=np.int64), np.empty((n, 0))
    few = n <= exact_up_to
    found = exact(points, points, k + 1) if few else approximate(points, k + 1, recall)
    return _by_distance(points, points, found, metric, k, not_itself=True)


def nearest_among(
    others: np.ndarray, embedding: np.ndarray, k: int, metric: Metric
) -> tuple[np.ndarray, np.ndarray]:
    """For each row of ``others`` the k nearest rows of ``embedding``, as :func:`nearest`."""
    queries, points = _points(others, metric), _points(embedding, metric)
    k = min(k, len(points))
    return _by_distance(queries, points, exact(queries, points, k), metric, k)


def within(
    embedding: np.ndarray, radius: float, metric: Metric
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pair of cells no farther apart than ``radius``: first, second > first, distance."""
    from sklearn.neighbors import NearestNeighbors

    points = _points(embedding, metric)
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
    for start in range(0, len(one), EDGES_AT_ONCE):
        edges = slice(start, start + EDGES_AT_ONCE)
        apart = points[one[edges]] - points[other[edges]]
        distances[edges] = _lengths(torch.from_numpy(apart), metric)
    near = distances <= radius
    return one[near], other[near], distances[near]


def _by_distance(
    queries: np.ndarray,
    points: np.ndarray,
    found: np.ndarray,
    metric: Metric,
    k: int,
    not_itself: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of the points found, by their distance in float64 and then by number."""
    found = np.sort(found, axis=1)
    distances = np.empty(found.shape)
    ends, starts = torch.from_numpy(points), torch.from_numpy(queries)[:, None]
    for start in range(0, len(found), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        apart = ends[torch.from_numpy(found[rows])] - starts[rows]
        distances[rows] = _lengths(apart, metric)
    if not_itself:
        distances[found == np.arange(len(found))[:, None]] = np.inf
    order = distances.argsort(axis=1, kind="stable")[:, :k]
    return np.take_along_axis(found, order, 1), np.take_along_axis(distances, order, 1)


def _lengths(apart: Tensor, metric: Metric) -> np.ndarray:
    """Distances along the last axis from differences of points, which it uses up."""
    squares = apart.square_().sum(-1)
    return (squares.sqrt_() if metric == "euclidean" else squares / 2).numpy()


def _points(embedding: np.ndarray, metric: Metric) -> np.ndarray:
    """Points whose Euclidean distance ranks cells as the metric does: |a − b|² = 2 (1 − cos)."""
    embedding = np.require(embedding, np.float64, ["C", "W"])  # torch reads nothing else
    if metric == "euclidean":
        return embedding
    if metric == "correlation":
        embedding = embedding - embedding.mean(1, keepdims=True)
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    return np.divide(embedding, length, out=np.zeros_like(embedding), where=length > 0)
