"""Merging of small and surplus clusters."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from scgnn.components.clusterers import merge_small, relabel_by_size
from scgnn.pipelines.scgnn import ScGNN

from . import assert_near

CASES = ("many_small", "many_big", "single", "few_small", "all_small", "exactly31")

ARRAYS = {
    r"minMemberinCluster|maxClusterNumber": "test_limits_are_those_of_the_published_code",
    r"case_names": "test_cases_are_complete",
    r"\w+_labels": "input",
    r"(?!\w+_maxcap)\w+_described": "test_clusters_under_five_cells_become_one",
    r"\w+_maxcap_described": "test_clusters_from_the_thirtieth_on_join_them",
    r"\w+_called_by_main": "information",  # ours merges always: see METHOD section 1.6
    r"gap_raises_published": "test_missing_cluster_number_is_accepted",
    r"mutates_input_published": "test_input_is_not_modified",
    r"(?!gap_raises|mutates_input)\w+_published": (
        "test_published_labels_differ_only_in_the_limit"
    ),
}

all_cases = pytest.mark.parametrize("case", CASES)


def merged(arrays, case, capped=True):
    labels = arrays[f"{case}_labels"]
    most = int(arrays["maxClusterNumber"]) if capped else len(labels)
    return merge_small(labels, int(arrays["minMemberinCluster"]), most)


def test_cases_are_complete(arrays):
    assert tuple(arrays["case_names"]) == CASES


def test_limits_are_those_of_the_published_code(arrays):
    pipeline = ScGNN()
    assert pipeline.min_cluster_size == int(arrays["minMemberinCluster"])
    assert pipeline.max_clusters == int(arrays["maxClusterNumber"])


@pytest.mark.parametrize("case", [*CASES, "gap"])
def test_clusters_under_five_cells_become_one(arrays, case):
    ours = merged(arrays, case, capped=False)
    np.testing.assert_array_equal(ours, arrays[f"{case}_described"])


@all_cases
def test_clusters_from_the_thirtieth_on_join_them(arrays, case):
    np.testing.assert_array_equal(merged(arrays, case), arrays[f"{case}_maxcap_described"])


def test_missing_cluster_number_is_accepted(arrays):
    assert bool(arrays["gap_raises_published"])
    np.testing.assert_array_equal(np.unique(merged(arrays, "gap")), [0, 1, 2])


@all_cases
def test_input_is_not_modified(arrays, case):
    assert bool(arrays["mutates_input_published"])
    before = arrays[f"{case}_labels"].copy()
    merged(arrays, case)
    np.testing.assert_array_equal(arrays[f"{case}_labels"], before)


@all_cases
def test_published_labels_differ_only_in_the_limit(arrays, case):
    """The published code counts cells from 0, so its limit of 5 is 6 (METHOD 2, row 20)."""
    labels, published = arrays[f"{case}_labels"], arrays[f"{case}_published"]
    limit = int(arrays["minMemberinCluster"]) + 1
    ours = merge_small(labels, limit, int(arrays["maxClusterNumber"]))
    np.testing.assert_array_equal(relabel_by_size(ours), relabel_by_size(published))
    assert_near(adjusted_rand_score(ours, published), 1.0)


@all_cases
def test_relabeling_keeps_the_partition_and_removes_gaps(arrays, case):
    labels = arrays[f"{case}_published"]  # with gaps
    ours = relabel_by_size(labels)
    assert len(set(zip(labels.tolist(), ours.tolist(), strict=True))) == len(np.unique(labels))
    sizes = np.bincount(ours)
    assert (sizes > 0).all()
    assert (np.diff(sizes) <= 0).all()
    of_one_size = [np.flatnonzero(ours == label)[0] for label in np.argsort(-sizes, kind="stable")]
    for before, after in zip(range(len(sizes)), range(1, len(sizes)), strict=False):
        assert sizes[before] > sizes[after] or of_one_size[before] < of_one_size[after]
