"""Exact nearest neighbors from blocks of matrix products in float32, corrected for rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from scgnn.execution.hardware import current_hardware

if TYPE_CHECKING:
    from torch import Tensor

N_EXTRA_NEIGHBORS = 8  # beyond n_neighbors, so that rounding rarely matters
ROWS_PER_BLOCK = 512
VALUES_PER_BLOCK = 2**28  # of distances on a GPU
CENTER_SAMPLE_SIZE = 512
GROUP_SIZE = 32  # columns whose minimum is computed before the smallest are selected


def exact_kneighbors(queries: np.ndarray, points: np.ndarray, n_neighbors: int) -> np.ndarray:
    """Return candidates that include the nearest points of each query.

    Squared distances are computed as ``|b|² − 2 a·b`` in float32. Where the extra candidates are
    so close that rounding could have excluded one of the ``n_neighbors`` nearest, all points
    within the rounding error are compared in float64, ties by their order.

    Parameters
    ----------
    queries, points
        Coordinates, queries x d and points x d, float64.
    n_neighbors
        Number of neighbors, at most the number of points.

    Returns
    -------
    ndarray
        Indices of ``n_neighbors`` and up to 8 more points, queries x candidates, by increasing
        distance up to rounding.
    """
    n, m = len(points), min(n_neighbors + N_EXTRA_NEIGHBORS, len(points))
    device = current_hardware().device
    a, b = (torch.from_numpy(x).to(device) for x in center_and_scale(queries, points))
    b = torch.cat([b, b.new_zeros(-n % GROUP_SIZE, b.shape[1])])
    norms = b.square().sum(1)
    norms[n:] = torch.inf  # padding
    candidates = np.empty((len(a), m), dtype=np.int64)
    n_rows = ROWS_PER_BLOCK if device == "cpu" else max(ROWS_PER_BLOCK, VALUES_PER_BLOCK // len(b))
    buffer = torch.empty(min(n_rows, len(a)), len(b), device=device)
    for start in range(0, len(a), n_rows):
        block = a[start : start + n_rows]
        squares = buffer[: len(block)]
        torch.addmm(norms, block, b.T, alpha=-2, out=squares)  # without |a|²
        values, indices = _select_smallest(squares, m)
        candidates[start : start + len(block)] = indices.cpu().numpy()
        limits = values[:, n_neighbors - 1] + 2 * _bound_rounding_error(block, values[:, -1])
        for i in torch.nonzero(values[:, -1] <= limits).flatten().tolist():
            near = torch.nonzero(squares[i] <= limits[i]).flatten().cpu().numpy()
            distances = np.square(points[near] - queries[start + i]).sum(1)
            candidates[start + i] = near[distances.argsort(kind="stable")[:m]]
    return candidates


def center_and_scale(*arrays: np.ndarray) -> list[np.ndarray]:
    """Return float32 coordinates around the median of the last array, within [−1, 1].

    Columns that are constant in the last array, such as dead units, are dropped; they do not
    change the order of its points. The scale is a power of 2, so that it does not round.
    """
    points = arrays[-1]
    varies = np.ptp(points, axis=0) > 0
    varies[:1] |= not varies.any()
    median = np.median(points[:: len(points) // CENTER_SAMPLE_SIZE + 1], axis=0)
    centered = [(x - median)[:, varies] for x in arrays]
    exponent = np.frexp(max(abs(x).max() for x in centered))[1]
    return [np.ldexp(x, -exponent).astype(np.float32) for x in centered]


def _bound_rounding_error(queries: Tensor, squares: Tensor) -> Tensor:
    """Bound the error of squared distances, less |query|², of points up to ``squares`` away.

    Such a point is at most |query| + its distance from the origin. The error of a sum of d products
    is at most d/2 eps of the sum of their magnitudes (Higham 2002, section 3.1); there are two such
    sums, of rounded numbers.
    """
    norms, limits = queries.square().sum(1), torch.finfo(torch.float32)
    reach = norms.sqrt() + (2 * (squares + norms).clamp(min=0)).sqrt()
    return (queries.shape[1] + 8) * (limits.eps * (norms + reach.square()) + limits.tiny)


def _select_smallest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k smallest values of each row in increasing order, and their columns.

    They are in the k groups of columns with the smallest minima, which is faster than one topk.
    """
    groups = values.view(len(values), -1, GROUP_SIZE)
    if k >= groups.shape[1]:
        return values.topk(k, largest=False)
    best = groups.amin(2).topk(k, largest=False, sorted=False).indices
    members = groups.gather(1, best[:, :, None].expand(-1, -1, GROUP_SIZE)).flatten(1)
    smallest, columns = members.topk(k, largest=False)
    return smallest, best.gather(1, columns // GROUP_SIZE) * GROUP_SIZE + columns % GROUP_SIZE
