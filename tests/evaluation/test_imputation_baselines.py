"""Imputation baselines against dense formulas, and their scores in tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from scgnn.evaluation.baselines import BASELINES, impute_baselines
from scgnn.evaluation.scores import flatten_scores, get_direction
from scgnn.report.imputation import build_imputation_table
from scgnn.stats.effects import estimate_effects
from scgnn.study.tables import list_score_names

N_CELLS, N_GENES, K = 60, 80, 15


@pytest.fixture(scope="module")
def x():
    rng = np.random.default_rng(0)
    rate = rng.gamma(1.0, 1.5, (3, N_GENES))[np.arange(N_CELLS) % 3]
    return np.log1p(rng.poisson(rate)).astype(np.float32)


@pytest.fixture(scope="module")
def near(x):
    """Distances and a mask of neighbors and the cell itself, both cells x cells."""
    distances = cdist(*[PCA(50, svd_solver="full").fit_transform(x.astype(float))] * 2)
    rank = distances.argsort(axis=1).argsort(axis=1)
    return distances, rank <= K


@pytest.fixture(scope="module", params=["sparse", "dense"])
def imputed(x, request):
    return dict(impute_baselines(sparse.csr_matrix(x) if request.param == "sparse" else x, seed=0))


def test_every_baseline_imputes_every_entry(x, imputed):
    assert list(imputed) == list(BASELINES)
    for result in imputed.values():
        assert result.shape == x.shape
        assert result.dtype == np.float32


def test_baselines_without_neighbors(x, imputed):
    assert_allclose(imputed["unimputed"], x)
    assert not imputed["zero"].any()
    assert_allclose(imputed["gene_mean"], np.tile(x.mean(axis=0), (N_CELLS, 1)), rtol=1e-5)


def test_neighbors_are_averaged_with_the_cell_itself(x, near, imputed):
    _, chosen = near
    assert (chosen.sum(axis=1) == K + 1).all()
    assert_allclose(imputed["neighbor_mean"], chosen @ x / (K + 1), atol=1e-5)


def test_nonzeros_are_averaged(x, near, imputed):
    _, chosen = near
    expressed = chosen @ (x != 0).astype(float)
    expected = np.divide(chosen @ x, expressed, out=np.zeros(x.shape), where=expressed > 0)
    assert_allclose(imputed["nonzero_neighbor_mean"], expected, atol=1e-5)


def test_diffusion_is_that_of_the_dense_formula(x, near, imputed):
    distances, chosen = near
    width = np.sort(distances, axis=1)[:, [5]]
    kernel = np.where(chosen, np.exp(-((distances / width) ** 2)), 0)
    kernel = kernel + kernel.T
    walk = kernel / kernel.sum(axis=1, keepdims=True)
    assert_allclose(imputed["diffusion"], np.linalg.matrix_power(walk, 3) @ x, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 5), (2, 5), (9, 1), (30, 4)])
@pytest.mark.parametrize("values", ["alike", "zero", "drawn"])
def test_baselines_of_degenerate_data(shape, values):
    drawn = np.random.default_rng(0).poisson(1.0, shape)
    x = {"alike": np.ones(shape), "zero": np.zeros(shape), "drawn": drawn}[values]
    for _, result in impute_baselines(sparse.csr_matrix(x, dtype=np.float32), seed=0):
        assert result.shape == shape
        assert np.isfinite(result).all()
        if values != "drawn":
            assert np.isin(result, [0, 1]).all() or np.allclose(result, x)


# --- in tables and words ------------------------------------------------------------------------

METRICS = {
    "n_clusters": 3,
    "seconds": {"imputation": 2.0, "imputation baselines": 1.0},
    "thinning": {"gene_correlation": 0.5, "mse": 0.2},
    "false_signal": 0.1,
    "imputation_baselines": {
        "unimputed": {"thinning": {"gene_correlation": 0.4, "mse": None}, "false_signal": -1e-9},
        "zero": {"thinning": {"gene_correlation": 0.0, "mse": 0.9}, "false_signal": -0.1},
        "diffusion": {"thinning": {"gene_correlation": 0.6, "mse": 0.1}, "false_signal": 0.2},
    },
}


def test_study_tables_have_baselines_and_effects_do_not():
    rows = [
        {"variant": v, "role": r, "data": 0, "seed": s, "reason": "", **flatten_scores(METRICS)}
        for v, r in (("base", "base"), ("other", "change"))
        for s in range(3)
    ]
    table = pd.DataFrame(rows)
    assert "imputation_baselines.unimputed.thinning.gene_correlation" in table
    assert "imputation_baselines.diffusion.false_signal" in table
    assert table["seconds"].eq(2.0).all()
    compared = list_score_names(table)
    assert set(compared) == {
        "n_clusters",
        "seconds",
        "seconds.imputation",
        "thinning.gene_correlation",
        "thinning.mse",
        "false_signal",
    }
    assert not estimate_effects(table, compared)["score"].str.contains("controls").any()


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ("thinning.gene_correlation", 1),
        ("truth.cell_correlation", 1),
        ("truth.mse", -1),
        ("thinning.poisson", -1),
        ("false_signal", -1),
    ],
)
def test_direction_of_imputation_scores(score, expected):
    assert get_direction(score) == expected


def test_table_has_two_baselines():
    table = build_imputation_table(METRICS, "this run", ("unimputed", "diffusion"))
    assert table.header == ("score", "this run", "unimputed", "diffusion")
    assert table.rows == (
        ("held-out molecules, gene correlation", "0.500", "0.400", "0.600"),
        ("held-out molecules, MSE", "0.200", "–", "0.100"),
        ("false signal", "0.100", "0.000", "0.200"),
    )
    table = build_imputation_table({"imputation": {"cosine": None}}, "this run")
    assert table.rows == (("held-out entries, cosine", "–"),)
    assert build_imputation_table({"n_clusters": 3}, "this run") is None
