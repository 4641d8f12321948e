"""Runs on small and awkward data finish."""

from __future__ import annotations

import json

import numpy as np
import pytest

import scgnn
from budgets import REDUCED_BUDGET
from scgnn.recipe.load import load_recipe
from scgnn.runs.run import execute


def _not_empty(adata):
    return list(adata.obs_names[np.asarray(adata.X.sum(1)).ravel() > 0])


@pytest.mark.parametrize(
    ("n_cells", "n_genes"), [(3, 30), (4, 30), (6, 30), (40, 1), (40, 2)], ids=str
)
def test_small_data_finish(make_counts, reduced_budget, n_cells, n_genes):
    counts = make_counts(n_cells=n_cells, n_genes=n_genes)
    result = scgnn.run("scgnn", counts, **reduced_budget)
    assert list(result.obs_names) == _not_empty(counts)
    assert np.isfinite(result.layers["scgnn_imputed"]).all()


def test_cells_that_are_all_alike_finish(make_counts, reduced_budget):
    one = np.random.default_rng(0).poisson(3, (1, 30)).astype(np.float32)
    result = scgnn.run("scgnn", make_counts(np.repeat(one, 25, axis=0)), **reduced_budget)
    assert result.n_obs == 25
    assert np.allclose(result.layers["scgnn_imputed"], result.layers["scgnn_imputed"][0])


@pytest.mark.parametrize("recipe", ["pca_leiden", "pca_kmeans"])
def test_baselines_run_on_small_data(make_counts, recipe):
    for n_cells, n_genes in ((3, 30), (4, 30), (40, 1)):
        counts = make_counts(n_cells=n_cells, n_genes=n_genes)
        assert list(scgnn.run(recipe, counts).obs_names) == _not_empty(counts)


def draw(*shape):
    return np.random.default_rng(0).poisson(2, shape)


EDGES = {
    "three cells": draw(3, 30),
    "three cells alike": np.ones((3, 30)),
    "fewer cells than neighbors": draw(5, 30),
    "one gene": draw(40, 1),
    "one count in each cell": np.array([[3], [1], [2]]),
    "cells all alike": np.repeat(draw(1, 30), 25, axis=0),
    "exact copies": np.repeat(draw(8, 30), 5, axis=0),
    "one value": np.ones((30, 20)),
    "huge values": draw(30, 20) * 1e30,
}


@pytest.mark.parametrize("recipe", ["scgnn_gat_leiden", "scgnn_published_code", "pca_kmeans"])
@pytest.mark.parametrize("case", EDGES)
def test_awkward_data_finish_without_a_warning(make_counts, recipe, case):
    changes = {} if recipe.startswith("pca") else REDUCED_BUDGET
    result = execute(load_recipe(recipe, changes), make_counts(EDGES[case].astype(np.float32)))
    assert len(result.state.clusters) == result.adata.n_obs
    assert np.isfinite(result.adata.obsm["X_scgnn"]).all()
    json.dumps(result.metrics, allow_nan=False)
