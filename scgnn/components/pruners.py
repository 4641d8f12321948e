"""Pruners: which of a cell's neighbours are too far to be neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scgnn.fields import Positive, Seed, Weight
from scgnn.registry import Component


class Pruner(Component, kind="pruner"):
    """Says which edges to keep from each cell's sorted neighbours and their distances."""

    def __call__(self, neighbours: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """A mask, cells x k, of the edges kept; both inputs are cells x k, nearest first."""
        raise NotImplementedError


@Pruner.register("none")
@dataclass(frozen=True)
class KeepAll(Pruner):
    """Keeps every edge."""

    def __call__(self, neighbours: np.ndarray, distances: np.ndarray) -> np.ndarray:
        return np.ones(distances.shape, dtype=bool)


@Pruner.register("mean_sd")
@dataclass(frozen=True)
class MeanSd(Pruner):
    """Drops edges longer than mean + sd of the cell's own distances (scGNN's code).

    Parameters
    ----------
    sds
        How many population standard deviations above the mean an edge may be.
    """

    sds: Weight = 1.0

    def __call__(self, neighbours: np.ndarray, distances: np.ndarray) -> np.ndarray:
        limit = distances.mean(1, keepdims=True) + self.sds * distances.std(1, keepdims=True)
        return distances <= limit


@Pruner.register("isolation_forest")
@dataclass(frozen=True)
class IsolationForest(Pruner):
    """Drops the far edges that an isolation forest of the cell's distances sets apart.

    The rule that scGNN's paper names (Liu et al. 2008; scikit-learn). One forest a cell, so slow;
    an edge no longer than the cell's median is never dropped.

    Parameters
    ----------
    trees
        Trees in each forest.
    seed
        Of the forests.
    """

    trees: Positive = 100
    seed: Seed = 0

    def __call__(self, neighbours: np.ndarray, distances: np.ndarray) -> np.ndarray:
        from sklearn.ensemble import IsolationForest as Forest

        keep = distances <= np.median(distances, axis=1, keepdims=True)
        for cell, own in enumerate(distances):
            if not keep[cell].all():
                forest = Forest(n_estimators=self.trees, random_state=self.seed)
                keep[cell] |= forest.fit_predict(own[:, None]) == 1
        return keep
