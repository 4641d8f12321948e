"""Groups of cells for the tests of clusterers, and what every clustering of them owes."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import adjusted_rand_score

from scgnn.components.clusterers import Clusterer, Counted, canonical
from scgnn.components.graph_builders import KNN

SETTLED = sorted(set(Clusterer.names()) - {"random"})  # by the cells, not by chance
COUNTED = [name for name in SETTLED if issubclass(Clusterer.named(name), Counted)]


def blobs(*sizes, apart=100.0, width=5, seed=0):
    """Round groups of cells, one on each axis, and which of them each cell is of."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    noise = np.random.default_rng(seed).normal(size=(len(group), width))
    return (noise + apart * np.eye(len(sizes), width)[group]).astype(np.float32), group


def labels_of(clusterer, x, seed=0):
    """The clusters of cells, by the default graph."""
    return clusterer(x, KNN()(x, seed), seed)


def of(name, **settings):
    """A clusterer by name."""
    return Clusterer.named(name)(**settings)


def assert_contract(labels, n):
    """One label per cell, 0 … K−1, the larger clusters first."""
    assert labels.shape == (n,) and np.issubdtype(labels.dtype, np.integer)
    np.testing.assert_array_equal(labels, canonical(labels))


def same_groups(one, other):
    """Whether two partitions are one, whatever the numbers."""
    return adjusted_rand_score(one, other) == 1
