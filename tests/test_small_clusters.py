"""What becomes of small clusters: made one, or joined to the nearest."""

from __future__ import annotations

import numpy as np

from scgnn.components.clusterers import merge_small, reassign_small

SMALL = np.array([0] * 5 + [1] * 4 + [2, 2, 3])
PLACES = np.array([[0.0]] * 5 + [[10.0]] * 4 + [[4.0], [6.0], [9.0]])


def test_small_clusters_are_made_one():
    np.testing.assert_array_equal(merge_small(SMALL, 3, 30), [0] * 5 + [1] * 4 + [2, 2, 2])


def test_cells_of_small_clusters_join_the_nearest_that_is_kept():
    labels = reassign_small(SMALL, PLACES, 3, 30)
    np.testing.assert_array_equal(labels, [0] * 5 + [1] * 4 + [0, 1, 1])


def test_clusters_beyond_the_most_are_small_too():
    np.testing.assert_array_equal(reassign_small(SMALL, PLACES, 1, 1), np.zeros(12))


def test_where_no_cluster_is_kept_all_cells_are_one():
    np.testing.assert_array_equal(reassign_small(SMALL, PLACES, 99, 30), np.zeros(12))


def test_kept_clusters_keep_their_cells():
    np.testing.assert_array_equal(reassign_small(SMALL, PLACES, 1, 30), SMALL)
