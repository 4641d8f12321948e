"""Pruners: which of a cell's neighbours are too far to be neighbours."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from scgnn.fields import Positive, Weight
from scgnn.registry import Component


class Pruner(Component, kind="pruner"):
    """Says which edges to keep from each cell's sorted neighbours and their distances."""

    def __call__(self, neighbours: np.ndarray, distances: np.ndarray, seed: int = 0) -> np.ndarray:
        """A mask, cells x k, of the edges kept; both inputs are cells x k, nearest first."""
        raise NotImplementedError


@Pruner.register("none")
@dataclass(frozen=True)
class KeepAll(Pruner):
    """Keeps every edge."""

    def __call__(self, neighbours: np.ndarray, distances: np.ndarray, seed: int = 0) -> np.ndarray:
        return np.ones(distances.shape, dtype=bool)


@Pruner.register("mean_sd")
@dataclass(frozen=True)
class MeanSd(Pruner):
    """Drops edges longer than mean + sd of the cell's own distances (scGNN's code).

    Kept is ``d ≤ mean + sds · sd`` over the k distances of the cell.

    Parameters
    ----------
    sds
        How many population standard deviations above the mean an edge may be.
    """

    sds: Weight = 1.0

    def __call__(self, neighbours: np.ndarray, distances: np.ndarray, seed: int = 0) -> np.ndarray:
        limit = distances.mean(1, keepdims=True) + self.sds * distances.std(1, keepdims=True)
        return distances <= limit


class OutlierPruner(Pruner):
    """Pruners that look for outliers among the distances of one cell after the other, so slow.

    An edge no longer than the cell's median is never dropped.
    """

    def detector(self, k: int, seed: int) -> Any:
        """An outlier detector of scikit-learn for k distances."""
        raise NotImplementedError

    def __call__(self, neighbours: np.ndarray, distances: np.ndarray, seed: int = 0) -> np.ndarray:
        keep = distances <= np.median(distances, axis=1, keepdims=True)
        for cell in np.flatnonzero(~keep.all(axis=1)):
            own = distances[cell, :, None]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # equal distances: those are kept
                keep[cell] |= self.detector(len(own), seed).fit_predict(own) == 1
        return keep


@Pruner.register("isolation_forest")
@dataclass(frozen=True)
class IsolationForest(OutlierPruner):
    """Drops the far edges that an isolation forest of the cell's distances sets apart.

    The rule that scGNN's paper names (Liu et al. 2008; scikit-learn). One forest a cell, so slow;
    an edge no longer than the cell's median is never dropped.

    Parameters
    ----------
    trees
        Trees in each forest.
    """

    trees: Positive = 100

    def detector(self, k: int, seed: int) -> Any:
        from sklearn.ensemble import IsolationForest as Detector

        return Detector(n_estimators=self.trees, random_state=seed)


@Pruner.register("local_outlier_factor")
@dataclass(frozen=True)
class LocalOutlierFactor(OutlierPruner):
    """Drops the far edges whose length lies in a sparse place among the cell's distances.

    Breunig et al. 2000, by scikit-learn, cell by cell; an edge no longer than the cell's median is
    never dropped.

    Parameters
    ----------
    nearby
        Distances that each is compared with, all where there are fewer.
    """

    nearby: Positive = 5

    def detector(self, k: int, seed: int) -> Any:
        from sklearn.neighbors import LocalOutlierFactor as Detector

        return Detector(n_neighbors=min(self.nearby, k - 1))
