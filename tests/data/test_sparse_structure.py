"""Structure of sparse matrices; most of these matrices crash compiled code that follows them."""

from __future__ import annotations

import warnings

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scgnn
from example_files import (
    BARCODES,
    COUNTS,
    GENE_IDS,
    make_example,
    write_tenx_h5,
    write_without_warnings,
)
from scgnn.components.readers import H5AD, TenxH5, Zarr
from scgnn.components.readers.shard import ShardReader
from scgnn.data.layers import select_counts
from scgnn.data.sparse_structure import check_matrices, check_sparse
from scgnn.data.validation import validate
from scgnn.errors import InputError
from scgnn.recipe.load import load_recipe
from scgnn.runs.run import prepare

HUGE = 2**30
DAMAGES = {
    "start": ("indptr", 0, 3),
    "decrease": ("indptr", 1, HUGE),
    "negative": ("indptr", 2, -HUGE),
    "end": ("indptr", -1, HUGE),
    "large_index": ("indices", 2, HUGE),
    "negative_index": ("indices", 0, -HUGE),
}


def damage(arrays, kind) -> None:
    """Change one number in the arrays of a sparse matrix, in memory or in a file."""
    part, position, value = DAMAGES[kind]
    values = arrays[part] if hasattr(arrays, "keys") else getattr(arrays, part)
    values[position] = value


def make_sparse(form=sparse.csr_matrix) -> ad.AnnData:
    adata = make_example()
    adata.X = form(adata.X)
    adata.raw = adata.copy()
    adata.layers["counts"] = form(adata.X).copy()
    adata.obsp["distances"] = form(np.eye(4))
    adata.obsm["scores"] = form(np.eye(4)[:, :3])
    return adata


KEYS = ["X", "layers/counts", "raw/X", "obsp/distances", "obsm/scores"]


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_h5ad_is_refused_on_every_path(tmp_path, form, kind):
    path = str(tmp_path / "x.h5ad")
    write_without_warnings(make_sparse(form).write_h5ad, path)
    with h5py.File(path, "a") as file:
        damage(file["X"], kind)
    readers = [H5AD(path), H5AD(path, n_top_genes=3), ShardReader(H5AD(path), 0, 2)]
    readers.append(ShardReader(H5AD(path), 1, 2))
    if kind.endswith("index") and form is sparse.csr_matrix:
        assert readers.pop()().n_obs == 2  # the second shard reads only its own indices
    for reader in readers:
        with pytest.raises(InputError, match=r"X is a damaged sparse matrix"):
            reader()


@pytest.mark.parametrize(
    ("reader", "key"), [*((H5AD, key) for key in KEYS), (Zarr, "X"), (Zarr, "raw/X")]
)
@pytest.mark.parametrize("kind", ["end", "large_index"])
def test_every_matrix_of_a_file_is_checked(tmp_path, key, kind, reader):
    import zarr

    path = str(tmp_path / "x")
    adata = make_sparse()
    write_without_warnings(adata.write_h5ad if reader is H5AD else adata.write_zarr, path)
    if reader is H5AD:
        with h5py.File(path, "a") as file:
            damage(file[key], kind)
    else:
        damage(zarr.open(path, mode="a")[key], kind)
    with pytest.raises(InputError, match=rf"{key} is a damaged sparse matrix") as caught:
        reader(path)()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", KEYS)
def test_an_anndata_given_in_python_is_checked(key):
    adata = make_sparse()
    attribute, _, name = key.partition("/")
    part = getattr(adata, attribute)
    damage(part if key == "X" else part.X if attribute == "raw" else part[name], "large_index")
    with pytest.raises(InputError, match=f"^the given AnnData: {key} is a damaged sparse matrix"):
        validate(adata, "the given AnnData")


def test_a_run_refuses_a_damaged_anndata():
    adata = make_sparse()
    damage(adata.X, "end")
    with pytest.raises(InputError, match=r"^the given AnnData: X is a damaged sparse matrix"):
        scgnn.run("pca_kmeans", adata)


@pytest.mark.parametrize("call", [lambda a: validate(a, "x"), lambda a: select_counts(a, "counts")])
def test_a_view_of_damaged_matrices_is_refused(call):
    adata = make_sparse()
    damage(adata.layers["counts"], "end")
    with pytest.raises(InputError, match=r"layers/counts is a damaged sparse matrix"):
        call(adata[:2])


def test_a_backed_anndata_is_checked(tmp_path):
    path = tmp_path / "x.h5ad"
    write_without_warnings(make_sparse().write_h5ad, path)
    with h5py.File(path, "a") as file:
        damage(file["X"], "large_index")
    adata = ad.read_h5ad(path, backed="r")
    with pytest.raises(InputError, match=r"X is a damaged sparse matrix"):
        validate(adata[:2], "x")
    adata.file.close()


def test_damaged_truth_is_refused(tmp_path):
    valid, truth = str(tmp_path / "valid.h5ad"), str(tmp_path / "truth.h5ad")
    for path in (valid, truth):
        write_without_warnings(make_sparse().write_h5ad, path)
    with h5py.File(truth, "a") as file:
        damage(file["layers/counts"], "decrease")
    changes = {"data.reader": {"name": "h5ad", "path": valid}, "data.truth_path": truth}
    with pytest.raises(InputError, match=r"^data.truth_path: .* layers/counts is a damaged sparse"):
        prepare(load_recipe("pca_kmeans", changes))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_10x_h5_is_refused(tmp_path, version, kind):
    path = write_tenx_h5(tmp_path / "x.h5", version=version)
    with h5py.File(path, "a") as file:
        damage(file["matrix" if version == 3 else "GRCh38"], kind)
    with pytest.raises(InputError, match=r"its matrix is a damaged sparse matrix"):
        TenxH5(str(path))()


@pytest.mark.parametrize("shape", [(6, 5), (10**12, 4), (6, 10**12)])
def test_the_shape_of_a_10x_h5_file_must_be_that_of_its_names(tmp_path, shape):
    path = write_tenx_h5(tmp_path / "x.h5")
    with h5py.File(path, "a") as file:
        file["matrix/shape"][:] = shape
    with pytest.raises(InputError, match=r"x.h5: the matrix has .* but 4 and 6 names"):
        TenxH5(str(path))()


def test_unequal_lengths_are_refused(tmp_path):
    x = sparse.csr_matrix(COUNTS)
    x.data = x.data[:-1]
    with pytest.raises(InputError, match=r"x is a damaged .*, it has 10 values and 11 indices"):
        check_sparse(x, "x")
    path = str(tmp_path / "x.h5ad")
    write_without_warnings(make_sparse().write_h5ad, path)
    with h5py.File(path, "a") as file:
        values = file["X/data"][:-1]
        del file["X/data"]
        file["X/data"] = values
    for reader in (H5AD(path), H5AD(path, n_top_genes=2)):
        with pytest.raises(InputError, match=r"X is a damaged sparse matrix"):
            reader()


def test_coordinates_are_checked():
    x = sparse.coo_matrix(COUNTS)
    x.row[0] = HUGE
    with pytest.raises(InputError, match=r"x is a damaged sparse matrix, indices are not all"):
        check_sparse(x, "x")


def test_valid_matrices_pass():
    obs, var = pd.DataFrame(index=BARCODES), pd.DataFrame(index=GENE_IDS)
    for form in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, np.asarray):
        adata = ad.AnnData(form(COUNTS), obs, var)
        adata.uns["nested"] = {"matrix": sparse.coo_matrix(COUNTS), "text": "a", "list": [1]}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_matrices(adata, "x")
    for empty in (sparse.csr_matrix((0, 3)), sparse.csc_matrix((3, 0)), sparse.csr_matrix((2, 2))):
        check_sparse(empty, "x")
