"""Approximate neighbor search and its recall."""

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
    centers = rng.normal(scale=3, size=(12, 20))
    return centers[rng.integers(0, 12, CELLS)] + rng.normal(size=(CELLS, 20))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_recall_is_reached_and_logged(cells, metric, caplog):
    caplog.set_level(logging.INFO, "scgnn")
    _, exact = kneighbors(cells, 10, metric)
    distances, result = kneighbors(cells, 10, metric, exact_up_to=100)
    assert result.shape == distances.shape == (CELLS, 10)
    assert (result != np.arange(CELLS)[:, None]).all()
    assert (np.diff(distances, axis=1) >= 0).all()
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(exact, result, strict=True)])
    assert recall > 0.88
    (message,) = [r.getMessage() for r in caplog.records if "of the exact ones" in r.getMessage()]
    fraction = float(message.split(": ")[1].split("%")[0]) / 100
    assert abs(fraction - recall) < 0.03


def test_higher_recall_uses_more_candidates(cells, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "scgnn")
    monkeypatch.setattr(approximate, "MIN_EF_SEARCH", 2)
    candidates = []
    for min_recall in (0.5, 0.9999):
        caplog.clear()
        kneighbors(cells, 10, "euclidean", exact_up_to=100, recall=min_recall)
        message = next(
            r.getMessage() for r in caplog.records if "of the exact ones" in r.getMessage()
        )
        candidates.append(int(message.split("with ")[1].split()[0].replace(",", "")))
    assert candidates[0] < candidates[1]


def test_unreachable_recall_falls_back_to_exact_search(cells, caplog):
    _, exact = kneighbors(cells, 10, "euclidean")
    _, result = kneighbors(cells, 10, "euclidean", exact_up_to=100, recall=1.1)
    np.testing.assert_array_equal(result, exact)
    assert "searched exactly" in caplog.text


def test_graph_is_reproducible(cells):
    first, second = (KNN(exact_up_to=100)(cells, seed) for seed in (0, 1))
    assert (first != second).nnz == 0
    assert (first != first.T).nnz == 0


def test_few_cells_are_exact(cells, monkeypatch):
    monkeypatch.setattr(approximate, "_import_faiss", lambda: pytest.fail("not so few"))
    kneighbors(cells, 10, "euclidean")


def test_identical_cells_are_accepted():
    same = np.zeros((500, 4))
    distances, neighbors = kneighbors(same, 5, "euclidean", exact_up_to=10)
    assert neighbors.shape == (500, 5)
    assert not distances.any()


def test_without_faiss_the_search_is_exact_and_suggests_installing_it(cells, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "faiss", None)
    _, exact = kneighbors(cells, 10, "euclidean")
    _, result = kneighbors(cells, 10, "euclidean", exact_up_to=100)
    np.testing.assert_array_equal(result, exact)
    assert "pip install scgnn[scale]" in caplog.text
