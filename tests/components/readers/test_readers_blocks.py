"""Block-wise reading of h5ad files that are larger than memory."""

from __future__ import annotations

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from example_files import truncate_file, write_without_warnings
from scgnn.components.readers import H5AD
from scgnn.components.transforms import TopGenes
from scgnn.data import hdf5
from scgnn.data.layers import select_counts
from scgnn.data.validation import validate
from scgnn.errors import InputError
from scgnn.recipe.load import load_recipe
from scgnn.runs.run import execute

FORMS = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(hdf5, "ROWS_PER_BLOCK", 7)


def counts(cells=40, genes=23):
    rng = np.random.default_rng(0)
    x = rng.poisson(rng.gamma(0.3, 2, genes), (cells, genes)).astype(np.float32)
    obs = pd.DataFrame(
        {"group": [f"g{i % 3}" for i in range(cells)]}, [f"c{i}" for i in range(cells)]
    )
    return ad.AnnData(x, obs, pd.DataFrame(index=[f"gene{i}" for i in range(genes)]))


def write_h5ad(adata, form, folder):
    adata.X = FORMS[form](adata.X)
    adata.layers["twice"] = FORMS[form](2 * adata.X)
    adata.raw = adata[:, ::2].copy()
    write_without_warnings(adata.write_h5ad, folder / "x.h5ad")
    return str(folder / "x.h5ad")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layer", ["X", "auto", "twice", "raw"])
def test_most_variable_genes_are_those_of_top_genes(tmp_path, form, layer):
    path = write_h5ad(counts(), form, tmp_path)
    result, place = H5AD(path, n_top_genes=9).read_counts(layer)
    assert place == "X"
    full = validate(select_counts(*H5AD(path).read_counts(layer)), "x.h5ad")
    expected = TopGenes(n_top_genes=9)(full)
    assert isinstance(result.X, sparse.csr_matrix) and result.X.dtype == np.float32
    assert list(result.var_names) == list(expected.var_names)
    np.testing.assert_array_equal(result.X.toarray(), expected.X.toarray())
    assert list(result.obs_names) == list(expected.obs_names)
    assert list(result.obs["group"]) == list(expected.obs["group"])
    assert not result.layers and result.raw is None


@pytest.mark.parametrize("form", FORMS)
def test_more_top_genes_than_genes_keeps_all(tmp_path, form):
    path = write_h5ad(counts(), form, tmp_path)
    np.testing.assert_array_equal(H5AD(path, n_top_genes=99)().X.toarray(), counts().X)


def test_peek_shape_counts_kept_genes(tmp_path):
    path = write_h5ad(counts(), "csr", tmp_path)
    assert H5AD(path, n_top_genes=9).peek_shape()[:2] == (40, 9)
    assert H5AD(path, n_top_genes=99).peek_shape() == H5AD(path).peek_shape()


def test_unknown_layer_is_named(tmp_path):
    path = write_h5ad(counts(), "csr", tmp_path)
    for n_top_genes in (None, 9):
        with pytest.raises(InputError, match="has no layer 'none', it has X, raw, twice"):
            H5AD(path, n_top_genes=n_top_genes).read_counts("none")
    assert H5AD(path).peek_shape("none") is None  # the reader reports it


@pytest.mark.parametrize("form", FORMS)
def test_counts_are_found_in_a_file_as_in_memory(tmp_path, form):
    adata = counts()
    adata.layers["counts"] = FORMS[form](adata.X)
    adata.X = FORMS[form](np.log1p(adata.X))
    adata.write_h5ad(tmp_path / "x.h5ad")
    in_blocks = H5AD(str(tmp_path / "x.h5ad"), n_top_genes=99)
    np.testing.assert_array_equal(in_blocks().X.toarray(), counts().X)
    with h5py.File(tmp_path / "x.h5ad", "a") as file:
        del file["X"]
    np.testing.assert_array_equal(in_blocks().X.toarray(), counts().X)
    assert in_blocks.peek_shape("counts")[:2] == (40, 23)


def test_damaged_file_raises_input_error(tmp_path):
    path = write_h5ad(counts(), "csr", tmp_path)
    truncate_file(tmp_path / "x.h5ad")
    with pytest.raises(InputError, match=r"x\.h5ad"):
        H5AD(path, n_top_genes=9)()


def test_run_equals_that_on_all_genes(tmp_path):
    path = write_h5ad(counts(60), "csr", tmp_path)
    changes = {"data.transforms": ["log1p"], "data.labels_key": "group"}
    reader = {"name": "h5ad", "path": path}
    read = load_recipe("pca_kmeans", changes | {"data.reader": reader | {"n_top_genes": 9}})
    transforms = [{"name": "top_genes", "n_top_genes": 9}, "log1p"]
    full = load_recipe(
        "pca_kmeans", changes | {"data.reader": reader, "data.transforms": transforms}
    )
    labels = [execute(recipe).state.clusters for recipe in (read, full)]
    np.testing.assert_array_equal(*labels)
