"""What counts as input: one sentence for each thing that cannot be used."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from scgnn.data.anndata_views import select_layer, to_csr, to_state
from scgnn.data.validation import validate
from scgnn.errors import InputError
from scgnn.evaluation.masking import hide_nonzeros

REFERENCE = Path(__file__).parent / "data" / "scgnn"
REPEATED = pytest.mark.filterwarnings("ignore:Variable names are not unique")  # by anndata


def counts(x=None, cells=None, genes=None) -> ad.AnnData:
    x = np.random.default_rng(0).poisson(1.0, (6, 5)) if x is None else x
    obs = pd.DataFrame(index=cells or [f"cell_{i}" for i in range(x.shape[0])])
    var = pd.DataFrame(index=genes or [f"gene_{i}" for i in range(x.shape[1])])
    return ad.AnnData(x, obs=obs, var=var)


def spoiled(value: float) -> ad.AnnData:
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


def test_duplicate_and_zero_entries_are_put_in_order():
    messy = sparse.csr_matrix(
        (np.array([1.0, 2.0, 0.0]), np.array([1, 1, 0]), np.array([0, 3])), shape=(1, 2)
    )
    x = to_csr(messy, "x")
    assert (x.nnz, x[0, 1]) == (1, 3.0)
    assert messy.nnz == 3


@REPEATED
def test_the_given_data_stay_untouched():
    given_ = counts(genes=["A", "A", "B", "C", "A"])
    given_.layers["other"] = np.ones(given_.shape)
    given_.uns["note"] = {"a": [1]}
    before = given_.copy()
    result = validate(given_, "x")
    result.X.data[:] = 9
    result.layers["other"][:] = 9
    result.uns["note"]["a"].append(2)
    result.obs["new"] = 1
    np.testing.assert_array_equal(given_.X, before.X)
    np.testing.assert_array_equal(given_.layers["other"], 1)
    assert list(given_.var_names) == ["A", "A", "B", "C", "A"]
    assert given_.uns["note"] == {"a": [1]}
    assert list(given_.obs.columns) == []


def test_annotation_comes_along():
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
def test_values_that_are_not_finite_are_refused_with_their_place(value):
    sentence = rf"^s.h5ad: {value} in cell 'cell_4', gene 'gene_2' \(1 values are not finite"
    with pytest.raises(InputError, match=sentence):
        validate(spoiled(value), "s.h5ad")


def test_a_negative_count_is_refused_with_its_place():
    sentence = "^x: counts cannot be negative, -3 in cell 'cell_4', gene 'gene_2' .*raw counts$"
    with pytest.raises(InputError, match=sentence):
        validate(spoiled(-3), "x")


@pytest.mark.parametrize(("kept_in", "remedy"), [("counts", "'counts'"), ("raw", "'raw'")])
def test_centred_values_are_refused_naming_where_the_counts_are(kept_in, remedy):
    raw = counts()
    scaled = raw.copy()
    scaled.X = (raw.X - raw.X.mean(axis=0)) / raw.X.std(axis=0)
    if kept_in == "raw":
        scaled.raw = raw
    else:
        scaled.layers["counts"] = raw.X
    with pytest.raises(InputError, match=f"already centered or scaled.*set layer to {remedy}$"):
        validate(scaled, "x")
    np.testing.assert_array_equal(validate(select_layer(scaled, kept_in), "x").X.toarray(), raw.X)


@pytest.mark.parametrize("shape", [(0, 5), (6, 0)])
def test_no_cells_or_no_genes_are_refused(shape):
    with pytest.raises(InputError, match=f"has {shape[0]} cells and {shape[1]} genes: at least"):
        validate(counts(np.zeros(shape)), "x")


def test_nothing_but_zeros_is_refused():
    with pytest.raises(InputError, match="6 cells and 5 genes and only zeros"):
        validate(counts(np.zeros((6, 5))), "x")


def test_words_are_not_counts():
    with pytest.raises(InputError, match="X has the type object, expected numbers"):
        to_csr(np.array([["a", 1]], dtype=object), "x")


def test_an_anndata_without_x_names_its_layers():
    adata = ad.AnnData(None, counts().obs, counts().var, layers={"counts": counts().X})
    with pytest.raises(InputError, match=r"has no X: set layer to one of counts$"):
        validate(adata, "x")
    assert validate(select_layer(adata, "counts"), "x").X.nnz


def test_a_matrix_the_wrong_way_round_is_refused():
    barcodes = ["AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCGC-1", "AAACCTGAGAAACCTA-1"]
    genes = ["MT-CO1", "RPL13", "ENSG00000141510", "GAPDH"]
    good = counts(np.ones((3, 4)), barcodes, genes)
    assert validate(good, "x").shape == (3, 4)
    with pytest.raises(InputError, match=r"x looks transposed, rows look like genes.*'MT-CO1'"):
        validate(good.T, "x")


def test_a_weak_suspicion_of_the_wrong_way_round_is_only_logged(caplog):
    symbols = ["MT-CO1", "RPL13", *(f"Xyz{i}abc" for i in range(20))]
    validate(counts(np.ones((22, 3)), symbols, ["a", "b", "c"]), "x")
    assert "x may be transposed: rows look like genes" in caplog.text


@REPEATED
def test_repeated_names_become_unique_and_are_reported(caplog):
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
    ("x", "scale", "said"),
    [
        ([[1, 0], [2, 500]], "counts", ""),
        ([[1.5, 0], [2, 500]], "non_integer", "values are not integers"),
        ([[1.5, 0], [2, 5]], "logarithmic", "values look log-transformed .* maximum 5"),
    ],
)
def test_the_scale_of_the_values_is_recorded_and_said(caplog, x, scale, said):
    with caplog.at_level(logging.INFO, logger="scgnn"):
        assert validate(counts(np.array(x)), "x").uns["scgnn_input"]["scale"] == scale
    if said:
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="scgnn"):
            validate(counts(np.array(x)), "x")
        assert any(pd.Series([r.getMessage()]).str.contains(said)[0] for r in caplog.records)


def test_a_layer_becomes_x_and_no_longer_counts_as_logarithmic():
    adata = counts()
    adata.layers["counts"] = adata.X * 2
    adata.uns["log1p"] = {"base": None}
    chosen = select_layer(adata, "counts")
    np.testing.assert_array_equal(chosen.X, adata.X * 2)
    assert "log1p" in adata.uns
    assert "log1p" not in chosen.uns


def test_an_unknown_layer_lists_those_there_are():
    adata = counts()
    adata.layers["spliced"] = adata.X
    adata.raw = adata
    with pytest.raises(InputError, match=r"x\.h5ad has no layer 'count': it has spliced, raw"):
        select_layer(adata, "count", source="x.h5ad")


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
    share, seed = float(reference["dropout_rate"]), int(reference["dropout_seed"])
    hidden, rows, columns = hide_nonzeros(sparse.csr_matrix(reference["counts"]), share, seed)
    np.testing.assert_array_equal(hidden.toarray(), reference["counts_dropout_published"])
    np.testing.assert_array_equal(rows, reference["nz_i"][reference["mask_ix"]])
    np.testing.assert_array_equal(columns, reference["nz_j"][reference["mask_ix"]])


@given(st.integers(0, 1000), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_hiding_touches_only_the_hidden_entries(seed, share):
    x = sparse.csr_matrix(np.random.default_rng(seed).poisson(1.0, (7, 6)), dtype=np.float32)
    hidden, rows, columns = hide_nonzeros(x, share, seed)
    assert len(rows) == int(np.floor(share * x.nnz)) == x.nnz - hidden.nnz
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
