"""Clusterers with a given or estimated number of clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from scgnn.components.clusterers.community_detection import Louvain
from scgnn.components.clusterers.contract import (
    Clusterer,
    Graph,
    check_max_cells,
    suppress_warnings,
)
from scgnn.components.clusterers.n_clusters import (
    scale_n_clusters,
    select_n_clusters_by_eigengap,
    select_n_clusters_by_silhouette,
)
from scgnn.components.clusterers.relabel import relabel_by_size
from scgnn.field_types import PositiveFloat, PositiveInt, RepeatCount


@dataclass(frozen=True)
class GivenK(Clusterer):
    """Base class of clusterers with a given or estimated number of clusters.

    Parameters
    ----------
    n_clusters
        Number of clusters, limited by the number of distinct cells, or how to estimate it:
        silhouette is the number from 2 to 30 with the largest mean silhouette of k-means (on at
        most 2,000 cells); eigengap the number before the largest gap in the spectrum of the graph's
        Laplacian; another clusterer that finds K clusters gives int(K · n_clusters_factor), at
        least 2.
    n_clusters_factor
        Factor on the number of clusters of another clusterer; auto is 0.8 below 2,000 cells and 0.5
        from there on, as in scGNN. Not used with any other n_clusters.
    """

    n_clusters: PositiveInt | Literal["silhouette", "eigengap"] | Clusterer = Louvain()
    n_clusters_factor: PositiveFloat | Literal["auto"] = "auto"
    seconds_per_cell: ClassVar[float] = 3e-4

    def __post_init__(self) -> None:
        if self.n_clusters == "eigengap":  # rejected by pipelines without a graph
            object.__setattr__(self, "requires", self.requires | {"graph"})

    def fit_predict(self, embedding: np.ndarray, graph: Graph, seed: int) -> np.ndarray:
        n_distinct = len(np.unique(embedding, axis=0))
        k = 1 if n_distinct == 1 else self.resolve_n_clusters(embedding, graph, seed)
        if (k := min(k, n_distinct)) == 1:
            return np.zeros(len(embedding), dtype=np.int64)
        with suppress_warnings():
            return relabel_by_size(self._fit_given_k(embedding, graph, k, seed))

    def _fit_given_k(self, embedding: np.ndarray, graph: Graph, k: int, seed: int) -> np.ndarray:
        """Return k > 1 clusters [cells] in any order."""
        raise NotImplementedError(f"{type(self).__name__} must define _fit_given_k()")

    def resolve_n_clusters(self, embedding: np.ndarray, graph: Graph, seed: int) -> int:
        """Return the number of clusters that ``n_clusters`` means for these cells."""
        if isinstance(self.n_clusters, Clusterer):
            n_found = int(self.n_clusters.fit_predict(embedding, graph, seed).max()) + 1
            return scale_n_clusters(n_found, len(embedding), self.n_clusters_factor)
        if self.n_clusters == "silhouette":
            return select_n_clusters_by_silhouette(embedding, seed)
        if self.n_clusters == "eigengap":
            assert graph is not None
            return select_n_clusters_by_eigengap(graph)
        return self.n_clusters


@Clusterer.register("kmeans")
@dataclass(frozen=True)
class KMeans(GivenK):
    """k-means (Lloyd 1982).

    Minimizes ``Σ ‖z − c‖²`` over cells, where c is the centroid of a cell's cluster. Implemented
    by scikit-learn.

    Parameters
    ----------
    n_init
        Number of random initializations, of which the best result is kept.

    References
    ----------
    Lloyd (1982) Least squares quantization in PCM. IEEE Transactions on Information Theory
    28:129.
    """

    n_init: RepeatCount = 10

    def _fit_given_k(self, embedding: np.ndarray, graph: Graph, k: int, seed: int) -> np.ndarray:
        from sklearn import cluster

        model = cluster.KMeans(n_clusters=k, n_init=self.n_init, random_state=seed)
        return model.fit_predict(embedding)


@Clusterer.register("gaussian_mixture")
@dataclass(frozen=True)
class GaussianMixture(GivenK):
    """Gaussian mixture model fitted by EM; each cell joins its most probable component.

    Implemented by scikit-learn (Dempster et al. 1977).

    Parameters
    ----------
    covariance_type
        Covariance of the components: full is one matrix for each, tied one matrix for all, diag one
        diagonal matrix for each, spherical one variance for each.
    reg_covar
        Added to the variances, in units of the embedding's mean variance.
    n_init
        Number of random initializations, of which the best result is kept.

    References
    ----------
    Dempster, Laird, Rubin (1977) Maximum likelihood from incomplete data via the EM algorithm.
    Journal of the Royal Statistical Society B 39:1.
    """

    covariance_type: Literal["full", "tied", "diag", "spherical"] = "full"
    reg_covar: PositiveFloat = 1e-4
    n_init: RepeatCount = 1

    def _fit_given_k(self, embedding: np.ndarray, graph: Graph, k: int, seed: int) -> np.ndarray:
        from sklearn import mixture

        model = mixture.GaussianMixture(
            n_components=k,
            covariance_type=self.covariance_type,
            reg_covar=self.reg_covar,
            n_init=self.n_init,
            random_state=seed,
        )
        return model.fit_predict(standardize(embedding))


@Clusterer.register("birch")
@dataclass(frozen=True)
class Birch(GivenK):
    """BIRCH: leaves of a clustering feature tree, merged by Ward's method (Zhang et al. 1996).

    The radius of the leaves is halved until there are enough, since an embedding has no natural
    unit. Implemented by scikit-learn.

    Parameters
    ----------
    min_leaves_per_cluster
        Minimum number of leaves per cluster, limited by the number of distinct cells.

    References
    ----------
    Zhang, Ramakrishnan, Livny (1996) BIRCH: an efficient data clustering method for very large
    databases. SIGMOD Record 25:103.
    """

    min_leaves_per_cluster: PositiveInt = 10

    def _fit_given_k(self, embedding: np.ndarray, graph: Graph, k: int, seed: int) -> np.ndarray:
        from sklearn import cluster

        points = standardize(embedding)
        min_leaves = min(self.min_leaves_per_cluster * k, len(np.unique(points, axis=0)))
        for n_halvings in range(1, 30):
            model = cluster.Birch(threshold=0.5**n_halvings, n_clusters=None).fit(points)
            if len(model.subcluster_centers_) >= min_leaves:
                break
        return model.set_params(n_clusters=k).partial_fit().predict(points)


@Clusterer.register("agglomerative")
@dataclass(frozen=True)
class Agglomerative(GivenK):
    """Agglomerative clustering, which merges the two closest clusters until k are left (Ward 1963).

    The distance of each pair of cells is kept in memory: 8 GB at 30,000 cells. Implemented by
    scikit-learn.

    Parameters
    ----------
    linkage
        Distance of two clusters: ward is the increase of the variance within clusters, average,
        complete and single the mean, largest and smallest distance of their cells.
    max_cells
        Maximum number of cells; more raise an error.

    References
    ----------
    Ward (1963) Hierarchical grouping to optimize an objective function. Journal of the American
    Statistical Association 58:236.
    """

    linkage: Literal["ward", "average", "complete", "single"] = "ward"
    max_cells: PositiveInt = 30_000

    def _fit_given_k(self, embedding: np.ndarray, graph: Graph, k: int, seed: int) -> np.ndarray:
        from sklearn import cluster

        check_max_cells(self.name, len(embedding), self.max_cells, "birch or kmeans")
        model = cluster.AgglomerativeClustering(n_clusters=k, linkage=self.linkage)
        return model.fit_predict(np.asarray(embedding, dtype=np.float64))


@Clusterer.register("spectral")
@dataclass(frozen=True)
class Spectral(GivenK):
    """k-means on the leading eigenvectors of the graph's normalized Laplacian (Ng et al. 2001).

    Implemented by scikit-learn.

    References
    ----------
    Ng, Jordan, Weiss (2001) On spectral clustering: analysis and an algorithm. NIPS 14.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"graph"})

    def _fit_given_k(self, embedding: np.ndarray, graph: Graph, k: int, seed: int) -> np.ndarray:
        from sklearn import cluster

        assert graph is not None
        # lobpcg finds repeated eigenvalues, which a disconnected graph has, and needs no
        # factorization, which makes it ten times faster than arpack at 10,000 cells
        model = cluster.SpectralClustering(
            k, affinity="precomputed", eigen_solver="lobpcg", random_state=seed
        )
        return model.fit_predict(graph.astype(np.float64))


def standardize(embedding: np.ndarray) -> np.ndarray:
    """Center an embedding, cells x d, and scale it to a mean variance of 1, in float64."""
    points = np.asarray(embedding, dtype=np.float64)
    return (points - points.mean(0)) / (float(np.sqrt(points.var(0).mean())) or 1.0)
