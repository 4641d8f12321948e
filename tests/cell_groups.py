"""Groups of cells for the tests of clusterers, and what every clustering of them owes."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import adjusted_rand_score

from scgnn.components.clusterers import Clusterer, GivenK, relabel_by_size
from scgnn.components.graph_builders import KNN

NON_RANDOM_CLUSTERERS = sorted(set(Clusterer.names()) - {"random"})  # by the cells, not by chance
GIVEN_K_CLUSTERERS = [
    name for name in NON_RANDOM_CLUSTERERS if issubclass(Clusterer.get(name), GivenK)
]


def make_blobs(*sizes, separation=100.0, n_dims=5, seed=0):
    """Round groups of cells, one on each axis, and which of them each cell is of."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    noise = np.random.default_rng(seed).normal(size=(len(group), n_dims))
    return (noise + separation * np.eye(len(sizes), n_dims)[group]).astype(np.float32), group


def fit_clusters(clusterer, x, seed=0):
    """The clusters of cells, by the default graph."""
    return clusterer.fit_predict(x, KNN()(x, seed), seed)


def make_clusterer(name, **settings):
    """A clusterer by name."""
    return Clusterer.get(name)(**settings)


def assert_valid_clusters(clusters, n):
    """One label per cell, 0 … K−1, the larger clusters first."""
    assert clusters.shape == (n,) and np.issubdtype(clusters.dtype, np.integer)
    np.testing.assert_array_equal(clusters, relabel_by_size(clusters))


def is_same_partition(first, second):
    """Whether two partitions are one, whatever the numbers."""
    return adjusted_rand_score(first, second) == 1
