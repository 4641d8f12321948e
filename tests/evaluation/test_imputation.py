"""Imputation metrics against values by hand and by scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse, stats
from sklearn.metrics import mean_poisson_deviance

from scgnn.components.transforms import Filter, Log1p, NormalizeTotal, Scale, TopGenes
from scgnn.evaluation import imputation
from scgnn.evaluation.targets import ReferenceMatrix, infer_scale

seeds = st.integers(0, 2**32 - 1)


def draw_counts(shape=(40, 12), seed=0, mean=2.0):
    """Counts whose cells and genes differ."""
    rng = np.random.default_rng(seed)
    rate = mean * rng.gamma(2, 0.5, (shape[0], 1)) * rng.gamma(2, 0.5, shape[1])
    return sparse.csr_matrix(rng.poisson(rate), dtype=np.float32)


def reference(counts):
    return ReferenceMatrix(counts.log1p(), counts)


@pytest.mark.parametrize("entries", [1, 100, 10**6])
def test_correlations_are_pearsons_for_any_block_size(monkeypatch, entries):
    monkeypatch.setattr(imputation, "BLOCK_ENTRIES", entries)
    rng = np.random.default_rng(0)
    truth, imputed = draw_counts(mean=20).toarray().astype(float), rng.random((40, 12))
    by_gene, by_cell = imputation.compute_correlations(imputed, sparse.csr_matrix(truth))
    expected = [stats.pearsonr(imputed[:, g], truth[:, g]).statistic for g in range(12)]
    assert_allclose(by_gene, expected)
    expected = [stats.pearsonr(imputed[c], truth[c]).statistic for c in range(40)]
    assert_allclose(by_cell, expected)
    some = np.array([1, 5, 6, 9])
    by_gene_of_some, by_cell_of_some = imputation.compute_correlations(
        imputed, sparse.csr_matrix(truth), some
    )
    assert_allclose(by_gene_of_some, by_gene[some])
    expected = imputation.compute_correlations(imputed[:, some], truth[:, some])[1]
    assert_allclose(by_cell_of_some, expected)


def test_constant_imputed_gene_counts_as_zero_and_constant_truth_is_ignored():
    truth = np.array([[0, 1, 5], [1, 0, 5], [2, 1, 5], [3, 0, 5]], dtype=float)
    imputed = truth.copy()
    imputed[:, 1] = 0.1  # a constant
    imputed[:, 2] = [1, 2, 3, 4]
    by_gene, _ = imputation.compute_correlations(imputed, truth)
    assert_allclose(by_gene, [1, 0, np.nan])
    result = imputation.score_against_reference(
        imputed, ReferenceMatrix(truth, sparse.csr_matrix(truth)), "counts"
    )
    assert result["gene_correlation"] == pytest.approx(0.5)


def test_errors_equal_those_by_hand():
    counts = np.array([[1.0, 3], [0, 2]])
    imputed = np.log1p(np.array([[1.0, 1], [5, 5]]))  # rates 2, 2 and 1, 1 at these totals
    mse, poisson = imputation.compute_errors(imputed, sparse.csr_matrix(counts), "log1p")
    logs = np.log([3 / 2, 3 / 4, 2, 2 / 3])
    assert mse == pytest.approx(np.mean(logs**2))
    expected = mean_poisson_deviance(counts.ravel(), [2, 2, 1, 1])
    assert poisson == pytest.approx(expected)
    same = imputation.compute_errors(np.expm1(imputed), sparse.csr_matrix(counts), "counts")
    assert same == pytest.approx((mse, poisson))
    assert imputation.compute_errors(imputed, sparse.csr_matrix(counts), "other") == (None, None)


def test_the_true_values_score_perfectly():
    counts = draw_counts()
    result = imputation.score_against_reference(
        counts.log1p().toarray(), reference(counts), "log1p"
    )
    assert result["gene_correlation"] == pytest.approx(1)
    assert result["cell_correlation"] == pytest.approx(1)
    assert result["mse"] == pytest.approx(0, abs=1e-10)
    assert 0 <= result["poisson"] <= 2 * imputation.MIN_RATE


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_zero_predictions_have_the_minimum_rate(value):
    counts = draw_counts()
    nothing = np.full(counts.shape, value, dtype=np.float32)
    result = imputation.score_against_reference(nothing, reference(counts), "log1p")
    assert result["gene_correlation"] == result["cell_correlation"] == 0
    assert result["mse"] == pytest.approx(np.mean(np.log1p(counts.toarray()) ** 2))
    flat = counts.toarray().ravel()
    expected = mean_poisson_deviance(flat, np.full(flat.shape, imputation.MIN_RATE))
    assert result["poisson"] == pytest.approx(expected)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_scores_do_not_depend_on_order_or_depth(seed):
    rng = np.random.default_rng(seed)
    counts, imputed = draw_counts(), rng.random((40, 12)) + 0.1
    result = imputation.score_against_reference(imputed, reference(counts), "counts")
    cells, genes = rng.permutation(40), rng.permutation(12)
    moved = imputation.score_against_reference(
        imputed[cells][:, genes], reference(counts[cells][:, genes]), "counts"
    )
    assert moved == pytest.approx(result)
    deeper = imputed * rng.gamma(5, 1, (40, 1))
    changed = imputation.score_against_reference(deeper, reference(counts), "counts")
    for name in ("mse", "poisson", "cell_correlation"):
        assert changed[name] == pytest.approx(result[name])


def test_huge_values_have_finite_scores():
    counts = draw_counts()
    imputed = np.full(counts.shape, 1e6, dtype=np.float32)
    result = imputation.score_against_reference(imputed, reference(counts), "log1p")
    assert np.isfinite(list(result.values())).all()


def test_false_signal_is_the_introduced_correlation():
    genes = np.array([0, 2, 3])
    x = sparse.csr_matrix(np.random.default_rng(1).poisson(2.0, (200, 5)), dtype=np.float32)
    assert imputation.compute_false_signal(x.toarray(), x, genes) == pytest.approx(0, abs=1e-12)
    alike = np.repeat(x.toarray()[:, :1], 5, axis=1)
    expected = np.abs(np.corrcoef(x.toarray()[:, genes].T)[np.triu_indices(3, 1)]).mean()
    assert imputation.compute_false_signal(alike, x, genes) == pytest.approx(1 - expected)
    assert imputation.compute_false_signal(np.zeros((200, 5)), x, genes) == pytest.approx(-expected)
    assert imputation.compute_false_signal(alike, x, genes[:1]) is None


@pytest.mark.parametrize(
    ("transforms", "scale"),
    [
        ([], "counts"),
        ([Filter(), TopGenes()], "counts"),
        ([NormalizeTotal(), TopGenes(), Log1p(), Filter()], "log1p"),
        ([Log1p(), NormalizeTotal()], "other"),
        ([Log1p(), Log1p()], "other"),
        ([Log1p(), Scale()], "other"),
    ],
)
def test_scale_of_transforms(transforms, scale):
    assert infer_scale(transforms) == scale
