"""Clusterers that find by themselves how many clusters there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from scgnn.components.clusterers.contract import Clusterer, check_max_cells, suppress_warnings
from scgnn.components.clusterers.relabel import reassign_noise, relabel_by_size
from scgnn.components.graph_builders import kneighbors
from scgnn.field_types import DampingFactor, IntAtLeastTwo, OpenFraction, PositiveInt
from scgnn.seeding import generator

MAX_BANDWIDTH_CELLS, MAX_SEEDS = (
    2000,
    500,
)  # cells by which a bandwidth is chosen, and who look for peaks


class AutomaticK(Clusterer):
    """What clusterers share that find the number of clusters.

    A cell that they take for noise joins the cluster of the nearest cell that is none; where all
    are noise they are one cluster.
    """

    def __call__(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
    ) -> np.ndarray:
        points = np.array(embedding, dtype=np.float64)
        if len(np.unique(points, axis=0)) == 1:
            return np.zeros(len(points), dtype=np.int64)
        points -= points.mean(0)  # far from the origin near cells are no longer told apart
        with suppress_warnings():  # all cells noise, no convergence: the labels are what there is
            labels = self._fit(points, seed)
        return relabel_by_size(reassign_noise(labels, points))

    def _fit(self, points: np.ndarray, seed: int) -> np.ndarray:
        """Labels [cells] in any order, -1 for noise."""
        raise NotImplementedError


@dataclass(frozen=True)
class DensityBased(AutomaticK):
    """What clusterers share that look for dense places.

    Parameters
    ----------
    min_cluster_size
        Cells that make a cluster, before noise joins it.
    min_samples
        Cells near a cell, itself among them, that tell how dense its place is.
    """

    min_cluster_size: IntAtLeastTwo = 10
    min_samples: IntAtLeastTwo = 5


@Clusterer.register("hdbscan")
@dataclass(frozen=True)
class HDBSCAN(DensityBased):
    """The dense places that last longest as density rises (Campello 2013; scikit-learn).

    Parameters
    ----------
    cluster_selection_method
        eom takes the clusters that last longest, leaf the finest ones.
    """

    cluster_selection_method: Literal["eom", "leaf"] = "eom"

    def _fit(self, points: np.ndarray, seed: int) -> np.ndarray:
        from sklearn.cluster import HDBSCAN as Algorithm

        model = Algorithm(
            min_cluster_size=self.min_cluster_size,
            min_samples=min(self.min_samples, len(points)),
            cluster_selection_method=self.cluster_selection_method,
            copy=True,
        )
        return np.asarray(model.fit_predict(points))


@Clusterer.register("optics")
@dataclass(frozen=True)
class OPTICS(DensityBased):
    """Dense places along a walk from near cells to far ones (Ankerst 1999; scikit-learn).

    Parameters
    ----------
    xi
        Share by which the density must fall at the edge of a cluster.
    """

    xi: OpenFraction = 0.05

    def _fit(self, points: np.ndarray, seed: int) -> np.ndarray:
        from sklearn.cluster import OPTICS as Algorithm

        model = Algorithm(
            min_samples=min(self.min_samples, len(points)),
            min_cluster_size=min(self.min_cluster_size, len(points)),
            xi=self.xi,
        )
        return np.asarray(model.fit_predict(points))


@Clusterer.register("mean_shift")
@dataclass(frozen=True)
class MeanShift(AutomaticK):
    """The peaks of the density, each cell with the nearest one (Comaniciu 2002; scikit-learn).

    The peaks are those that 500 cells, drawn at random, climb to.

    Parameters
    ----------
    quantile
        Share of the different cells within a bandwidth of a cell, on average.
    """

    quantile: OpenFraction = 0.3

    def _fit(self, points: np.ndarray, seed: int) -> np.ndarray:
        from sklearn.cluster import MeanShift as Algorithm

        different = np.unique(points, axis=0)
        sample = generator(seed, "mean_shift").permutation(different)[:MAX_BANDWIDTH_CELLS]
        within = max(1, round(self.quantile * len(sample)))
        bandwidth = kneighbors(sample, within, "euclidean")[1][:, -1].mean()
        model = Algorithm(bandwidth=bandwidth, seeds=sample[:MAX_SEEDS])
        return np.asarray(model.fit_predict(points))


@Clusterer.register("affinity_propagation")
@dataclass(frozen=True)
class AffinityPropagation(AutomaticK):
    """Cells that elect exemplars among them (Frey & Dueck 2007; scikit-learn).

    Holds five numbers for every pair of cells: 8 GB at 14,000 cells.

    Parameters
    ----------
    preference
        How likely a cell is to be an exemplar: the minimum of all similarities gives few clusters,
        the median many.
    damping
        Share of the old messages kept from one round to the next.
    max_cells
        More than these are refused.
    """

    preference: Literal["minimum", "median"] = "minimum"
    damping: DampingFactor = 0.9
    max_cells: PositiveInt = 14_000

    def _fit(self, points: np.ndarray, seed: int) -> np.ndarray:
        from sklearn.cluster import AffinityPropagation as Algorithm
        from sklearn.metrics import pairwise_distances

        check_max_cells(self.name, len(points), self.max_cells, "hdbscan")
        similarity = -pairwise_distances(points, metric="sqeuclidean")
        choose = np.min if self.preference == "minimum" else np.median
        model = Algorithm(
            affinity="precomputed",
            preference=choose(similarity),
            damping=self.damping,
            max_iter=1000,
            random_state=seed,
        )
        return np.asarray(model.fit_predict(similarity))
