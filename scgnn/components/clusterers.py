"""Clusterers: an embedding or a graph into labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy import sparse

from scgnn.fields import Positive, Rate
from scgnn.registry import Component
from scgnn.seeding import igraph_seed


class Clusterer(Component, kind="clusterer"):
    """Groups cells by their embedding or their graph.

    Labels are whole numbers 0 … K−1, none missing, the largest cluster first; clusters of equal
    size are numbered by their first cell.
    """

    def __call__(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
    ) -> np.ndarray:
        """Labels [cells] from an embedding, cells x d, and a graph, cells x cells."""
        raise NotImplementedError


def canonical(labels: np.ndarray) -> np.ndarray:
    """The same partition as 0 … K−1 by falling size, ties by first cell."""
    _, first, inverse, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[inverse]


def merge_small(labels: np.ndarray, min_size: int, max_clusters: int) -> np.ndarray:
    """Clusters under ``min_size`` cells or numbered ``max_clusters`` and beyond, made one.

    Kept clusters keep their order as 0 … m−1; the merged one is m. Labels must be 0 … K−1
    (METHOD of scGNN, util_function.trimClustering, with its counting put right).
    """
    sizes = np.bincount(labels)
    drop = (sizes < min_size) | (np.arange(len(sizes)) >= max_clusters)
    new = np.cumsum(~drop) - 1
    new[drop] = (~drop).sum()
    return new[labels]


@Clusterer.register("louvain")
@dataclass(frozen=True)
class Louvain(Clusterer):
    """Communities of the graph by modularity (Blondel 2008; igraph's multilevel).

    Parameters
    ----------
    resolution
        Above 1 gives more communities, below 1 fewer.
    """

    resolution: Rate = 1.0
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})

    def __call__(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
    ) -> np.ndarray:
        assert graph is not None
        network = to_igraph(graph)
        with igraph_seed(seed):
            found = network.community_multilevel(weights="weight", resolution=self.resolution)
        return canonical(np.asarray(found.membership))


@Clusterer.register("leiden")
@dataclass(frozen=True)
class Leiden(Clusterer):
    """Communities that are connected (Traag 2019): Louvain's successor.

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

    resolution: Rate = 1.0
    quality: Literal["modularity", "cpm", "rber", "surprise", "significance"] = "modularity"
    iterations: Positive | Literal[-1] = 2
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})

    def __call__(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
    ) -> np.ndarray:
        assert graph is not None
        network = to_igraph(graph)
        if self.quality in ("modularity", "cpm"):
            with igraph_seed(seed):
                found = network.community_leiden(
                    objective_function=self.quality,
                    weights="weight",
                    resolution=self.resolution,
                    n_iterations=self.iterations,
                )
        else:
            found = self._leidenalg(network, seed)
        return canonical(np.asarray(found.membership))

    def _leidenalg(self, network: Any, seed: int) -> Any:
        import leidenalg

        partition = {
            "rber": leidenalg.RBERVertexPartition,
            "surprise": leidenalg.SurpriseVertexPartition,
            "significance": leidenalg.SignificanceVertexPartition,
        }[self.quality]
        settings: dict[str, Any] = {} if self.quality == "significance" else {"weights": "weight"}
        if self.quality == "rber":
            settings["resolution_parameter"] = self.resolution
        return leidenalg.find_partition(
            network, partition, n_iterations=self.iterations, seed=seed % 2**31, **settings
        )


def to_igraph(graph: sparse.csr_matrix) -> Any:
    """A symmetric CSR graph as an igraph Graph: vertex i is cell i, weights kept."""
    import igraph

    upper = sparse.triu(graph, k=1).tocoo()
    edges = np.column_stack([upper.row, upper.col])
    return igraph.Graph(
        n=graph.shape[0], edges=edges, edge_attrs={"weight": upper.data.astype(float)}
    )


@Clusterer.register("kmeans")
@dataclass(frozen=True)
class KMeans(Clusterer):
    """k-means (scikit-learn), its k a number or counted by another clusterer.

    Parameters
    ----------
    k
        Number of clusters, or a clusterer whose count K is taken: k = int(K · k_factor), at
        least 2.
    k_factor
        Factor on a counted K; auto is 0.8 below 2,000 cells and 0.5 from there on, as in scGNN.
        A number given as k is taken as it is.
    starts
        Random starts, of which the best is kept.
    """

    k: Positive | Clusterer = Louvain()
    k_factor: Rate | Literal["auto"] = "auto"
    starts: Positive = 10

    def __call__(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
    ) -> np.ndarray:
        from sklearn.cluster import KMeans as Algorithm

        if isinstance(self.k, int):
            k = self.k
        else:
            counted = int(self.k(embedding, graph, seed).max()) + 1
            k = scaled_count(counted, len(embedding), self.k_factor)
        k = min(k, len(np.unique(embedding, axis=0)))
        model = Algorithm(n_clusters=k, n_init=self.starts, random_state=seed)
        return canonical(model.fit_predict(embedding))


def scaled_count(counted: int, n_cells: int, factor: float | Literal["auto"]) -> int:
    """scGNN's number of clusters from Louvain's: ``int(K · f)``, at least 2."""
    if factor == "auto":
        factor = 0.8 if n_cells < 2000 else 0.5
    return max(2, int(counted * factor))
