"""Nearest-neighbor searches: exact, or approximate for many cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from scgnn.components.graph_builders.approximate import approximate_kneighbors
from scgnn.components.graph_builders.exact import exact_kneighbors
from scgnn.execution.hardware import current_hardware
from scgnn.field_types import NeighborCount

if TYPE_CHECKING:
    from torch import Tensor

Metric = Literal["euclidean", "cosine", "correlation"]

DEFAULT_EXACT_UP_TO = 30_000  # cells
EXACT_ON_GPU_UP_TO = 500_000  # cells, whatever the setting: faster there than an approximation
DEFAULT_RECALL = 0.9
ROWS_PER_BLOCK = 256
EDGES_PER_BLOCK = 2**16


def resolve_n_neighbors(n_neighbors: NeighborCount, n_cells: int) -> int:
    """Return the number of neighbors, at least 1.

    Parameters
    ----------
    n_neighbors
        A number, a fraction of the cells, or adaptive: ``√n_cells / 2``, within 5 and 30.
    n_cells
        Number of cells.
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
    """Return the nearest neighbors of each cell, without the cell itself.

    Parameters
    ----------
    embedding
        Embedding of the cells, cells x d.
    n_neighbors
        Number of neighbors k, limited by the number of other cells.
    metric
        euclidean, cosine (1 − cos) or correlation (1 − Pearson).
    exact_up_to
        Number of cells up to which the search is exact (at least 500,000 on a GPU); beyond, it is
        approximate
        (:func:`scgnn.components.graph_builders.approximate.approximate_kneighbors`).
    recall
        Minimum recall of the approximate search, 0 to 1.

    Returns
    -------
    distances, neighbors
        Distances in float64 and indices, both cells x k, by increasing distance, ties by index: in
        the order of scikit-learn's ``kneighbors``.
    """
    points = _transform_for_metric(embedding, metric)
    n = len(points)
    k = min(n_neighbors, n - 1)
    if k < 1:
        return np.empty((n, 0)), np.empty((n, 0), dtype=np.int64)
    if current_hardware().device == "cuda":
        exact_up_to = max(exact_up_to, EXACT_ON_GPU_UP_TO)
    if n <= exact_up_to:
        candidates = exact_kneighbors(points, points, k + 1)
    else:
        candidates = approximate_kneighbors(points, k + 1, recall)
    return _select_nearest(points, points, candidates, metric, k)


def cross_kneighbors(
    queries: np.ndarray, embedding: np.ndarray, n_neighbors: int, metric: Metric
) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact nearest rows of ``embedding`` for each query, as :func:`kneighbors`."""
    a, b = (_transform_for_metric(x, metric) for x in (queries, embedding))
    k = min(n_neighbors, len(b))
    return _select_nearest(a, b, exact_kneighbors(a, b, k), metric, k)


def radius_neighbors(
    embedding: np.ndarray, radius: float, metric: Metric
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all pairs of cells within a radius, inclusive: i, j > i and distance, each [pairs]."""
    from sklearn.neighbors import NearestNeighbors

    points = _transform_for_metric(embedding, metric)
    square = radius**2 if metric == "euclidean" else 2 * radius
    # slightly larger, since the search rounds; distances in float64 decide
    limit = np.sqrt(square * (1 + 1e-9) + 1e-12 * np.square(points).sum(1).max())
    search = NearestNeighbors(radius=limit, algorithm="brute").fit(points)
    neighbors = search.radius_neighbors(points, return_distance=False)
    i = np.repeat(np.arange(len(points)), [len(row) for row in neighbors])
    j = np.concatenate(neighbors)
    i, j = i[i < j], j[i < j]
    distances = np.empty(len(i))
    for start in range(0, len(i), EDGES_PER_BLOCK):
        pairs = slice(start, start + EDGES_PER_BLOCK)
        differences = torch.from_numpy(points[i[pairs]] - points[j[pairs]])
        distances[pairs] = _compute_distances(differences, metric)
    near = distances <= radius
    return i[near], j[near], distances[near]


def _select_nearest(
    queries: np.ndarray, points: np.ndarray, candidates: np.ndarray, metric: Metric, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances and indices of the k nearest candidates, ties by index.

    Candidates are queries x m indices of points. If queries and points are the same array, points
    are not their own neighbors.
    """
    candidates = np.sort(candidates, axis=1)
    distances = np.empty(candidates.shape)
    ends, starts = torch.from_numpy(points), torch.from_numpy(queries)[:, None]
    for start in range(0, len(candidates), ROWS_PER_BLOCK):
        rows = slice(start, start + ROWS_PER_BLOCK)
        differences = ends[torch.from_numpy(candidates[rows])] - starts[rows]
        distances[rows] = _compute_distances(differences, metric)
    if queries is points:
        distances[candidates == np.arange(len(candidates))[:, None]] = np.inf
    order = distances.argsort(axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, 1), np.take_along_axis(candidates, order, 1)


def _compute_distances(differences: Tensor, metric: Metric) -> np.ndarray:
    """Return distances from differences of points, ... x d, which are overwritten."""
    squares = differences.square_().sum(-1)
    return (squares.sqrt_() if metric == "euclidean" else squares / 2).numpy()


def _transform_for_metric(embedding: np.ndarray, metric: Metric) -> np.ndarray:
    """Return points whose Euclidean distance ranks as the metric: |a − b|² = 2 (1 − cos)."""
    embedding = np.require(embedding, np.float64, ["C", "W"])  # as torch requires
    if metric == "euclidean":
        return embedding
    if metric == "correlation":
        embedding = embedding - embedding.mean(1, keepdims=True)
    norms = np.linalg.norm(embedding, axis=1, keepdims=True)
    return np.divide(embedding, norms, out=np.zeros_like(embedding), where=norms > 0)
