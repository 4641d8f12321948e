"""Clusterers that determine the number of clusters themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from scgnn.components.clusterers.contract import (
    Clusterer,
    Graph,
    check_max_cells,
    suppress_warnings,
)
from scgnn.components.clusterers.relabel import reassign_noise, relabel_by_size
from scgnn.components.graph_builders import kneighbors
from scgnn.field_types import DampingFactor, IntAtLeastTwo, OpenFraction, PositiveInt
from scgnn.seeding import generator

MAX_BANDWIDTH_CELLS = 2000  # sampled to estimate the bandwidth
MAX_SEEDS = 500  # cells from which mean shift starts


class AutomaticK(Clusterer):
    """Base class of clusterers that determine the number of clusters themselves.

    A noise cell is assigned to the cluster of the nearest cell that is not noise; if all cells
    are noise, they form one cluster.
    """

    def fit_predict(self, embedding: np.ndarray, graph: Graph, seed: int) -> np.ndarray:
        points = np.array(embedding, dtype=np.float64)
        if len(np.unique(points, axis=0)) == 1:
            return np.zeros(len(points), dtype=np.int64)
        points -= points.mean(0)  # distances far from the origin are inexact
        with suppress_warnings():
            clusters = self._fit(points, seed)
        return relabel_by_size(reassign_noise(clusters, points))

    def _fit(self, points: np.ndarray, seed: int) -> np.ndarray:
        """Return clusters [cells] in any order, -1 for noise."""
        raise NotImplementedError(f"{type(self).__name__} must define _fit()")


@dataclass(frozen=True)
class DensityBased(AutomaticK):
    """Base class of density-based clusterers.

    Parameters
    ----------
    min_cluster_size
        Minimum number of cells in a cluster, before noise cells are assigned.
    min_samples
        Number of neighbors, including the cell itself, that define the density at a cell.
    """

    min_cluster_size: IntAtLeastTwo = 10
    min_samples: IntAtLeastTwo = 5


@Clusterer.register("hdbscan")
@dataclass(frozen=True)
class HDBSCAN(DensityBased):
    """Hierarchical density-based clustering: the most persistent clusters (Campello et al. 2013).

    Implemented by scikit-learn.

    Parameters
    ----------
    cluster_selection_method
        eom selects the clusters that persist over the widest range of densities, leaf the smallest
        ones.

    References
    ----------
    Campello, Moulavi, Sander (2013) Density-based clustering based on hierarchical density
    estimates. PAKDD.
    """

    cluster_selection_method: Literal["eom", "leaf"] = "eom"

    def _fit(self, points: np.ndarray, seed: int) -> np.ndarray:
        from sklearn import cluster

        model = cluster.HDBSCAN(
            min_cluster_size=self.min_cluster_size,
            min_samples=min(self.min_samples, len(points)),
            cluster_selection_method=self.cluster_selection_method,
            copy=True,
        )
        return model.fit_predict(points)


@Clusterer.register("optics")
@dataclass(frozen=True)
class OPTICS(DensityBased):
    """Clusters from the reachability plot of OPTICS (Ankerst et al. 1999).

    Implemented by scikit-learn.

    Parameters
    ----------
    xi
        Minimum relative drop of the density at the boundary of a cluster.

    References
    ----------
    Ankerst, Breunig, Kriegel, Sander (1999) OPTICS: ordering points to identify the clustering
    structure. SIGMOD Record 28:49.
    """

    xi: OpenFraction = 0.05

    def _fit(self, points: np.ndarray, seed: int) -> np.ndarray:
        from sklearn import cluster

        model = cluster.OPTICS(
            min_samples=min(self.min_samples, len(points)),
            min_cluster_size=min(self.min_cluster_size, len(points)),
            xi=self.xi,
        )
        return model.fit_predict(points)


@Clusterer.register("mean_shift")
@dataclass(frozen=True)
class MeanShift(AutomaticK):
    """Modes of the density by mean shift; each cell joins the nearest (Comaniciu & Meer 2002).

    The shifts start at 500 cells drawn at random. Implemented by scikit-learn.

    Parameters
    ----------
    quantile
        Average fraction of the distinct cells within one bandwidth of a cell.

    References
    ----------
    Comaniciu, Meer (2002) Mean shift: a robust approach toward feature space analysis. IEEE TPAMI
    24:603.
    """

    quantile: OpenFraction = 0.3

    def _fit(self, points: np.ndarray, seed: int) -> np.ndarray:
        from sklearn import cluster

        distinct = np.unique(points, axis=0)
        sample = generator(seed, "mean_shift").permutation(distinct)[:MAX_BANDWIDTH_CELLS]
        n_neighbors = max(1, round(self.quantile * len(sample)))
        bandwidth = kneighbors(sample, n_neighbors, "euclidean")[0][:, -1].mean()
        return cluster.MeanShift(bandwidth=bandwidth, seeds=sample[:MAX_SEEDS]).fit_predict(points)


@Clusterer.register("affinity_propagation")
@dataclass(frozen=True)
class AffinityPropagation(AutomaticK):
    """Clusters around exemplars chosen by affinity propagation (Frey & Dueck 2007).

    Similarity is the negative squared distance. Five numbers for each pair of cells are kept in
    memory: 8 GB at 14,000 cells. Implemented by scikit-learn.

    Parameters
    ----------
    preference
        Preference of each cell to be an exemplar: the minimum of all similarities leads to few
        clusters, the median to many.
    damping
        Weight of the previous messages in each update.
    max_cells
        Maximum number of cells; more raise an error.

    References
    ----------
    Frey, Dueck (2007) Clustering by passing messages between data points. Science 315:972.
    """

    preference: Literal["minimum", "median"] = "minimum"
    damping: DampingFactor = 0.9
    max_cells: PositiveInt = 14_000

    def _fit(self, points: np.ndarray, seed: int) -> np.ndarray:
        from sklearn import cluster
        from sklearn.metrics import pairwise_distances

        check_max_cells(self.name, len(points), self.max_cells, "hdbscan")
        similarity = -pairwise_distances(points, metric="sqeuclidean")
        preference = np.min if self.preference == "minimum" else np.median
        model = cluster.AffinityPropagation(
            affinity="precomputed",
            preference=preference(similarity),
            damping=self.damping,
            max_iter=1000,
            random_state=seed,
        )
        return model.fit_predict(similarity)
