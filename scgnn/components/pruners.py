"""Pruners, which drop long edges of a nearest-neighbor graph."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from scgnn.field_types import NonNegativeFloat, PositiveInt, RepeatCount
from scgnn.registry.component import Component

VALUES_PER_BLOCK = 2**21  # of trees grown at a time


class Pruner(Component, kind="pruner"):
    """Base class of pruners, which select the edges to keep from each cell's neighbors."""

    def __call__(self, neighbors: np.ndarray, distances: np.ndarray, seed: int = 0) -> np.ndarray:
        """Return the mask of the edges to keep.

        Parameters
        ----------
        neighbors
            Indices of the neighbors, cells x k, by increasing distance.
        distances
            Their distances, cells x k.
        seed
            Seed of all random numbers.

        Returns
        -------
        ndarray
            True for the edges to keep, cells x k.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__()")


@Pruner.register("mean_std")
@dataclass(frozen=True)
class MeanStd(Pruner):
    """Drop edges longer than mean + standard deviation of the cell's distances (scGNN's code).

    Edges with ``d ≤ mean + n_std · std`` over the k distances of the cell are kept.

    Parameters
    ----------
    n_std
        Number of population standard deviations above the mean.
    """

    n_std: NonNegativeFloat = 1.0

    def __call__(self, neighbors: np.ndarray, distances: np.ndarray, seed: int = 0) -> np.ndarray:
        limit = distances.mean(1, keepdims=True) + self.n_std * distances.std(1, keepdims=True)
        return distances <= limit


@Pruner.register("isolation_forest")
@dataclass(frozen=True)
class IsolationForest(Pruner):
    """Drop edges that an isolation forest of the cell's distances finds too long (scGNN's paper).

    An edge is dropped if its mean path length in random trees of the cell's k distances is below
    ``c(k)``, the mean path length in a random search tree, unless it is no longer than the cell's
    median. The forests of all cells share their random numbers and are grown together, which
    otherwise agrees with scikit-learn's and is much faster.

    Parameters
    ----------
    n_estimators
        Number of trees in each forest.

    References
    ----------
    Liu, Ting, Zhou (2008) Isolation forest. ICDM.
    """

    n_estimators: RepeatCount = 100

    def __call__(self, neighbors: np.ndarray, distances: np.ndarray, seed: int = 0) -> np.ndarray:
        k = distances.shape[1]
        if k < 2:
            return np.ones(distances.shape, dtype=bool)
        depth = int(np.ceil(np.log2(k)))
        draws = np.random.default_rng(seed).random((depth, self.n_estimators, k))
        order = np.argsort(distances, axis=1, kind="stable")
        ascending = np.take_along_axis(distances, order, 1)
        lengths = np.empty(distances.shape)
        block_size = max(1, VALUES_PER_BLOCK // (self.n_estimators * k * k))
        for start in range(0, len(distances), block_size):
            rows = slice(start, start + block_size)
            paths = _compute_path_lengths(ascending[rows], draws)
            np.put_along_axis(lengths[rows], order[rows], paths, 1)
        return _is_within_median(distances) | (lengths >= _average_path_length(np.array(k)))


@Pruner.register("local_outlier_factor")
@dataclass(frozen=True)
class LocalOutlierFactor(Pruner):
    """Drop edges whose length is a local outlier among the cell's distances (Breunig et al. 2000).

    Edges no longer than the cell's median are kept. Slow, as scikit-learn is called for each cell.

    Parameters
    ----------
    n_neighbors
        Number of distances that each distance is compared with, at most all.

    References
    ----------
    Breunig, Kriegel, Ng, Sander (2000) LOF: identifying density-based local outliers. SIGMOD
    Record 29:93.
    """

    n_neighbors: PositiveInt = 5

    def __call__(self, neighbors: np.ndarray, distances: np.ndarray, seed: int = 0) -> np.ndarray:
        from sklearn.neighbors import LocalOutlierFactor as Detector

        keep = _is_within_median(distances)
        for cell in np.flatnonzero(~keep.all(axis=1)):
            row = distances[cell, :, None]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of equal distances, which are kept
                detector = Detector(n_neighbors=min(self.n_neighbors, len(row) - 1))
                keep[cell] |= detector.fit_predict(row) == 1
        return keep


def _is_within_median(distances: np.ndarray) -> np.ndarray:
    """Return the mask of the edges that are no longer than their cell's median, cells x k."""
    return distances <= np.median(distances, axis=1, keepdims=True)


def _compute_path_lengths(distances: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return the mean path length of each distance in randomly split trees, cells x k.

    Parameters
    ----------
    distances
        Distances in increasing order, cells x k. A node is a run of them, first to last.
    draws
        Positions of the split between the distances of a node, by its first, depth x trees x k.
    """
    n_cells, k = distances.shape
    shape = n_cells, draws.shape[1], k
    first, last = np.zeros(shape, dtype=np.intp), np.full(shape, k - 1)
    path = np.zeros(shape)
    cell, tree, i = np.ogrid[:n_cells, : shape[1], :k]
    for draw in draws:
        low, high = distances[cell, first], distances[cell, last]
        splits = high > low
        threshold = low + draw[tree, first] * (high - low)
        left = (distances[:, None, None, :] <= threshold[..., None]).sum(-1) - 1  # last on the left
        path += splits
        last = np.where(splits & (i <= left), left, last)
        first = np.where(splits & (i > left), left + 1, first)
    return (path + _average_path_length(last - first + 1)).mean(1)


def _average_path_length(n: np.ndarray) -> np.ndarray:
    """Return c(n), the mean depth of a leaf in a random search tree with n leaves."""
    m = np.maximum(n, 3)
    average = 2 * (np.log(m - 1) + np.euler_gamma) - 2 * (m - 1) / m
    return np.where(n > 2, average, np.where(n == 2, 1.0, 0.0))
