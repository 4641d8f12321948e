"""Clusterers that are told how many clusters to make, or count them first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from scipy import sparse

from scgnn.components.clusterers.community import Louvain
from scgnn.components.clusterers.contract import Clusterer, quiet, refuse_many
from scgnn.components.clusterers.n_clusters import eigengap_count, scaled_count, silhouette_count
from scgnn.components.clusterers.relabel import canonical
from scgnn.field_types import Positive, Rate


@dataclass(frozen=True)
class Counted(Clusterer):
    """What clusterers share that make a given number of clusters.

    Parameters
    ----------
    k
        Number of clusters, never more than there are different cells; or who counts them.
        silhouette is the number from 2 to 30 by which k-means has the best mean silhouette (2,000
        cells at most); eigengap the one after which the eigenvalues of the graph's Laplacian rise
        the most; a clusterer's count K becomes k = int(K · k_factor), at least 2.
    k_factor
        Factor on the count of a clusterer; auto is 0.8 below 2,000 cells and 0.5 from there on, as
        in scGNN. Every other k is taken as it is.
    """

    k: Positive | Literal["silhouette", "eigengap"] | Clusterer = Louvain()
    k_factor: Rate | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        if self.k == "eigengap":  # so that a pipeline without a graph refuses it
            object.__setattr__(self, "requires", self.requires | {"graph"})

    def __call__(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
    ) -> np.ndarray:
        different = len(np.unique(embedding, axis=0))
        k = 1 if different == 1 else min(self.count(embedding, graph, seed), different)
        if k == 1:
            return np.zeros(len(embedding), dtype=np.int64)
        with quiet():  # fewer clusters than wished, slow convergence: the labels are what there is
            return canonical(self.divide(embedding, graph, k, seed))

    def divide(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, k: int, seed: int
    ) -> np.ndarray:
        """Labels [cells] of k clusters, in any order."""
        raise NotImplementedError

    def count(self, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int) -> int:
        if isinstance(self.k, Clusterer):
            counted = int(self.k(embedding, graph, seed).max()) + 1
            return scaled_count(counted, len(embedding), self.k_factor)
        if self.k == "silhouette":
            return silhouette_count(embedding, seed)
        if self.k == "eigengap":
            assert graph is not None
            return eigengap_count(graph)
        return self.k


@Clusterer.register("kmeans")
@dataclass(frozen=True)
class KMeans(Counted):
    """k-means (Lloyd 1982; scikit-learn).

    Least ``Σ ‖z − c‖²`` over cells, c the centre of a cell's cluster.

    Parameters
    ----------
    starts
        Random starts, of which the best is kept.
    """

    starts: Positive = 10

    def divide(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, k: int, seed: int
    ) -> np.ndarray:
        from sklearn.cluster import KMeans as Algorithm

        model = Algorithm(n_clusters=k, n_init=self.starts, random_state=seed)
        return np.asarray(model.fit_predict(embedding))


@Clusterer.register("gaussian_mixture")
@dataclass(frozen=True)
class GaussianMixture(Counted):
    """A mixture of Gaussians, each cell in its likeliest one (Dempster 1977; scikit-learn).

    Parameters
    ----------
    covariance
        full lets every cluster have a shape of its own, tied gives all the same shape, diag takes
        dimensions as independent, spherical as equal too.
    ridge
        Added to variances, as a share of the embedding's mean variance.
    starts
        Random starts, of which the best is kept.
    """

    covariance: Literal["full", "tied", "diag", "spherical"] = "full"
    ridge: Rate = 1e-4
    starts: Positive = 1

    def divide(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, k: int, seed: int
    ) -> np.ndarray:
        from sklearn.mixture import GaussianMixture as Algorithm

        points = np.asarray(embedding, dtype=np.float64)
        model = Algorithm(
            n_components=k,
            covariance_type=self.covariance,
            reg_covar=self.ridge,
            n_init=self.starts,
            random_state=seed,
        )
        return np.asarray(model.fit_predict((points - points.mean(0)) / spread(points)))


@Clusterer.register("birch")
@dataclass(frozen=True)
class Birch(Counted):
    """A tree of tight groups of cells, whose leaves are joined to k clusters.

    Zhang et al. 1996, by scikit-learn, which joins by Ward's rule. The leaves' radius is halved
    until there are enough of them, as an embedding has no unit.

    Parameters
    ----------
    leaves
        Leaves for each cluster, at least; one a cell where there are fewer different cells.
    """

    leaves: Positive = 10

    def divide(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, k: int, seed: int
    ) -> np.ndarray:
        from sklearn.cluster import Birch as Algorithm

        points = np.asarray(embedding, dtype=np.float64)
        points = (points - points.mean(0)) / spread(points)
        enough = min(self.leaves * k, len(np.unique(points, axis=0)))
        for halved in range(1, 30):
            model = Algorithm(threshold=0.5**halved, n_clusters=None).fit(points)
            if len(model.subcluster_centers_) >= enough:
                break
        model.set_params(n_clusters=k).partial_fit()
        return np.asarray(model.predict(points))


@Clusterer.register("agglomerative")
@dataclass(frozen=True)
class Agglomerative(Counted):
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
    max_cells: Positive = 30_000

    def divide(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, k: int, seed: int
    ) -> np.ndarray:
        from sklearn.cluster import AgglomerativeClustering as Algorithm

        refuse_many(self.name, len(embedding), self.max_cells, "birch or kmeans")
        points = np.asarray(embedding, dtype=np.float64)
        return np.asarray(Algorithm(n_clusters=k, linkage=self.linkage).fit_predict(points))


@Clusterer.register("spectral")
@dataclass(frozen=True)
class Spectral(Counted):
    """k-means on the smallest eigenvectors of the graph's Laplacian (Ng 2001; scikit-learn)."""

    requires: ClassVar[frozenset[str]] = frozenset({"graph"})

    def divide(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, k: int, seed: int
    ) -> np.ndarray:
        from sklearn.cluster import SpectralClustering as Algorithm

        assert graph is not None
        # lobpcg finds all of several equal eigenvalues, as a graph in parts has, and factors no
        # matrix, which makes it ten times faster than arpack at 10,000 cells
        model = Algorithm(k, affinity="precomputed", eigen_solver="lobpcg", random_state=seed)
        return np.asarray(model.fit_predict(graph.astype(np.float64)))


def spread(points: np.ndarray) -> float:
    """Square root of the mean variance of the dimensions: the unit of an embedding."""
    return float(np.sqrt(points.var(0).mean())) or 1.0
