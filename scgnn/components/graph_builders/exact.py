"""The nearest points by products of matrices, in blocks; what rounding leaves open is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

SPARE = 8  # neighbours looked at besides those asked for
ROWS_AT_ONCE = 512
VALUES_AT_ONCE = 2**20  # of a product in float64
SAMPLE = 512  # points whose middle stands for that of all
LARGEST = 1e37  # square of a length; sums of larger ones overflow in float32
GROUP = 32  # points whose nearest is found first


def exact(queries: np.ndarray, points: np.ndarray, k: int) -> np.ndarray:
    """The k nearest points of each query and a few more, nearest first up to rounding.

    A few more than k are taken from distances in float32. Where these are so close that rounding
    could have left out one of the k, the search in float64 decides.
    """
    n, wanted = len(points), k + SPARE
    if wanted >= n:
        return _surely(queries, points, n)
    a, b = (torch.from_numpy(x) for x in centred(np.float32, queries, points))
    b = torch.cat([b, b.new_zeros(-n % GROUP, b.shape[1])])
    lengths = b.square().sum(1)
    if not max(lengths.max(), a.square().sum(1).max()) < LARGEST:
        return _surely(queries, points, wanted)
    lengths[n:] = torch.inf  # no point
    found = np.empty((len(a), wanted), dtype=np.int64)
    doubtful = np.zeros(len(a), dtype=bool)
    memory = torch.empty(min(ROWS_AT_ONCE, len(a)), len(b))
    for start in range(0, len(a), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        squares = memory[: len(a[rows])]
        torch.addmm(lengths, a[rows], b.T, alpha=-2, out=squares)  # less the query's own
        values, places = _smallest(squares, wanted)
        near, found[rows] = values.double().numpy(), places.numpy()
        own = a[rows].double().square().sum(1).numpy()
        doubt = 2 * _rounding(own, near[:, -1] + own, b.shape[1], np.float32)
        doubtful[rows] = near[:, -1] - near[:, k - 1] <= doubt
    if doubtful.any():
        found[doubtful] = _surely(queries[doubtful], points, wanted)
    return found


def _rounding(own: np.ndarray, squares: np.ndarray, d: int, kind: type[np.floating]) -> np.ndarray:
    """How far a squared distance from a product may be off, of points up to so far away.

    A point no farther than √squares from a query of squared length ``own`` is no longer than both
    together. A sum of d products is off by d/2 eps of its terms at most (Higham 2002, section 3.1),
    and there are two, of numbers that were rounded themselves.
    """
    reach = np.sqrt(own) + np.sqrt(2 * np.maximum(squares, 0))
    limits = np.finfo(kind)
    bound: np.ndarray = (d + 4) * (limits.eps * (own + np.square(reach)) + limits.tiny)
    return bound


def _surely(queries: np.ndarray, points: np.ndarray, k: int) -> np.ndarray:
    """The k nearest points of each query, nearest first, and of those at one distance the first.

    Products in float64 leave out what is farther for sure; of the rest the differences decide.
    """
    varies = _varying(points)
    if not varies.all():
        queries, points = queries[:, varies], points[:, varies]
    a, b = centred(np.float64, queries, points)
    lengths = np.square(b).sum(1)
    found = np.empty((len(a), k), dtype=np.int64)
    at_once = max(VALUES_AT_ONCE // len(b), 1)
    for start in range(0, len(a), at_once):
        rows = a[start : start + at_once]
        own = np.square(rows).sum(1)
        squares = own[:, None] + lengths - 2 * rows @ b.T
        last = np.partition(squares, k - 1, axis=1)[:, k - 1]
        limit = last + 2 * _rounding(own, last, b.shape[1], np.float64)
        for i, row in enumerate(queries[start : start + len(rows)]):
            near = np.flatnonzero(squares[i] <= limit[i])
            order = np.square(points[near] - row).sum(1).argsort(kind="stable")
            found[start + i] = near[order[:k]]
    return found


def centred(kind: type[np.floating], *of: np.ndarray) -> list[np.ndarray]:
    """All about the middle of the last, in the columns in which the last varies."""
    points, varies = of[-1], _varying(of[-1])
    middle = np.median(points[:: len(points) // SAMPLE + 1], axis=0)  # a far cell moves it little
    with np.errstate(over="ignore"):  # what overflows is searched surely
        about = (np.subtract(x, middle, np.empty(x.shape, kind), casting="same_kind") for x in of)
        return [x if varies.all() else x[:, varies] for x in about]


def _varying(points: np.ndarray) -> np.ndarray:
    """Columns that tell points apart, one at least: a unit may be dead in all cells."""
    varies: np.ndarray = np.ptp(points, axis=0) > 0
    varies[:1] |= not varies.any()
    return varies


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
