"""The partition that stands for a family of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import sparse

from scgnn.components.clusterers.community import Leiden
from scgnn.components.clusterers.contract import Clusterer
from scgnn.components.graph_builders import KNN
from scgnn.field_types import PositiveFloats, PositiveInts


@Clusterer.register("consensus")
@dataclass(frozen=True)
class Consensus(Clusterer):
    """Of many Leiden partitions the one that agrees best with the others.

    One partition for every resolution, number of neighbours and number of dimensions; agreement
    is the mean adjusted Rand index, and so the answer is one of them, their medoid (Vega-Pons &
    Ruiz-Shulcloper 2011). Neighbours are those of the embedding: the pipeline's graph is not read.

    Parameters
    ----------
    resolutions
        Of Leiden.
    n_neighbors
        Nearest neighbours in the graph.
    n_pcs
        Leading principal components of the embedding; all where it has no more.
    """

    resolutions: PositiveFloats = (0.5, 1.0, 1.5)
    n_neighbors: PositiveInts = (10, 20)
    n_pcs: PositiveInts = (10, 30)

    def __call__(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
    ) -> np.ndarray:
        family = list(self._iter_partitions(np.asarray(embedding, dtype=np.float64), seed))
        return family[int(np.argmax(compute_mean_agreements(family)))]

    def _iter_partitions(self, embedding: np.ndarray, seed: int) -> Iterator[np.ndarray]:
        n = len(embedding)
        scores = compute_principal_components(embedding)
        widths = dict.fromkeys(min(d, scores.shape[1]) for d in self.n_pcs)
        sizes = dict.fromkeys(max(1, min(k, n - 1)) for k in self.n_neighbors)
        for d, k in product(widths, sizes):
            graph = KNN(n_neighbors=k, prune=None)(scores[:, :d], seed)
            for resolution in dict.fromkeys(self.resolutions):
                yield Leiden(resolution=resolution)(scores, graph, seed)


def compute_mean_agreements(partitions: list[np.ndarray]) -> np.ndarray:
    """Mean adjusted Rand index of each partition with all of them."""
    from sklearn.metrics import adjusted_rand_score

    table = np.eye(len(partitions))
    for i, j in zip(*np.triu_indices(len(partitions), k=1), strict=True):
        table[i, j] = table[j, i] = adjusted_rand_score(partitions[i], partitions[j])
    return np.asarray(table.mean(1))


def compute_principal_components(embedding: np.ndarray) -> np.ndarray:
    """The embedding turned so that its dimensions fall in variance, cells x min(cells, d)."""
    centred = embedding - embedding.mean(0)
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(left * lengths)
