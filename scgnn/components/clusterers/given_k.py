"""Clusterers that are told how many clusters to make, or count them first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from scipy import sparse

from scgnn.components.clusterers.community import Louvain
from scgnn.components.clusterers.contract import Clusterer, check_max_cells, suppress_warnings
from scgnn.components.clusterers.n_clusters import (
    scale_n_clusters,
    select_n_clusters_by_eigengap,
    select_n_clusters_by_silhouette,
)
from scgnn.components.clusterers.relabel import relabel_by_size
from scgnn.field_types import PositiveFloat, PositiveInt


@dataclass(frozen=True)
class GivenK(Clusterer):
    """What clusterers share that make a given number of clusters.

    Parameters
    ----------
    n_clusters
        Number of clusters, never more than there are different cells; or who counts them.
        silhouette is the number from 2 to 30 by which k-means has the best mean silhouette (2,000
        cells at most); eigengap the one after which the eigenvalues of the graph's Laplacian rise
        the most; a clusterer's count K becomes k = int(K · n_clusters_factor), at least 2.
    n_clusters_factor
        Factor on the count of a clusterer; auto is 0.8 below 2,000 cells and 0.5 from there on, as
        in scGNN. Every other k is taken as it is.
    """

    n_clusters: PositiveInt | Literal["silhouette", "eigengap"] | Clusterer = Louvain()
    n_clusters_factor: PositiveFloat | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        if self.n_clusters == "eigengap":  # so that a pipeline without a graph refuses it
            object.__setattr__(self, "requires", self.requires | {"graph"})

    def __call__(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
    ) -> np.ndarray:
        different = len(np.unique(embedding, axis=0))
        k = 1 if different == 1 else min(self.resolve_n_clusters(embedding, graph, seed), different)
        if k == 1:
            return np.zeros(len(embedding), dtype=np.int64)
        with (
            suppress_warnings()
        ):  # fewer clusters than wished, slow convergence: the labels are what there is
            return relabel_by_size(self._fit_given_k(embedding, graph, k, seed))

    def _fit_given_k(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, n_clusters: int, seed: int
    ) -> np.ndarray:
        """Labels [cells] of k clusters, in any order."""
        raise NotImplementedError

    def resolve_n_clusters(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
    ) -> int:
        if isinstance(self.n_clusters, Clusterer):
            counted = int(self.n_clusters(embedding, graph, seed).max()) + 1
            return scale_n_clusters(counted, len(embedding), self.n_clusters_factor)
        if self.n_clusters == "silhouette":
            return select_n_clusters_by_silhouette(embedding, seed)
        if self.n_clusters == "eigengap":
            assert graph is not None
            return select_n_clusters_by_eigengap(graph)
        return self.n_clusters


@Clusterer.register("kmeans")
@dataclass(frozen=True)
class KMeans(GivenK):
    """k-means (Lloyd 1982; scikit-learn).

    Least ``Σ ‖z − c‖²`` over cells, c the centre of a cell's cluster.

    Parameters
    ----------
    n_init
        Random starts, of which the best is kept.
    """

    n_init: PositiveInt = 10

    def _fit_given_k(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, n_clusters: int, seed: int
    ) -> np.ndarray:
        from sklearn.cluster import KMeans as Algorithm

        model = Algorithm(n_clusters=n_clusters, n_init=self.n_init, random_state=seed)
        return np.asarray(model.fit_predict(embedding))


@Clusterer.register("gaussian_mixture")
@dataclass(frozen=True)
class GaussianMixture(GivenK):
    """A mixture of Gaussians, each cell in its likeliest one (Dempster 1977; scikit-learn).

    Parameters
    ----------
    covariance_type
        full lets every cluster have a shape of its own, tied gives all the same shape, diag takes
        dimensions as independent, spherical as equal too.
    reg_covar
        Added to variances, as a share of the embedding's mean variance.
    n_init
        Random starts, of which the best is kept.
    """

    covariance_type: Literal["full", "tied", "diag", "spherical"] = "full"
    reg_covar: PositiveFloat = 1e-4
    n_init: PositiveInt = 1

    def _fit_given_k(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, n_clusters: int, seed: int
    ) -> np.ndarray:
        from sklearn.mixture import GaussianMixture as Algorithm

        points = np.asarray(embedding, dtype=np.float64)
        model = Algorithm(
            n_components=n_clusters,
            covariance_type=self.covariance_type,
            reg_covar=self.reg_covar,
            n_init=self.n_init,
            random_state=seed,
        )
        return np.asarray(model.fit_predict((points - points.mean(0)) / compute_scale(points)))


@Clusterer.register("birch")
@dataclass(frozen=True)
class Birch(GivenK):
    """A tree of tight groups of cells, whose leaves are joined to k clusters.

    Zhang et al. 1996, by scikit-learn, which joins by Ward's rule. The leaves' radius is halved
    until there are enough of them, as an embedding has no unit.

    Parameters
    ----------
    min_leaves_per_cluster
        Leaves for each cluster, at least; one a cell where there are fewer different cells.
    """

    min_leaves_per_cluster: PositiveInt = 10

    def _fit_given_k(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, n_clusters: int, seed: int
    ) -> np.ndarray:
        from sklearn.cluster import Birch as Algorithm

        points = np.asarray(embedding, dtype=np.float64)
        points = (points - points.mean(0)) / compute_scale(points)
        enough = min(self.min_leaves_per_cluster * n_clusters, len(np.unique(points, axis=0)))
        for halved in range(1, 30):
            model = Algorithm(threshold=0.5**halved, n_clusters=None).fit(points)
            if len(model.subcluster_centers_) >= enough:
                break
        model.set_params(n_clusters=n_clusters).partial_fit()
        return np.asarray(model.predict(points))


@Clusterer.register("agglomerative")
@dataclass(frozen=True)
class Agglomerative(GivenK):
    """The two nearest clusters joined until k are left (Ward 1963; scikit-learn).

    Holds a distance for every pair of cells: 8 GB at 30,000 cells.

    Parameters
    ----------
    linkage
        The distance of clusters: ward is the growth of the variance within, average the mean
        distance of their cells, complete the largest, single the smallest.
    max_cells
        More than these are refused.
    """

    linkage: Literal["ward", "average", "complete", "single"] = "ward"
    max_cells: PositiveInt = 30_000

    def _fit_given_k(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, n_clusters: int, seed: int
    ) -> np.ndarray:
        from sklearn.cluster import AgglomerativeClustering as Algorithm

        check_max_cells(self.name, len(embedding), self.max_cells, "birch or kmeans")
        points = np.asarray(embedding, dtype=np.float64)
        return np.asarray(
            Algorithm(n_clusters=n_clusters, linkage=self.linkage).fit_predict(points)
        )


@Clusterer.register("spectral")
@dataclass(frozen=True)
class Spectral(GivenK):
    """k-means on the smallest eigenvectors of the graph's Laplacian (Ng 2001; scikit-learn)."""

    requires: ClassVar[frozenset[str]] = frozenset({"graph"})

    def _fit_given_k(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, n_clusters: int, seed: int
    ) -> np.ndarray:
        from sklearn.cluster import SpectralClustering as Algorithm

        assert graph is not None
        # lobpcg finds all of several equal eigenvalues, as a graph in parts has, and factors no
        # matrix, which makes it ten times faster than arpack at 10,000 cells
        model = Algorithm(
            n_clusters, affinity="precomputed", eigen_solver="lobpcg", random_state=seed
        )
        return np.asarray(model.fit_predict(graph.astype(np.float64)))


def compute_scale(points: np.ndarray) -> float:
    """Square root of the mean variance of the dimensions: the unit of an embedding."""
    return float(np.sqrt(points.var(0).mean())) or 1.0
