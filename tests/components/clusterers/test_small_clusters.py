"""Merging and reassignment of small clusters."""

from __future__ import annotations

import numpy as np

from scgnn.components.clusterers import merge_small, reassign_small

SMALL = np.array([0] * 5 + [1] * 4 + [2, 2, 3])
# the means of the large clusters are 0 and 10, far from their extremes
POINTS = np.array([[-8.0, -2.0, 0.0, 2.0, 8.0, 5.0, 9.0, 11.0, 15.0, 4.0, 6.0, 9.0]]).T


def test_small_clusters_are_merged():
    np.testing.assert_array_equal(merge_small(SMALL, 3, 30), [0] * 5 + [1] * 4 + [2, 2, 2])


def test_cells_of_small_clusters_join_the_nearest_large_one():
    labels = reassign_small(SMALL, POINTS, 3, 30)
    np.testing.assert_array_equal(labels, [0] * 5 + [1] * 4 + [0, 1, 1])


def test_surplus_clusters_are_reassigned():
    np.testing.assert_array_equal(reassign_small(SMALL, POINTS, 1, 1), np.zeros(12))


def test_without_large_clusters_there_is_one():
    np.testing.assert_array_equal(reassign_small(SMALL, POINTS, 99, 30), np.zeros(12))


def test_large_clusters_are_unchanged():
    np.testing.assert_array_equal(reassign_small(SMALL, POINTS, 1, 30), SMALL)
