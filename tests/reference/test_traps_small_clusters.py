"""Errors of the published code (METHOD, section 2), corrected here: small clusters (row 20).

Merging them gives 0 … K−1 and never an IndexError.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from scgnn.components.clusterers import Clusterer, merge_small, relabel_by_size
from scgnn.pipelines import steps


def sizes_of(labels):
    return np.unique(labels, return_counts=True)[1]


@pytest.mark.parametrize("n_clusters", [1, 2, 5, 29, 30, 31, 32, 60])
@pytest.mark.parametrize("seed", range(5))
def test_row_20_merged_labels_are_without_gaps(n_clusters, seed):
    draw = np.random.default_rng(seed)
    drawn = draw.integers(n_clusters, size=draw.integers(1, 200))
    labels = relabel_by_size(drawn)
    merged = relabel_by_size(merge_small(labels, 5, 30))
    assert set(merged) == set(range(merged.max() + 1))
    assert merged.max() + 1 <= 31
    assert (sizes_of(merged) < 5).sum() <= 1
    large = np.flatnonzero((np.bincount(labels) >= 5)[labels] & (labels < 30))
    assert adjusted_rand_score(labels[large], merged[large]) == 1


@pytest.mark.parametrize("size", [1, 4, 5, 6])
def test_row_20_a_cluster_of_five_cells_is_large_enough(size):
    labels = np.repeat([0, 1, 2], [20, 10, size])
    expected = [20, 10, size]
    assert sizes_of(merge_small(labels, 5, 30)).tolist() == expected
    with_single = np.append(labels, 3)
    joined = [20, 10, size + 1] if size < 5 else [20, 10, size, 1]
    assert sizes_of(merge_small(with_single, 5, 30)).tolist() == joined


@dataclasses.dataclass(frozen=True)
class FixedClusters(Clusterer):
    """Returns the clusters it was made with."""

    labels: tuple[int, ...]

    def fit_predict(self, embedding, graph, seed):
        return np.array(self.labels)


@pytest.mark.parametrize(
    "labels",
    [
        tuple(range(60)),
        (0,) * 60,
        tuple(np.arange(60) // 2),
        tuple(np.arange(60) // 30),
        (0,) * 59 + (1,),
    ],
    ids=["singletons", "one", "pairs", "halves", "one apart"],
)
def test_row_20_the_clustering_step_survives_every_partition(labels):
    clusters = steps.cluster(FixedClusters(labels), np.zeros((60, 2)), None, 5, 30, "merge", 0)
    assert set(clusters) == set(range(clusters.max() + 1))
