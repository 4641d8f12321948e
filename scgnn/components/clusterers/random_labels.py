"""Random clusters, a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scgnn.components.clusterers.contract import Clusterer, Graph
from scgnn.components.clusterers.relabel import relabel_by_size
from scgnn.field_types import PositiveInt
from scgnn.seeding import generator


@Clusterer.register("random")
@dataclass(frozen=True)
class RandomClusters(Clusterer):
    """Uniformly random clusters, independent of the data: a baseline.

    Parameters
    ----------
    n_clusters
        Number of clusters, of which some can be empty where cells are few.
    """

    n_clusters: PositiveInt = 10
    is_baseline: ClassVar[bool] = True  # exempt from checks that it finds structure

    def fit_predict(self, embedding: np.ndarray, graph: Graph, seed: int) -> np.ndarray:
        drawn = generator(seed, "random").integers(self.n_clusters, size=len(embedding))
        return relabel_by_size(drawn)
