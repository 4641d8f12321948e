"""Transforms against the published preprocessing and scanpy."""

from __future__ import annotations

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from paths import DATA
from scgnn.components.transforms import (
    Filter,
    Log1p,
    NormalizeTotal,
    Scale,
    TopGenes,
    Transform,
)
from scgnn.data.anndata_views import to_csr
from scgnn.data.validation import validate
from scgnn.errors import InputError

REFERENCE = DATA / "scgnn"
EVERY = [
    Filter(0.1, 0.1),
    TopGenes(7),
    TopGenes(7, flavor="log_nonzero"),
    TopGenes(7, flavor="dispersion"),
    TopGenes(500),
    NormalizeTotal(),
    NormalizeTotal(100.0),
    Log1p(),
    Scale(),
    Scale(max_value=1.0),
]


def cells_by_genes(counts: np.ndarray) -> ad.AnnData:
    x = sparse.csr_matrix(counts, dtype=np.float32)
    obs = pd.DataFrame(index=[f"cell_{i}" for i in range(x.shape[0])])
    var = pd.DataFrame(index=[f"gene_{i}" for i in range(x.shape[1])])
    return ad.AnnData(x, obs=obs, var=var, layers={"counts": x.copy()})


def simulated(seed: int = 0, cells: int = 20, genes: int = 15) -> ad.AnnData:
    rng = np.random.default_rng(seed)
    return cells_by_genes(rng.poisson(rng.gamma(0.4, 4, genes), (cells, genes)))


def values(adata: ad.AnnData) -> np.ndarray:
    return adata.X.toarray() if sparse.issparse(adata.X) else adata.X


@pytest.fixture(scope="module")
def published() -> dict[str, np.ndarray]:
    with np.load(REFERENCE / "preprocess.npz") as arrays:
        return dict(arrays)


def prepared(counts: np.ndarray, fraction: float, inclusive: bool, log: bool = True) -> ad.AnnData:
    adata = cells_by_genes(counts.T)
    adata = TopGenes(40)(Filter(fraction, fraction, inclusive=inclusive)(adata))
    return Log1p()(adata) if log else adata


def assert_same(
    adata: ad.AnnData, genes: np.ndarray, cells: np.ndarray, matrix: np.ndarray
) -> None:
    """Compare cells in order, genes as a set, and values."""
    assert list(adata.obs_names) == [f"cell_{i}" for i in cells]
    assert set(adata.var_names) == {f"gene_{i}" for i in genes}
    aligned = adata[:, [f"gene_{i}" for i in genes]]
    np.testing.assert_allclose(values(aligned).T, matrix, atol=1e-6)


@pytest.mark.parametrize(
    ("case", "counts", "fraction", "inclusive", "reading"),
    [
        ("a", "counts", 0.01, False, "described"),
        ("a", "counts", 0.01, True, "published"),
        ("b", "counts", 0.1, False, "described"),
        ("b", "counts", 0.1, True, "published"),
        ("d", "d_counts", 0.01, False, "described"),
        ("d", "d_counts", 0.01, False, "published"),  # its 1 - 0.99 rounds >= into >
    ],
)
def test_preprocessing_gives_the_numbers_of_the_original(
    published, case, counts, fraction, inclusive, reading
):
    adata = prepared(published[counts], fraction, inclusive)
    parts = (published[f"{case}_{what}_{reading}"] for what in ("genes", "cells", "matrix"))
    assert_same(adata, *parts)


def test_without_the_logarithm_the_matrix_holds_the_counts(published):
    adata = prepared(published["counts"], 0.01, True, log=False)
    matrix = published["c_matrix_nolog_published"]
    assert_same(adata, published["a_genes_published"], published["a_cells_published"], matrix)


@pytest.mark.parametrize("reading", ["published", "described"])
def test_the_gene_filter_alone_gives_the_genes_of_the_original(published, reading):
    counts = published["counts"]
    result = Filter(0.1, 0.0, inclusive=reading == "published")(cells_by_genes(counts.T))
    assert list(result.var_names) == [f"gene_{i}" for i in published[f"b_genefilter_{reading}"]]


def test_exact_fraction_is_kept_only_if_inclusive(published):
    counts = cells_by_genes(published["d_counts"].T)
    assert Filter(0.01, 0.0)(counts).n_vars == 10
    assert Filter(0.01, 0.0, inclusive=True)(counts).n_vars == 13


@pytest.mark.parametrize("fraction", [0.07, 0.29, 0.1, 0.57])
def test_fractions_are_compared_without_rounding(fraction):
    """0.29 * 100 is 28.999…, 0.07 * 100 is 7.000…1 in floating point."""
    exact = round(fraction * 100)
    counts = np.tri(100, dtype=int)[:, ::-1]  # gene g is seen in g + 1 cells
    assert Filter(fraction, 0.0)(cells_by_genes(counts)).n_vars == 100 - exact
    assert Filter(fraction, 0.0, inclusive=True)(cells_by_genes(counts)).n_vars == 100 - exact + 1


def test_cells_are_filtered_by_the_remaining_genes():
    counts = np.zeros((10, 12), dtype=int)
    counts[:9, :2] = 1  # two genes that stay, in nine cells
    counts[9, 2:] = 1  # ten genes that only the last cell has, and nothing else in it
    result = Filter(0.2, 0.2)(cells_by_genes(counts))
    assert list(result.var_names) == ["gene_0", "gene_1"]
    assert "cell_9" not in result.obs_names


def test_filter_without_cells_left_names_the_thresholds():
    with pytest.raises(
        InputError, match=r"keeps 0 of 4 cells.*lower min_cell_fraction or min_gene"
    ):
        Filter(0.1, 0.9)(cells_by_genes(np.eye(4, dtype=int)))


def test_names_stay_with_their_counts_after_a_gene_is_dropped():
    counts = np.array([[0, 1, 2, 0], [0, 3, 4, 0], [0, 5, 6, 7]])
    result = Filter(0.4, 0.0)(cells_by_genes(counts))
    assert list(result.var_names) == ["gene_1", "gene_2"]
    np.testing.assert_array_equal(values(result), counts[:, 1:3])


def test_top_genes_keep_the_order_of_the_file_and_their_variance(published):
    adata = prepared(published["counts"], 0.01, False, log=False)
    order = [int(name.removeprefix("gene_")) for name in adata.var_names]
    assert order == sorted(order)
    ranked = [f"gene_{i}" for i in published["a_genes_published"]]
    variance = values(adata[:, ranked]).astype(float).var(axis=0, ddof=1)
    np.testing.assert_allclose(variance, published["a_gene_variance_published"], rtol=1e-12)


def test_ties_keep_the_first_genes():
    counts = np.tile([[1], [2], [5]], 6)
    assert list(TopGenes(2)(cells_by_genes(counts)).var_names) == ["gene_0", "gene_1"]


def test_log_nonzero_ignores_zeros():
    counts = np.array([[9, 0, 1], [9, 50, 1], [9, 0, 7], [0, 50, 7]])
    assert list(TopGenes(1, flavor="log_nonzero")(cells_by_genes(counts)).var_names) == ["gene_2"]
    assert list(TopGenes(1, flavor="variance")(cells_by_genes(counts)).var_names) == ["gene_1"]


def test_log_nonzero_is_the_variance_over_n_of_the_logs():
    counts = simulated(3)
    logs = [np.log1p(column[column > 0]) for column in values(counts).T.astype(float)]
    spread = np.array([part.var() if len(part) else 0.0 for part in logs])
    result = TopGenes(5, flavor="log_nonzero")(counts)
    assert set(result.var_names) == set(counts.var_names[np.argsort(-spread)[:5]])


def test_dispersion_ranks_as_scanpy_does():
    rng = np.random.default_rng(5)
    adata = cells_by_genes(rng.poisson(rng.gamma(0.5, rng.gamma(2, 2, 400), (80, 400))))
    result = TopGenes(60, flavor="dispersion")(adata)
    table = sc.pp.highly_variable_genes(adata, flavor="cell_ranger", n_top_genes=60, inplace=False)
    assert set(result.var_names) == set(adata.var_names[table["highly_variable"]])


@pytest.mark.parametrize("target", [None, 50.0])
def test_normalize_total_is_scanpys(target):
    adata = simulated(1)
    adata.X = sparse.csr_matrix(np.where(np.arange(20)[:, None] == 3, 0, values(adata)))
    expected = adata.copy()
    expected.X = values(adata)  # its CSR path takes empty cells into the median, its dense one not
    with pytest.warns(UserWarning, match="zero counts"):
        sc.pp.normalize_total(expected, target_sum=target)
    actual = NormalizeTotal(target)(adata)
    np.testing.assert_allclose(values(actual), values(expected), rtol=1e-6)
    assert actual.X.dtype == np.float32


@pytest.mark.parametrize("limit", [None, 1.5])
def test_scale_is_scanpys(limit):
    adata = Log1p()(simulated(2))
    expected = adata.copy()
    expected.X = expected.X.toarray()
    sc.pp.scale(expected, max_value=limit)
    np.testing.assert_allclose(Scale(limit)(adata).X, expected.X, atol=2e-6)


def test_scale_logs_that_the_result_is_dense(caplog):
    with caplog.at_level(logging.INFO, logger="scgnn"):
        assert isinstance(Scale()(simulated()).X, np.ndarray)
    assert "scale: X is now dense, 20 cells x 15 genes" in caplog.text


def test_a_gene_that_does_not_vary_scales_to_zero():
    scaled = Scale()(cells_by_genes(np.array([[3, 1], [3, 2], [3, 5]])))
    np.testing.assert_array_equal(scaled.X[:, 0], 0)


def test_log1p_rejects_marked_logarithms():
    with pytest.raises(InputError, match=r"already log-transformed.*choose a layer with counts"):
        Log1p()(Log1p()(simulated()))


def test_log1p_warns_of_likely_logarithms(caplog):
    adata = Log1p()(simulated())
    del adata.uns["log1p"]
    Log1p()(adata)
    assert "log1p: values look log-transformed" in caplog.text


def test_log1p_after_normalization_does_not_warn(caplog):
    adata = validate(simulated(), "simulated")
    adata.uns["log1p"] = {"base": None}  # of an X that these counts replaced
    adata = validate(adata, "simulated")
    caplog.clear()
    Log1p()(NormalizeTotal(1.0)(adata))
    assert not caplog.records


@pytest.mark.parametrize("transform", EVERY, ids=repr)
@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
def test_input_is_unchanged(transform, form):
    adata = simulated()
    adata.X = form(adata.X.toarray())
    before = adata.copy()
    result = transform(adata)
    np.testing.assert_array_equal(values(adata), values(before))
    assert adata.uns == before.uns
    assert adata.obs.equals(before.obs)
    assert result is not adata
    result.X[0, 0] = 77  # writing into the result does not reach the input
    np.testing.assert_array_equal(values(adata), values(before))


@pytest.mark.parametrize("transform", EVERY, ids=repr)
def test_layers_and_annotation_follow_x(transform):
    adata = simulated()
    adata.var["gene"] = adata.var_names
    result = transform(adata)
    counts = adata[result.obs_names, result.var_names].layers["counts"]
    assert (result.layers["counts"] != counts).nnz == 0
    assert list(result.var["gene"]) == list(result.var_names)
    assert transform.drops_cells_or_genes or result.shape == adata.shape


@pytest.mark.parametrize("transform", [t for t in EVERY if not isinstance(t, Scale)], ids=repr)
def test_sparse_stays_sparse_and_single(transform):
    result = transform(simulated())
    assert isinstance(result.X, sparse.csr_matrix)
    assert result.X.dtype == np.float32


@given(st.integers(0, 10_000), st.sampled_from(EVERY))
@settings(max_examples=40, deadline=None)
def test_permuting_cells_permutes_the_result(seed, transform):
    adata = simulated(seed)
    order = np.random.default_rng(seed).permutation(adata.n_obs)
    permuted = transform(adata[order].copy())
    result = transform(adata)
    assert list(permuted.var_names) == list(result.var_names)
    aligned = result[permuted.obs_names]
    np.testing.assert_allclose(values(permuted), values(aligned), atol=1e-6)


def test_every_transform_is_listed_by_name():
    names = {"filter", "log1p", "normalize_total", "scale", "top_genes"}
    assert names <= set(Transform.names())
    assert {Filter.drops_cells_or_genes, TopGenes.drops_cells_or_genes} == {True}


def test_single_cell_and_single_gene_pass_through_every_transform():
    for shape in ((1, 3), (3, 1)):
        adata = cells_by_genes(np.arange(1, 4).reshape(shape))
        for transform in EVERY:
            assert np.isfinite(values(transform(adata))).all()
    assert to_csr(np.eye(2), "eye").nnz == 2
