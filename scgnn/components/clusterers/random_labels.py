"""Clusters that mean nothing: the floor that any clusterer must pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse

from scgnn.components.clusterers.contract import Clusterer
from scgnn.components.clusterers.relabel import canonical
from scgnn.field_types import Positive
from scgnn.seeding import generator


@Clusterer.register("random")
@dataclass(frozen=True)
class Random(Clusterer):
    """Each cell in one of k clusters at random, whatever it is like: a control.

    Parameters
    ----------
    k
        Number of clusters; fewer where there are fewer cells.
    """

    k: Positive = 10
    control: ClassVar[bool] = True  # exempt from having to find anything

    def __call__(
        self, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
    ) -> np.ndarray:
        return canonical(generator(seed, "random").integers(self.k, size=len(embedding)))
