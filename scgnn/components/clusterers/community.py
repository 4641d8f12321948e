"""Clusterers that find communities of the cell graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy import sparse

from scgnn.components.clusterers.contract import Clusterer
from scgnn.components.clusterers.relabel import canonical
from scgnn.field_types import Positive, Rate
from scgnn.seeding import igraph_seed

TRIES = 40  # of a resolution, for a wished number of communities
NARROWEST = 1.0001  # ratio of resolutions that are no longer told apart


@dataclass(frozen=True)
class Communities(Clusterer):
    """What finders of communities share.

    Parameters
    ----------
    resolution
        Above 1 gives more communities, below 1 fewer.
    k
        Number of communities wished for; null takes those of the resolution. It is sought by
        bisection, from the resolution on; where none gives it exactly the nearest is taken.
    """

    resolution: Rate = 1.0
    k: Positive | None = None
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})

    def __call__(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
    ) -> np.ndarray:
        assert graph is not None
        network = to_igraph(graph)

        def found(resolution: float) -> np.ndarray:
            return canonical(np.asarray(self.find(network, resolution, seed)))

        if self.k is None:
            return found(self.resolution)
        parts = len(network.connected_components())  # which no resolution joins
        return with_count(min(max(self.k, parts), network.vcount()), found, self.resolution)

    def find(self, network: Any, resolution: float, seed: int) -> list[int]:
        """The community of each vertex of an igraph Graph."""
        raise NotImplementedError


def with_count(k: int, found: Callable[[float], np.ndarray], start: float) -> np.ndarray:
    """Canonical labels of the resolution whose number of clusters is nearest to ``k``."""
    low, high, resolution = 0.0, np.inf, start
    best, miss = np.empty(0), np.inf
    for _ in range(TRIES):
        labels = found(resolution)
        count = int(labels.max()) + 1
        if abs(count - k) < miss:
            best, miss = labels, abs(count - k)
        if miss == 0 or (low > 0 and high / low < NARROWEST):
            break
        low, high = (resolution, high) if count < k else (low, resolution)
        if low == 0:
            resolution = high / 2
        else:
            resolution = low * 2 if np.isinf(high) else float(np.sqrt(low * high))
    return best


@Clusterer.register("louvain")
@dataclass(frozen=True)
class Louvain(Communities):
    """Communities of the graph by modularity (Blondel 2008; igraph's multilevel).

    Modularity is ``Σ_ij (A_ij − resolution · d_i d_j / 2m) / 2m`` over the pairs of cells in one
    community, d their degrees, m the sum of all weights.
    """

    def find(self, network: Any, resolution: float, seed: int) -> list[int]:
        with igraph_seed(seed):
            found = network.community_multilevel(weights="weight", resolution=resolution)
        return list(found.membership)


@Clusterer.register("leiden")
@dataclass(frozen=True)
class Leiden(Communities):
    """Communities that are connected (Traag 2019): Louvain's successor.

    Modularity is that of ``louvain``.

    Parameters
    ----------
    resolution
        Above 1 gives more communities, below 1 fewer; surprise and significance have none.
    quality
        What is maximised: modularity and cpm by igraph, rber, surprise and significance by
        leidenalg.
    iterations
        Passes over the graph; -1 goes on until nothing moves.
    """

    quality: Literal["modularity", "cpm", "rber", "surprise", "significance"] = "modularity"
    iterations: Positive | Literal[-1] = 2

    def __post_init__(self) -> None:
        if self.k is not None and self.quality in ("surprise", "significance"):
            raise ValueError(f"k: {self.quality} has no resolution by which to find it")

    def find(self, network: Any, resolution: float, seed: int) -> list[int]:
        if self.quality not in ("modularity", "cpm"):
            return self._leidenalg(network, resolution, seed)
        with igraph_seed(seed):
            found = network.community_leiden(
                objective_function=self.quality,
                weights="weight",
                resolution=resolution,
                n_iterations=self.iterations,
            )
        return list(found.membership)

    def _leidenalg(self, network: Any, resolution: float, seed: int) -> list[int]:
        import leidenalg

        partition = {
            "rber": leidenalg.RBERVertexPartition,
            "surprise": leidenalg.SurpriseVertexPartition,
            "significance": leidenalg.SignificanceVertexPartition,
        }[self.quality]
        settings: dict[str, Any] = {} if self.quality == "significance" else {"weights": "weight"}
        if self.quality == "rber":
            settings["resolution_parameter"] = resolution
        found = leidenalg.find_partition(
            network, partition, n_iterations=self.iterations, seed=seed % 2**31, **settings
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
