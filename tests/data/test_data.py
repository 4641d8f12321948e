"""Validation of input data, and views of an AnnData."""

from __future__ import annotations

import logging
import subprocess
import sys

import anndata as ad
import dask.array
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from paths import DATA
from scgnn.data.anndata_views import to_csr, to_state
from scgnn.data.layers import select_counts
from scgnn.data.validation import validate
from scgnn.errors import InputError
from scgnn.evaluation.masking import hide_nonzeros

REFERENCE = DATA / "scgnn"
REPEATED = pytest.mark.filterwarnings("ignore:Variable names are not unique")  # by anndata


def counts(x=None, cells=None, genes=None) -> ad.AnnData:
    x = np.random.default_rng(0).poisson(1.0, (6, 5)) if x is None else x
    obs = pd.DataFrame(index=cells or [f"cell_{i}" for i in range(x.shape[0])])
    var = pd.DataFrame(index=genes or [f"gene_{i}" for i in range(x.shape[1])])
    return ad.AnnData(x, obs=obs, var=var)


def corrupt(value: float) -> ad.AnnData:
    x = np.ones((6, 5))
    x[4, 2] = value
    return counts(x)


@pytest.mark.parametrize(
    "form",
    [
        np.asarray,
        np.float64,
        np.int32,
        lambda x: x.astype(bool),
        sparse.csr_matrix,
        sparse.csc_matrix,
        sparse.coo_matrix,
        sparse.csr_array,
    ],
)
def test_any_numeric_matrix_becomes_csr_float32(form):
    dense = np.random.default_rng(0).poisson(1.0, (6, 5))
    x = to_csr(form(dense), "x")
    assert isinstance(x, sparse.csr_matrix)
    assert x.dtype == np.float32
    expected = np.asarray(form(dense).toarray() if sparse.issparse(form(dense)) else form(dense))
    np.testing.assert_array_equal(x.toarray(), expected)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_chunks_of_a_dask_array_can_be_dense_or_sparse(form):
    dense = np.random.default_rng(0).poisson(1.0, (6, 5))
    x = to_csr(dask.array.from_array(dense, chunks=(3, 5)).map_blocks(form), "x")
    np.testing.assert_array_equal(x.toarray(), dense)


def test_duplicate_and_zero_entries_are_canonicalized():
    messy = sparse.csr_matrix(
        (np.array([1.0, 2.0, 0.0]), np.array([1, 1, 0]), np.array([0, 3])), shape=(1, 2)
    )
    x = to_csr(messy, "x")
    assert (x.nnz, x[0, 1]) == (1, 3.0)
    assert messy.nnz == 3


@REPEATED
def test_input_is_unchanged():
    original = counts(genes=["A", "A", "B", "C", "A"])
    before = original.copy()
    result = validate(original, "x")
    result.X.data[:] = 9
    result.obs["new"] = 1
    np.testing.assert_array_equal(original.X, before.X)
    assert list(original.var_names) == ["A", "A", "B", "C", "A"]
    assert "scgnn_input" not in original.uns
    assert list(original.obs.columns) == []


def test_annotation_is_copied():
    adata = counts()
    adata.obs["label"] = pd.Categorical(list("aabbcc"))
    adata.obsm["X_pca"] = np.ones((6, 2))
    result = validate(adata, "x")
    assert list(result.obs["label"]) == list("aabbcc")
    assert result.obsm["X_pca"].shape == (6, 2)


def test_a_view_and_a_file_backed_anndata_are_read(tmp_path):
    adata = counts()
    np.testing.assert_array_equal(validate(adata[2:], "x").X.toarray(), adata.X[2:])
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    np.testing.assert_array_equal(validate(backed, "x").X.toarray(), adata.X)
    backed.file.close()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_values_are_rejected_with_their_location(value):
    message = rf"^s.h5ad: {value} in cell 'cell_4', gene 'gene_2' \(1 value not finite"
    with pytest.raises(InputError, match=message):
        validate(corrupt(value), "s.h5ad")


def test_negative_count_is_rejected_with_its_location():
    message = "^x: counts cannot be negative, -3 in cell 'cell_4', gene 'gene_2' .*raw counts$"
    with pytest.raises(InputError, match=message):
        validate(corrupt(-3), "x")


@pytest.mark.parametrize("layer", ["counts", "raw"])
def test_centered_values_are_rejected_naming_the_other_layers(layer):
    raw = counts()
    scaled = raw.copy()
    scaled.X = (raw.X - raw.X.mean(axis=0)) / raw.X.std(axis=0)
    if layer == "raw":
        scaled.raw = raw
    else:
        scaled.layers["counts"] = raw.X
    with pytest.raises(InputError, match=f"already centered or scaled.*one of {layer}, or provide"):
        validate(scaled, "x")
    np.testing.assert_array_equal(validate(select_counts(scaled, layer), "x").X.toarray(), raw.X)


@pytest.mark.parametrize("shape", [(0, 5), (6, 0)])
def test_no_cells_or_genes_are_rejected(shape):
    with pytest.raises(InputError, match=f"has {shape[0]} cells and {shape[1]} genes: at least"):
        validate(counts(np.zeros(shape)), "x")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("axis", "names", "message"),
    [
        ("obs", ["a", "b", None, "d", "e", "f"], "1 cell names are missing: name all cells"),
        ("var", ["a", np.nan, np.nan, "d", "e"], "2 gene names are missing: name all genes"),
        ("obs", ["q", "q\0", "c", "d", "e", "f"], r"the cell name 'q\\x00' has a null or invalid"),
        ("var", ["q\0r", "b", "c", "d", "e"], r"the gene name 'q\\x00r' has a null or invalid"),
        ("obs", ["\ud800", "b", "c", "d", "e", "f"], r"the cell name '\\ud800' has a null or inv"),
    ],
)
def test_names_that_no_file_can_hold_are_rejected(axis, names, message):
    adata = counts()
    frame = getattr(adata, axis)
    frame.index = pd.Index(names, dtype=object)
    with pytest.raises(InputError, match=message):
        validate(adata, "x")


@pytest.mark.parametrize("value", [2e37, 3e38, 1e-40])
def test_values_far_from_counts_are_rejected(value):
    x = np.zeros((6, 5))
    x[1, 2] = value
    with pytest.raises(InputError, match=r"the largest value is .* in cell 'cell_1', gene"):
        validate(counts(x), "x")


def test_only_zeros_are_rejected():
    with pytest.raises(InputError, match="6 cells and 5 genes and only zeros"):
        validate(counts(np.zeros((6, 5))), "x")


def test_text_is_rejected():
    with pytest.raises(InputError, match="X has the type object, expected numbers"):
        to_csr(np.array([["a", 1]], dtype=object), "x")


def test_transposed_matrix_is_rejected():
    barcodes = ["AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCGC-1", "AAACCTGAGAAACCTA-1"]
    genes = ["MT-CO1", "RPL13", "ENSG00000141510", "GAPDH"]
    good = counts(np.ones((3, 4)), barcodes, genes)
    assert validate(good, "x").shape == (3, 4)
    with pytest.raises(InputError, match=r"x looks transposed, rows look like genes.*'MT-CO1'"):
        validate(good.T, "x")


def test_weak_evidence_of_a_transposed_matrix_is_logged(caplog):
    symbols = ["MT-CO1", "RPL13", *(f"Xyz{i}abc" for i in range(20))]
    validate(counts(np.ones((22, 3)), symbols, ["a", "b", "c"]), "x")
    assert "x may be transposed: rows look like genes" in caplog.text


@REPEATED
def test_duplicate_names_become_unique_and_are_logged(caplog):
    result = validate(counts(genes=["A", "A", "B", "B", "A"]), "x")
    assert list(result.var_names) == ["A", "A-1", "B", "B-1", "A-2"]
    assert "x: 3 duplicate gene names were made unique ('A' is now 'A-1')" in caplog.text
    assert result.uns["scgnn_input"]["renamed_genes"] == 3


def test_empty_cells_and_genes_are_counted(caplog):
    x = np.zeros((4, 5))
    x[:2, :3] = 1
    with caplog.at_level(logging.INFO, logger="scgnn"):
        record = validate(counts(x), "x").uns["scgnn_input"]
    assert (record["empty_cells"], record["empty_genes"]) == (2, 2)
    assert "x: 4 cells x 5 genes, 30.0% non-zero, 2 cells and 2 genes empty" in caplog.text


@pytest.mark.parametrize(
    ("x", "scale", "message"),
    [
        ([[1, 0], [2, 500]], "counts", ""),
        ([[1.5, 0], [2, 500]], "non_integer", "values are not integers"),
        ([[1.5, 0], [2, 5]], "logarithmic", "values look log-transformed .* maximum 5"),
    ],
)
def test_scale_of_the_values_is_recorded_and_logged(caplog, x, scale, message):
    with caplog.at_level(logging.INFO, logger="scgnn"):
        assert validate(counts(np.array(x)), "x").uns["scgnn_input"]["scale"] == scale
    if message:
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="scgnn"):
            validate(counts(np.array(x)), "x")
        assert any(pd.Series([r.getMessage()]).str.contains(message)[0] for r in caplog.records)


def test_state_holds_x_and_the_names():
    adata = validate(counts(), "x")
    state = to_state(adata)
    assert state.x.dtype == np.float32
    assert list(state.genes) == list(adata.var_names)
    assert list(state.cells) == list(adata.obs_names)
    adata.X = adata.X.toarray()
    assert isinstance(to_state(adata).x, np.ndarray)


def test_hidden_entries_are_those_of_the_original_benchmark():
    reference = np.load(REFERENCE / "metrics.npz")
    fraction, seed = float(reference["dropout_rate"]), int(reference["dropout_seed"])
    hidden, rows, columns = hide_nonzeros(sparse.csr_matrix(reference["counts"]), fraction, seed)
    np.testing.assert_array_equal(hidden.toarray(), reference["counts_dropout_published"])
    np.testing.assert_array_equal(rows, reference["nz_i"][reference["mask_ix"]])
    np.testing.assert_array_equal(columns, reference["nz_j"][reference["mask_ix"]])


@given(st.integers(0, 1000), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_hiding_touches_only_the_hidden_entries(seed, fraction):
    x = sparse.csr_matrix(np.random.default_rng(seed).poisson(1.0, (7, 6)), dtype=np.float32)
    hidden, rows, columns = hide_nonzeros(x, fraction, seed)
    assert len(rows) == int(np.floor(fraction * x.nnz)) == x.nnz - hidden.nnz
    restored = hidden.toarray()
    assert (restored[rows, columns] == 0).all()
    restored[rows, columns] = x.toarray()[rows, columns]
    np.testing.assert_array_equal(restored, x.toarray())


def test_importing_readers_and_data_loads_no_table_library():
    check = (
        "import sys, scgnn.data.validation, scgnn.components.readers, scgnn.components.transforms\n"
        "heavy = {'pandas', 'anndata', 'h5py', 'zarr', 'scanpy'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_counts_in_sentences_are_singular_or_plural(caplog):
    x = np.array([[1, 0], [0, 0], [2, 0]], dtype=np.float32)
    with caplog.at_level(logging.INFO, logger="scgnn"):
        validate(counts(x), "x")
    assert "1 cell and 1 gene empty" in caplog.text
    x[0, 0] = np.nan
    with pytest.raises(InputError, match=r"\(1 value not finite\)"):
        validate(counts(x), "x")
