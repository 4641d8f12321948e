"""Communities of the graph of cells, and a wished number of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from cell_groups import assert_contract, blobs, labels_of, same_groups
from scgnn.components.clusterers import Leiden, Louvain
from scgnn.components.clusterers.community import with_count


@pytest.mark.parametrize(
    "clusterer",
    [Louvain(), Leiden(), Leiden(quality="cpm"), Leiden(quality="rber"), Leiden(resolution=9.0)],
)
@pytest.mark.parametrize("k", [2, 5, 10])
def test_a_wished_number_of_communities_is_found(clusterer, k):
    x, _ = blobs(40, 40, apart=2.0)
    labels = labels_of(replace(clusterer, k=k), x)
    assert_contract(labels, 80)
    assert labels.max() + 1 == k


@pytest.mark.parametrize("clusterer", [Louvain(k=1), Leiden(k=1)])
def test_parts_of_the_graph_stay_apart_whatever_is_wished(clusterer):
    x, group = blobs(30, 25, 20)
    assert same_groups(labels_of(clusterer, x), group)


@pytest.mark.parametrize(("k", "nearest"), [(4, 4), (6, 5), (9, 10), (10, 10), (50, 10)])
def test_where_the_number_cannot_be_had_the_nearest_is_taken(k, nearest):
    def found(resolution):
        count = 2 if resolution < 0.3 else 4 if resolution < 0.5 else 5 if resolution < 3 else 10
        return np.arange(40) % count

    assert with_count(k, found, 1.0).max() + 1 == nearest


def test_there_are_no_more_communities_than_cells():
    ring = np.roll(np.eye(6), 1, 1) + np.roll(np.eye(6), -1, 1)
    labels = Louvain(k=100)(None, sparse.csr_matrix(ring, dtype=np.float32), 0)
    assert labels.max() + 1 == 6


@pytest.mark.parametrize("quality", ["surprise", "significance"])
def test_qualities_without_a_resolution_refuse_a_wished_number(quality):
    with pytest.raises(ValueError, match=f"k: {quality} has no resolution"):
        Leiden(quality=quality, k=3)
    labels = labels_of(Leiden(quality=quality), blobs(30, 20)[0])
    assert labels.max() >= 1
