"""Pruners: which of a cell's neighbours are too far to be neighbours."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from scgnn.field_types import NonNegativeFloat, PositiveInt
from scgnn.registry.component import Component

VALUES_PER_BLOCK = 2**21  # of the trees that grow together


class Pruner(Component, kind="pruner"):
    """Says which edges to keep from each cell's sorted neighbours and their distances."""

    def __call__(self, neighbors: np.ndarray, distances: np.ndarray, seed: int = 0) -> np.ndarray:
        """A mask, cells x k, of the edges kept; both inputs are cells x k, nearest first."""
        raise NotImplementedError


@Pruner.register("mean_std")
@dataclass(frozen=True)
class MeanStd(Pruner):
    """Drops edges longer than mean + sd of the cell's own distances (scGNN's code).

    Kept is ``d ≤ mean + n_std · sd`` over the k distances of the cell.

    Parameters
    ----------
    n_std
        How many population standard deviations above the mean an edge may be.
    """

    n_std: NonNegativeFloat = 1.0

    def __call__(self, neighbors: np.ndarray, distances: np.ndarray, seed: int = 0) -> np.ndarray:
        limit = distances.mean(1, keepdims=True) + self.n_std * distances.std(1, keepdims=True)
        return distances <= limit


def _is_within_median(distances: np.ndarray) -> np.ndarray:
    """Which edges are no longer than their cell's median."""
    return distances <= np.median(distances, axis=1, keepdims=True)


@Pruner.register("isolation_forest")
@dataclass(frozen=True)
class IsolationForest(Pruner):
    """Drops the far edges that an isolation forest of the cell's distances sets apart.

    The rule that scGNN's paper names (Liu et al. 2008): an edge whose mean path in random trees of
    the cell's k distances is shorter than that of a random search tree, ``c(k)``. The forests of
    all cells are grown together, from the same random numbers; one forest a cell by scikit-learn
    gives the same up to these numbers, at a tenth of a second each. An edge no longer than the
    cell's median is never dropped.

    Parameters
    ----------
    n_estimators
        Trees in each forest.
    """

    n_estimators: PositiveInt = 100

    def __call__(self, neighbors: np.ndarray, distances: np.ndarray, seed: int = 0) -> np.ndarray:
        k = distances.shape[1]
        if k < 2:
            return np.ones(distances.shape, dtype=bool)
        depth = int(np.ceil(np.log2(k)))
        draws = np.random.default_rng(seed).random((depth, self.n_estimators, k))
        order = np.argsort(distances, axis=1, kind="stable")
        ascending = np.take_along_axis(distances, order, 1)
        lengths = np.empty(distances.shape)
        cells = max(1, VALUES_PER_BLOCK // (self.n_estimators * k * k))
        for start in range(0, len(distances), cells):
            rows = slice(start, start + cells)
            paths = _compute_path_lengths(ascending[rows], draws)
            np.put_along_axis(lengths[rows], order[rows], paths, 1)
        return _is_within_median(distances) | (lengths >= _average_path_length(np.array(k)))


def _compute_path_lengths(sorted_distances: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Mean path of each value, cells x k ascending, in trees that split at random.

    A node is a run of neighbouring values, first to last; ``draws``, depth x trees x k, says where
    the node that starts at a value is split.
    """
    n_cells, k = sorted_distances.shape
    shape = n_cells, draws.shape[1], k
    first, last = np.zeros(shape, dtype=np.intp), np.full(shape, k - 1)
    path = np.zeros(shape)
    cell, tree, place = np.ogrid[:n_cells, : shape[1], :k]
    for draw in draws:
        low, high = sorted_distances[cell, first], sorted_distances[cell, last]
        splits = high > low
        at = low + draw[tree, first] * (high - low)
        left = (sorted_distances[:, None, None, :] <= at[..., None]).sum(
            -1
        ) - 1  # last of the left half
        path += splits
        last = np.where(splits & (place <= left), left, last)
        first = np.where(splits & (place > left), left + 1, first)
    return (path + _average_path_length(last - first + 1)).mean(1)


def _average_path_length(n: np.ndarray) -> np.ndarray:
    """c(n): mean depth of a leaf among n in a random search tree."""
    more = np.maximum(n, 3)
    average = 2 * (np.log(more - 1) + np.euler_gamma) - 2 * (more - 1) / more
    return np.where(n > 2, average, np.where(n == 2, 1.0, 0.0))


@Pruner.register("local_outlier_factor")
@dataclass(frozen=True)
class LocalOutlierFactor(Pruner):
    """Drops the far edges whose length lies in a sparse place among the cell's distances.

    Breunig et al. 2000, by scikit-learn, cell by cell, so slow; an edge no longer than the cell's
    median is never dropped.

    Parameters
    ----------
    n_neighbors
        Distances that each is compared with, all where there are fewer.
    """

    n_neighbors: PositiveInt = 5

    def __call__(self, neighbors: np.ndarray, distances: np.ndarray, seed: int = 0) -> np.ndarray:
        from sklearn.neighbors import LocalOutlierFactor as Detector

        keep = _is_within_median(distances)
        for cell in np.flatnonzero(~keep.all(axis=1)):
            own = distances[cell, :, None]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # equal distances: those are kept
                detector = Detector(n_neighbors=min(self.n_neighbors, len(own) - 1))
                keep[cell] |= detector.fit_predict(own) == 1
        return keep
