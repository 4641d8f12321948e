"""Community detection in the cell graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.sparse import csr_matrix, triu

from scgnn.components.clusterers.contract import Clusterer, Graph
from scgnn.components.clusterers.relabel import relabel_by_size
from scgnn.field_types import PositiveFloat, PositiveInt, RepeatCount
from scgnn.seeding import use_igraph_seed

MAX_BISECTIONS = 40
MIN_RESOLUTION_RATIO = 1.0001  # of upper to lower bound, below which the bisection ends


@dataclass(frozen=True)
class CommunityDetection(Clusterer):
    """Base class of community detection with a resolution.

    Parameters
    ----------
    resolution
        Resolution; higher values lead to more communities.
    n_clusters
        Number of communities; the resolution that yields it is found by bisection. If no resolution
        yields it exactly, the closest number is used. null keeps ``resolution``.
    """

    resolution: PositiveFloat = 1.0
    n_clusters: PositiveInt | None = None
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})

    def fit_predict(self, embedding: np.ndarray, graph: Graph, seed: int) -> np.ndarray:
        assert graph is not None
        network = to_igraph(graph)

        def cluster(resolution: float) -> np.ndarray:
            return relabel_by_size(self._detect_communities(network, resolution, seed))

        if self.n_clusters is None:
            return cluster(self.resolution)
        n_parts = len(network.connected_components())  # which no resolution merges
        n_clusters = min(max(self.n_clusters, n_parts), network.vcount())
        return search_resolution(n_clusters, cluster, self.resolution)

    def _detect_communities(self, network: Any, resolution: float, seed: int) -> list[int]:
        """Return the community of each vertex of an igraph Graph."""
        raise NotImplementedError(f"{type(self).__name__} must define _detect_communities()")


def search_resolution(
    n_clusters: int, cluster: Callable[[float], np.ndarray], resolution: float
) -> np.ndarray:
    """Bisect the resolution of ``cluster``, and return the clusters closest in number."""
    low, high = 0.0, np.inf
    best, best_miss = np.empty(0), np.inf
    for _ in range(MAX_BISECTIONS):
        clusters = cluster(resolution)
        excess = int(clusters.max()) + 1 - n_clusters
        if abs(excess) < best_miss:
            best, best_miss = clusters, abs(excess)
        if best_miss == 0 or (low > 0 and high / low < MIN_RESOLUTION_RATIO):
            break
        low, high = (resolution, high) if excess < 0 else (low, resolution)
        if low == 0:
            resolution = high / 2
        else:
            resolution = low * 2 if np.isinf(high) else float(np.sqrt(low * high))
    return best


@Clusterer.register("louvain")
@dataclass(frozen=True)
class Louvain(CommunityDetection):
    """Louvain communities, which maximize modularity (Blondel et al. 2008).

    Modularity is ``Σ_ij (A_ij − resolution · d_i d_j / 2m) / 2m`` over pairs of cells in the same
    community, with degrees d and total weight m. Implemented by igraph (multilevel).

    References
    ----------
    Blondel et al. (2008) Fast unfolding of communities in large networks. Journal of Statistical
    Mechanics P10008.
    """

    def _detect_communities(self, network: Any, resolution: float, seed: int) -> list[int]:
        with use_igraph_seed(seed):
            return network.community_multilevel("weight", resolution=resolution).membership


@Clusterer.register("leiden")
@dataclass(frozen=True)
class Leiden(CommunityDetection):
    """Leiden communities, unlike Louvain's guaranteed to be connected (Traag et al. 2019).

    Modularity is defined as in ``louvain``.

    Parameters
    ----------
    resolution
        Resolution; higher values lead to more communities. Not used by surprise or significance.
    objective
        Objective function: modularity and cpm by igraph; rber, surprise and significance by
        leidenalg.
    n_iterations
        Number of iterations; -1 iterates until the partition no longer changes.

    References
    ----------
    Traag, Waltman, van Eck (2019) From Louvain to Leiden: guaranteeing well-connected communities.
    Scientific Reports 9:5233.
    """

    objective: Literal["modularity", "cpm", "rber", "surprise", "significance"] = "modularity"
    n_iterations: RepeatCount | Literal[-1] = 2

    def __post_init__(self) -> None:
        if self.n_clusters is not None and self.objective in ("surprise", "significance"):
            raise ValueError(
                f"n_clusters: {self.objective} has no resolution to search; use another objective"
            )

    def _detect_communities(self, network: Any, resolution: float, seed: int) -> list[int]:
        if self.objective not in ("modularity", "cpm"):
            return self._run_leidenalg(network, resolution, seed)
        with use_igraph_seed(seed):
            return network.community_leiden(
                objective_function=self.objective,
                weights="weight",
                resolution=resolution,
                n_iterations=self.n_iterations,
            ).membership

    def _run_leidenalg(self, network: Any, resolution: float, seed: int) -> list[int]:
        import leidenalg

        partition = {
            "rber": leidenalg.RBERVertexPartition,
            "surprise": leidenalg.SurpriseVertexPartition,
            "significance": leidenalg.SignificanceVertexPartition,
        }[self.objective]
        settings: dict[str, Any] = {} if self.objective == "significance" else {"weights": "weight"}
        if self.objective == "rber":
            settings["resolution_parameter"] = resolution
        return leidenalg.find_partition(
            network, partition, n_iterations=self.n_iterations, seed=seed % 2**31, **settings
        ).membership


def to_igraph(graph: csr_matrix) -> Any:
    """Return a symmetric cell graph as an igraph Graph: vertex i is cell i, edges have weights."""
    import igraph

    upper = triu(graph, k=1).tocoo()
    edges = np.column_stack([upper.row, upper.col])
    attributes = {"weight": upper.data.astype(float)}
    return igraph.Graph(n=graph.shape[0], edges=edges, edge_attrs=attributes)
