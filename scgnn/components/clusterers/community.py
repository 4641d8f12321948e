"""Clusterers that find communities of the cell graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy import sparse

from scgnn.components.clusterers.contract import Clusterer
from scgnn.components.clusterers.relabel import relabel_by_size
from scgnn.field_types import PositiveFloat, PositiveInt
from scgnn.seeding import use_igraph_seed

MAX_BISECTIONS = 40  # of a resolution, for a wished number of communities
MIN_RESOLUTION_RATIO = 1.0001  # ratio of resolutions that are no longer told apart


@dataclass(frozen=True)
class CommunityDetection(Clusterer):
    """What finders of communities share.

    Parameters
    ----------
    resolution
        Above 1 gives more communities, below 1 fewer.
    n_clusters
        Number of communities wished for; null takes those of the resolution. It is sought by
        bisection, from the resolution on; where none gives it exactly the nearest is taken.
    """

    resolution: PositiveFloat = 1.0
    n_clusters: PositiveInt | None = None
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})

    def __call__(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
    ) -> np.ndarray:
        assert graph is not None
        network = to_igraph(graph)

        def cluster_at(resolution: float) -> np.ndarray:
            return relabel_by_size(np.asarray(self._detect_communities(network, resolution, seed)))

        if self.n_clusters is None:
            return cluster_at(self.resolution)
        parts = len(network.connected_components())  # which no resolution joins
        return search_resolution(
            min(max(self.n_clusters, parts), network.vcount()), cluster_at, self.resolution
        )

    def _detect_communities(self, network: Any, resolution: float, seed: int) -> list[int]:
        """The community of each vertex of an igraph Graph."""
        raise NotImplementedError


def search_resolution(
    n_clusters: int, cluster_at: Callable[[float], np.ndarray], initial_resolution: float
) -> np.ndarray:
    """Canonical labels of the resolution whose number of clusters is nearest to ``k``."""
    low, high, resolution = 0.0, np.inf, initial_resolution
    best, miss = np.empty(0), np.inf
    for _ in range(MAX_BISECTIONS):
        labels = cluster_at(resolution)
        count = int(labels.max()) + 1
        if abs(count - n_clusters) < miss:
            best, miss = labels, abs(count - n_clusters)
        if miss == 0 or (low > 0 and high / low < MIN_RESOLUTION_RATIO):
            break
        low, high = (resolution, high) if count < n_clusters else (low, resolution)
        if low == 0:
            resolution = high / 2
        else:
            resolution = low * 2 if np.isinf(high) else float(np.sqrt(low * high))
    return best


@Clusterer.register("louvain")
@dataclass(frozen=True)
class Louvain(CommunityDetection):
    """Communities of the graph by modularity (Blondel 2008; igraph's multilevel).

    Modularity is ``Σ_ij (A_ij − resolution · d_i d_j / 2m) / 2m`` over the pairs of cells in one
    community, d their degrees, m the sum of all weights.
    """

    def _detect_communities(self, network: Any, resolution: float, seed: int) -> list[int]:
        with use_igraph_seed(seed):
            found = network.community_multilevel(weights="weight", resolution=resolution)
        return list(found.membership)


@Clusterer.register("leiden")
@dataclass(frozen=True)
class Leiden(CommunityDetection):
    """Communities that are connected (Traag 2019): Louvain's successor.

    Modularity is that of ``louvain``.

    Parameters
    ----------
    resolution
        Above 1 gives more communities, below 1 fewer; surprise and significance have none.
    objective
        What is maximised: modularity and cpm by igraph, rber, surprise and significance by
        leidenalg.
    n_iterations
        Passes over the graph; -1 goes on until nothing moves.
    """

    objective: Literal["modularity", "cpm", "rber", "surprise", "significance"] = "modularity"
    n_iterations: PositiveInt | Literal[-1] = 2

    def __post_init__(self) -> None:
        if self.n_clusters is not None and self.objective in ("surprise", "significance"):
            raise ValueError(f"n_clusters: {self.objective} has no resolution by which to find it")

    def _detect_communities(self, network: Any, resolution: float, seed: int) -> list[int]:
        if self.objective not in ("modularity", "cpm"):
            return self._run_leidenalg(network, resolution, seed)
        with use_igraph_seed(seed):
            found = network.community_leiden(
                objective_function=self.objective,
                weights="weight",
                resolution=resolution,
                n_iterations=self.n_iterations,
            )
        return list(found.membership)

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
        found = leidenalg.find_partition(
            network, partition, n_iterations=self.n_iterations, seed=seed % 2**31, **settings
        )
        return list(found.membership)


def to_igraph(graph: sparse.csr_matrix) -> Any:
    """A symmetric CSR graph as an igraph Graph: vertex i is cell i, weights kept."""
    import igraph

    upper = sparse.triu(graph, k=1).tocoo()
    edges = np.column_stack([upper.row, upper.col])
    return igraph.Graph(
        n=graph.shape[0], edges=edges, edge_attrs={"weight": upper.data.astype(float)}
    )
