"""Source of plug-ins: a clusterer that puts every cell into one cluster."""

from __future__ import annotations

COMPONENT_TEMPLATE = '''
from dataclasses import dataclass

import numpy as np

from scgnn.components.clusterers import Clusterer


@Clusterer.register("{name}")
@dataclass(frozen=True)
class {cls}(Clusterer):
    """Puts every cell into one cluster.

    Parameters
    ----------
    k
        Not used.
    """

    k: int = 1

    def fit_predict(self, embedding, graph, seed):
        return np.zeros(len(embedding), dtype=np.int64)
'''
LUMP_PLUGIN = COMPONENT_TEMPLATE.format(name="lump", cls="Lump")
