"""Which cells are near which: exact, in blocks, or approximate with a known recall."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from scgnn.components.graph_builders.approximate import search
from scgnn.fields import Neighbours

Metric = Literal["euclidean", "cosine", "correlation"]

EXACT_UP_TO = 30_000  # cells
RECALL = 0.9  # of the exact neighbours beyond
SPARE = 8  # neighbours looked at besides those asked for
ROWS_AT_ONCE = 512
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
    :func:`scgnn.components.graph_builders.approximate.search` where faiss is installed; the
    distances are then recomputed in float64, and ties are ordered by cell.
    """
    points = _points(embedding, metric)
    n = len(points)
    k = min(k, n - 1)
    if k < 1:
        return np.empty((n, 0), dtype=np.int64), np.empty((n, 0))
    if n <= exact_up_to:
        found = _search(points, points, k + 1)
    else:
        found = search(points, k + 1, _search, recall)
    itself = found == np.arange(n)[:, None]
    return _by_distance(points, points, found, metric, k, itself)


def nearest_among(
    others: np.ndarray, embedding: np.ndarray, k: int, metric: Metric
) -> tuple[np.ndarray, np.ndarray]:
    """For each row of ``others`` the k nearest rows of ``embedding``, as :func:`nearest`."""
    queries, points = _points(others, metric), _points(embedding, metric)
    k = min(k, len(points))
    return _by_distance(queries, points, _search(queries, points, k), metric, k)


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
    """The k nearest points of each query and a few more, nearest first up to rounding.

    A few more than k are taken from distances in float32. Where these are so close that rounding
    could have left out one of the k, scikit-learn's search in float64 decides.
    """
    wanted = min(k + SPARE, len(points))
    middle = points.mean(0)
    varies = np.ptp(points, axis=0) > 0  # a unit that is dead in all cells tells none apart
    varies[:1] |= not varies.any()
    exact = [(x - middle)[:, varies] for x in (queries, points)]
    with np.errstate(over="ignore"):  # what is not finite is doubtful
        a, b = (torch.from_numpy(x.astype(np.float32)) for x in exact)
    lengths = b.square().sum(1)
    found = np.empty((len(a), wanted), dtype=np.int64)
    doubtful = np.zeros(len(a), dtype=bool)
    rounding = 2 * b.shape[1] * np.finfo(np.float32).eps
    for start in range(0, len(a), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        squares = torch.addmm(lengths, a[rows], b.T, alpha=-2)  # less the query's own
        near, found[rows] = (each.numpy() for each in squares.topk(wanted, largest=False))
        if wanted < len(points):
            size = a[rows].square().sum(1).numpy() + float(lengths.max())
            with np.errstate(invalid="ignore"):
                doubtful[rows] = ~(near[:, -1] - near[:, k - 1] > 2 * rounding * size)
    if doubtful.any():
        from sklearn.neighbors import NearestNeighbors

        slow = NearestNeighbors(n_neighbors=wanted, algorithm="brute").fit(exact[1])
        found[doubtful] = slow.kneighbors(exact[0][doubtful], return_distance=False)
    return found


def _by_distance(
    queries: np.ndarray,
    points: np.ndarray,
    found: np.ndarray,
    metric: Metric,
    k: int,
    never: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of the points found, by their distance in float64 and then by number."""
    distances = np.empty(found.shape)
    for j in range(found.shape[1]):
        distances[:, j] = _lengths(queries, points[found[:, j]], metric)
    if never is not None:
        distances[never] = np.inf
    order = np.lexsort((found, distances), axis=1)[:, :k]
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
