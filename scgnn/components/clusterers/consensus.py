"""Consensus of several Leiden partitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from scgnn.components.clusterers.community_detection import Leiden
from scgnn.components.clusterers.contract import Clusterer, Graph
from scgnn.components.graph_builders import KNN
from scgnn.field_types import PositiveFloats, PositiveInts


@Clusterer.register("consensus")
@dataclass(frozen=True)
class Consensus(Clusterer):
    """Medoid of Leiden partitions over a grid of parameters, by mean adjusted Rand index.

    One partition is computed for each resolution, number of neighbors and number of principal
    components. The graph of the pipeline is not used.

    Parameters
    ----------
    resolutions
        Resolutions of Leiden.
    n_neighbors
        Numbers of neighbors in the graphs.
    n_pcs
        Numbers of leading principal components of the embedding, at most its dimension.

    References
    ----------
    Vega-Pons, Ruiz-Shulcloper (2011) A survey of clustering ensemble algorithms. International
    Journal of Pattern Recognition and Artificial Intelligence 25:337.
    """

    resolutions: PositiveFloats = (0.5, 1.0, 1.5)
    n_neighbors: PositiveInts = (10, 20)
    n_pcs: PositiveInts = (10, 30)

    def fit_predict(self, embedding: np.ndarray, graph: Graph, seed: int) -> np.ndarray:
        partitions = list(self._iter_partitions(np.asarray(embedding, dtype=np.float64), seed))
        return partitions[int(np.argmax(compute_mean_agreements(partitions)))]

    def _iter_partitions(self, embedding: np.ndarray, seed: int) -> Iterator[np.ndarray]:
        """Yield the partition of each distinct set of parameters."""
        u, s, _ = np.linalg.svd(embedding - embedding.mean(0), full_matrices=False)
        pcs = u * s  # cells x min(cells, d)
        n_pcs = dict.fromkeys(min(n, pcs.shape[1]) for n in self.n_pcs)
        n_neighbors = dict.fromkeys(max(1, min(k, len(pcs) - 1)) for k in self.n_neighbors)
        for n, k in product(n_pcs, n_neighbors):
            graph = KNN(n_neighbors=k, prune=None)(pcs[:, :n], seed)
            for resolution in dict.fromkeys(self.resolutions):
                yield Leiden(resolution=resolution).fit_predict(pcs, graph, seed)


def compute_mean_agreements(partitions: list[np.ndarray]) -> np.ndarray:
    """Return the mean adjusted Rand index of each partition with all of them."""
    from sklearn.metrics import adjusted_rand_score

    table = np.eye(len(partitions))
    for i, j in zip(*np.triu_indices(len(partitions), k=1), strict=True):
        table[i, j] = table[j, i] = adjusted_rand_score(partitions[i], partitions[j])
    return table.mean(1)
