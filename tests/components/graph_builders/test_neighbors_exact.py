"""Exact neighbor search against brute force, on data that are hard to round."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scgnn.components.graph_builders.neighbors import kneighbors


def search_brute_force(x, k):
    """Return neighbors and distances by differences in float64, ties by index."""
    distances = np.sqrt(np.square(x[:, None] - x).sum(2))
    np.fill_diagonal(distances, np.inf)
    order = distances.argsort(axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distances, order, 1)


def cells(n=600, d=10, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def make_outlier():
    x = cells()
    x[5, 3] = 1e12
    return x


HARD = {
    "plain": cells(),
    "far from zero": cells() + 1e9,
    "an outlier": make_outlier(),
    "far blobs": cells() + 1e8 * (np.arange(600) % 2)[:, None],
    "tiny": cells() * 1e-23,
    "overflowing float32": cells() * 1e19,
    "huge": cells() * 1e30,
    "dead units": np.hstack([cells(d=2), np.full((600, 3), 7.0)]),
    "few": cells(n=12),
}


@pytest.mark.parametrize("name", HARD)
def test_neighbors_are_those_of_brute_force(name):
    expected, lengths = search_brute_force(HARD[name], 10)
    distances, result = kneighbors(HARD[name], 10, "euclidean")
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_allclose(distances, lengths, rtol=1e-12)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["grid", "copies", "all the same"])
def test_ties_are_broken_by_index(kind, threads):
    x = {
        "grid": np.round(cells(513, 2)),
        "copies": np.random.default_rng(1).permutation(np.repeat(cells(17, 6), 40, axis=0)),
        "all the same": np.ones((300, 4)),
    }[kind]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        _, result = kneighbors(x, 15, "euclidean")
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(result, search_brute_force(x, 15)[0])


@pytest.mark.parametrize("change", [lambda x: x + 1e8, lambda x: x * 1e-25])
def test_index_finds_neighbors_at_extreme_offset_and_scale(change):
    pytest.importorskip("faiss")
    x = change(cells(2000))
    _, result = kneighbors(x, 10, "euclidean", exact_up_to=500)
    shared = [
        np.isin(a, b).mean() for a, b in zip(result, search_brute_force(x, 10)[0], strict=True)
    ]
    assert np.mean(shared) > 0.9
