"""The nearest points by products of matrices, in blocks; what rounding leaves open is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

N_EXTRA_NEIGHBORS = 8  # neighbours looked at besides those asked for
ROWS_PER_BLOCK = 512
VALUES_PER_BLOCK = 2**20  # of a product in float64
CENTER_SAMPLE_SIZE = 512  # points whose middle stands for that of all
MAX_SQUARED_NORM = 1e37  # square of a length; sums of larger ones overflow in float32
GROUP_SIZE = 32  # points whose nearest is found first


def exact_kneighbors(queries: np.ndarray, points: np.ndarray, n_neighbors: int) -> np.ndarray:
    """The k nearest points of each query and a few more, nearest first up to rounding.

    A few more than k are taken from distances in float32. Where these are so close that rounding
    could have left out one of the k, the search in float64 decides.
    """
    n, wanted = len(points), n_neighbors + N_EXTRA_NEIGHBORS
    if wanted >= n:
        return _exact_kneighbors_float64(queries, points, n)
    a, b = (torch.from_numpy(x) for x in center(np.float32, queries, points))
    b = torch.cat([b, b.new_zeros(-n % GROUP_SIZE, b.shape[1])])
    lengths = b.square().sum(1)
    if not max(lengths.max(), a.square().sum(1).max()) < MAX_SQUARED_NORM:
        return _exact_kneighbors_float64(queries, points, wanted)
    lengths[n:] = torch.inf  # no point
    found = np.empty((len(a), wanted), dtype=np.int64)
    doubtful = np.zeros(len(a), dtype=bool)
    memory = torch.empty(min(ROWS_PER_BLOCK, len(a)), len(b))
    for start in range(0, len(a), ROWS_PER_BLOCK):
        rows = slice(start, start + ROWS_PER_BLOCK)
        squares = memory[: len(a[rows])]
        torch.addmm(lengths, a[rows], b.T, alpha=-2, out=squares)  # less the query's own
        values, places = _select_smallest(squares, wanted)
        near, found[rows] = values.double().numpy(), places.numpy()
        own = a[rows].double().square().sum(1).numpy()
        doubt = 2 * _bound_rounding_error(own, near[:, -1] + own, b.shape[1], np.float32)
        doubtful[rows] = near[:, -1] - near[:, n_neighbors - 1] <= doubt
    if doubtful.any():
        found[doubtful] = _exact_kneighbors_float64(queries[doubtful], points, wanted)
    return found


def _bound_rounding_error(
    squared_norms: np.ndarray, squared_distances: np.ndarray, d: int, dtype: type[np.floating]
) -> np.ndarray:
    """How far a squared distance from a product may be off, of points up to so far away.

    A point no farther than √squares from a query of squared length ``own`` is no longer than both
    together. A sum of d products is off by d/2 eps of its terms at most (Higham 2002, section 3.1),
    and there are two, of numbers that were rounded themselves.
    """
    reach = np.sqrt(squared_norms) + np.sqrt(2 * np.maximum(squared_distances, 0))
    limits = np.finfo(dtype)
    bound: np.ndarray = (d + 4) * (limits.eps * (squared_norms + np.square(reach)) + limits.tiny)
    return bound


def _exact_kneighbors_float64(
    queries: np.ndarray, points: np.ndarray, n_neighbors: int
) -> np.ndarray:
    """The k nearest points of each query, nearest first, and of those at one distance the first.

    Products in float64 leave out what is farther for sure; of the rest the differences decide.
    """
    varies = _find_varying_columns(points)
    if not varies.all():
        queries, points = queries[:, varies], points[:, varies]
    a, b = center(np.float64, queries, points)
    lengths = np.square(b).sum(1)
    found = np.empty((len(a), n_neighbors), dtype=np.int64)
    at_once = max(VALUES_PER_BLOCK // len(b), 1)
    for start in range(0, len(a), at_once):
        rows = a[start : start + at_once]
        own = np.square(rows).sum(1)
        squares = own[:, None] + lengths - 2 * rows @ b.T
        last = np.partition(squares, n_neighbors - 1, axis=1)[:, n_neighbors - 1]
        limit = last + 2 * _bound_rounding_error(own, last, b.shape[1], np.float64)
        for i, row in enumerate(queries[start : start + len(rows)]):
            near = np.flatnonzero(squares[i] <= limit[i])
            order = np.square(points[near] - row).sum(1).argsort(kind="stable")
            found[start + i] = near[order[:n_neighbors]]
    return found


def center(dtype: type[np.floating], *arrays: np.ndarray) -> list[np.ndarray]:
    """All about the middle of the last, in the columns in which the last varies."""
    points, varies = arrays[-1], _find_varying_columns(arrays[-1])
    middle = np.median(
        points[:: len(points) // CENTER_SAMPLE_SIZE + 1], axis=0
    )  # a far cell moves it little
    with np.errstate(over="ignore"):  # what overflows is searched surely
        about = (
            np.subtract(x, middle, np.empty(x.shape, dtype), casting="same_kind") for x in arrays
        )
        return [x if varies.all() else x[:, varies] for x in about]


def _find_varying_columns(points: np.ndarray) -> np.ndarray:
    """Columns that tell points apart, one at least: a unit may be dead in all cells."""
    varies: np.ndarray = np.ptp(points, axis=0) > 0
    varies[:1] |= not varies.any()
    return varies


def _select_smallest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k smallest of each row, rising, and where they are.

    They lie in the k groups of columns whose smallest values are the smallest.
    """
    groups = values.view(len(values), -1, GROUP_SIZE)
    if k >= groups.shape[1]:
        return values.topk(k, largest=False)
    best = groups.amin(2).topk(k, largest=False, sorted=False).indices
    inside = groups.gather(1, best[:, :, None].expand(-1, -1, GROUP_SIZE)).flatten(1)
    smallest, at = inside.topk(k, largest=False)
    return smallest, best.gather(1, at // GROUP_SIZE) * GROUP_SIZE + at % GROUP_SIZE
