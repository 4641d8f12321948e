"""Which cells are near which: exact, in blocks, or approximate with a known recall."""

from __future__ import annotations

from typing import Literal

import numpy as np

from scgnn.components.graph_builders.approximate import search
from scgnn.fields import Neighbours

Metric = Literal["euclidean", "cosine", "correlation"]

EXACT_UP_TO = 30_000  # cells
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
    embedding: np.ndarray, k: int, metric: Metric, exact_up_to: int = EXACT_UP_TO
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest other cells and their distances, both cells x k, nearest first.

    Neighbours come from scikit-learn's exact search in blocks, beyond ``exact_up_to`` cells from
    :func:`scgnn.components.graph_builders.approximate.search` where faiss is installed; the
    distances are then recomputed in float64, and ties are ordered by cell.
    """
    points = _points(embedding, metric)
    n = len(points)
    k = min(k, n - 1)
    if k < 1:
        return np.empty((n, 0), dtype=np.int64), np.empty((n, 0))
    found = _search(points, points, k + 1) if n <= exact_up_to else search(points, k + 1, _search)
    # the cell itself goes; where equal cells pushed it out, the last of the list goes
    itself = found == np.arange(n)[:, None]
    itself[~itself.any(axis=1), -1] = True
    return _by_distance(points, points, found[~itself].reshape(n, k), metric)


def nearest_among(
    others: np.ndarray, embedding: np.ndarray, k: int, metric: Metric
) -> tuple[np.ndarray, np.ndarray]:
    """For each row of ``others`` the k nearest rows of ``embedding``, as :func:`nearest`."""
    queries, points = _points(others, metric), _points(embedding, metric)
    return _by_distance(queries, points, _search(queries, points, min(k, len(points))), metric)


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
        distances[edges] = _lengths(points[one[edges]], points[other[edges]], metric)
    near = distances <= radius
    return one[near], other[near], distances[near]


def _search(queries: np.ndarray, points: np.ndarray, k: int) -> np.ndarray:
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points)
    return np.asarray(search.kneighbors(queries, return_distance=False))


def _by_distance(
    queries: np.ndarray, points: np.ndarray, found: np.ndarray, metric: Metric
) -> tuple[np.ndarray, np.ndarray]:
    distances = np.empty(found.shape)
    for j in range(found.shape[1]):
        distances[:, j] = _lengths(queries, points[found[:, j]], metric)
    order = np.lexsort((found, distances), axis=1)
    return np.take_along_axis(found, order, 1), np.take_along_axis(distances, order, 1)


def _lengths(one: np.ndarray, other: np.ndarray, metric: Metric) -> np.ndarray:
    """Distances row by row between points of :func:`_points`."""
    euclidean: np.ndarray = np.sqrt(np.square(one - other).sum(1))
    return euclidean if metric == "euclidean" else euclidean**2 / 2  # |a − b|² = 2 (1 − cos)


def _points(embedding: np.ndarray, metric: Metric) -> np.ndarray:
    """Points whose Euclidean distance ranks cells as the metric does."""
    embedding = np.asarray(embedding, dtype=np.float64)
    if metric == "euclidean":
        return embedding
    if metric == "correlation":
        embedding = embedding - embedding.mean(1, keepdims=True)
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    return np.divide(embedding, length, out=np.zeros_like(embedding), where=length > 0)
