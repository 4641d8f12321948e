"""Which cells are near which: exact, in blocks, or approximate with a known recall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from scgnn.components.graph_builders.approximate import search
from scgnn.fields import Neighbours

if TYPE_CHECKING:
    from torch import Tensor

Metric = Literal["euclidean", "cosine", "correlation"]

EXACT_UP_TO = 30_000  # cells
RECALL = 0.9  # of the exact neighbours beyond
SPARE = 8  # neighbours looked at besides those asked for
ROWS_AT_ONCE = 512
SAMPLE = 512  # points whose middle stands for that of all
GROUP = 32  # points whose nearest is found first
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
    return _by_distance(points, points, found, metric, k, not_itself=True)


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
        apart = points[one[edges]] - points[other[edges]]
        distances[edges] = _lengths(torch.from_numpy(apart), metric)
    near = distances <= radius
    return one[near], other[near], distances[near]


def _search(queries: np.ndarray, points: np.ndarray, k: int) -> np.ndarray:
    """The k nearest points of each query and a few more, nearest first up to rounding.

    A few more than k are taken from distances in float32. Where these are so close that rounding
    could have left out one of the k, the search in float64 decides.
    """
    n, wanted = len(points), k + SPARE
    if wanted >= n:
        return _surely(queries, points, n)
    a, b = (x.float() for x in _centred(queries, points))  # what is not finite is doubtful
    b = torch.cat([b, b.new_zeros(-n % GROUP, b.shape[1])])
    lengths = b.square().sum(1)
    longest = float(lengths.max())
    lengths[n:] = torch.inf  # no point
    found = np.empty((len(a), wanted), dtype=np.int64)
    doubtful = np.zeros(len(a), dtype=bool)
    rounding = 2 * b.shape[1] * np.finfo(np.float32).eps
    memory = torch.empty(min(ROWS_AT_ONCE, len(a)), len(b))
    for start in range(0, len(a), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        squares = memory[: len(a[rows])]
        torch.addmm(lengths, a[rows], b.T, alpha=-2, out=squares)  # less the query's own
        near, found[rows] = (each.numpy() for each in _smallest(squares, wanted))
        size = a[rows].square().sum(1).numpy() + longest
        with np.errstate(invalid="ignore"):
            gap = near[:, -1] - near[:, k - 1]
        doubtful[rows] = ~(np.isfinite(gap) & (gap > 2 * rounding * size))
    if doubtful.any():
        found[doubtful] = _surely(queries[doubtful], points, wanted)
    return found


def _surely(queries: np.ndarray, points: np.ndarray, k: int) -> np.ndarray:
    """The k nearest points of each query, nearest first, in float64 (scikit-learn)."""
    from sklearn.neighbors import NearestNeighbors

    one, other = _centred(queries, points)
    slow = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(other.numpy())
    found: np.ndarray = slow.kneighbors(one.numpy(), return_distance=False)
    return found


def _centred(*of: np.ndarray) -> tuple[Tensor, ...]:
    """All about the middle of the last, in the columns in which the last varies."""
    varies = np.ptp(of[-1], axis=0) > 0  # a unit that is dead in all cells tells none apart
    varies[:1] |= not varies.any()
    middle = np.median(of[-1][:: len(of[-1]) // SAMPLE + 1], axis=0)  # a far cell moves it little
    centred = (torch.from_numpy(x) - torch.from_numpy(middle) for x in of)
    return tuple(x if varies.all() else x[:, torch.from_numpy(varies)] for x in centred)


def _smallest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k smallest of each row, rising, and where they are.

    They lie in the k groups of columns whose smallest values are the smallest.
    """
    groups = values.view(len(values), -1, GROUP)
    if k >= groups.shape[1]:
        return values.topk(k, largest=False)
    best = groups.amin(2).topk(k, largest=False, sorted=False).indices
    inside = groups.gather(1, best[:, :, None].expand(-1, -1, GROUP)).flatten(1)
    smallest, at = inside.topk(k, largest=False)
    return smallest, best.gather(1, at // GROUP) * GROUP + at % GROUP


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
    for start in range(0, len(found), ROWS_AT_ONCE // 2):
        rows = slice(start, start + ROWS_AT_ONCE // 2)
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
