"""Clusters that mean nothing: the floor that any clusterer must pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse

from scgnn.components.clusterers.contract import Clusterer
from scgnn.components.clusterers.relabel import relabel_by_size
from scgnn.field_types import PositiveInt
from scgnn.seeding import generator


@Clusterer.register("random")
@dataclass(frozen=True)
class RandomClusters(Clusterer):
    """Each cell in one of k clusters at random, whatever it is like: a control.

    Parameters
    ----------
    n_clusters
        Number of clusters; fewer where there are fewer cells.
    """

    n_clusters: PositiveInt = 10
    is_baseline: ClassVar[bool] = True  # exempt from having to find anything

    def __call__(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
    ) -> np.ndarray:
        return relabel_by_size(
            generator(seed, "random").integers(self.n_clusters, size=len(embedding))
        )
