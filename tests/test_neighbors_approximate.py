"""Neighbours among many cells: nearly the exact ones, and how nearly is said."""

from __future__ import annotations

import logging
import sys

import numpy as np
import pytest

from scgnn.components.graph_builders import KNN, approximate
from scgnn.components.graph_builders.neighbors import kneighbors

CELLS = 3000


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    centres = rng.normal(scale=3, size=(12, 20))
    return centres[rng.integers(0, 12, CELLS)] + rng.normal(size=(CELLS, 20))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_nearly_all_neighbours_are_found(cells, metric, caplog):
    caplog.set_level(logging.INFO, "scgnn")
    _, exact = kneighbors(cells, 10, metric)
    distances, found = kneighbors(cells, 10, metric, exact_up_to=100)
    assert found.shape == distances.shape == (CELLS, 10)
    assert (found != np.arange(CELLS)[:, None]).all()
    assert (np.diff(distances, axis=1) >= 0).all()
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(exact, found, strict=True)])
    assert recall > 0.88
    (said,) = [r.getMessage() for r in caplog.records if "of the exact ones" in r.getMessage()]
    share = float(said.split(": ")[1].split("%")[0]) / 100
    assert abs(share - recall) < 0.03


def test_a_higher_floor_searches_more_finely(cells, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "scgnn")
    monkeypatch.setattr(approximate, "MIN_EF_SEARCH", 2)
    candidates = []
    for floor in (0.5, 0.9999):
        caplog.clear()
        kneighbors(cells, 10, "euclidean", exact_up_to=100, recall=floor)
        said = next(r.getMessage() for r in caplog.records if "of the exact ones" in r.getMessage())
        candidates.append(int(said.split("with ")[1].split()[0].replace(",", "")))
    assert candidates[0] < candidates[1]


def test_a_floor_out_of_reach_ends_in_an_exact_search(cells, caplog):
    _, exact = kneighbors(cells, 10, "euclidean")
    _, found = kneighbors(cells, 10, "euclidean", exact_up_to=100, recall=1.1)
    np.testing.assert_array_equal(found, exact)
    assert "searched exactly" in caplog.text


def test_the_same_bits_again(cells):
    once, again = (KNN(exact_up_to=100)(cells, seed) for seed in (0, 1))
    assert (once != again).nnz == 0
    assert (once != once.T).nnz == 0


def test_few_cells_are_exact(cells, monkeypatch):
    monkeypatch.setattr(approximate, "_import_faiss", lambda: pytest.fail("not so few"))
    kneighbors(cells, 10, "euclidean")


def test_equal_cells_are_no_trouble():
    same = np.zeros((500, 4))
    distances, neighbors = kneighbors(same, 5, "euclidean", exact_up_to=10)
    assert neighbors.shape == (500, 5)
    assert not distances.any()


def test_without_faiss_the_search_is_exact_and_says_what_would_help(cells, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "faiss", None)
    _, exact = kneighbors(cells, 10, "euclidean")
    _, found = kneighbors(cells, 10, "euclidean", exact_up_to=100)
    np.testing.assert_array_equal(found, exact)
    assert "pip install scgnn[scale]" in caplog.text
