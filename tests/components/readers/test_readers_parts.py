"""Files of AnnData with parts that the installed anndata cannot read."""

from __future__ import annotations

import json

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import sparse

from example_files import find_zarr_metadata
from scgnn.components.readers import H5AD, Zarr, detect_reader
from scgnn.errors import InputError

COUNTS = np.random.default_rng(0).poisson(1.0, (6, 4))


def build():
    obs = pd.DataFrame(
        {"group": pd.Categorical(list("aabbcc")), "n": np.arange(6)},
        [f"cell_{i}" for i in range(6)],
    )
    adata = ad.AnnData(sparse.csr_matrix(COUNTS), obs, pd.DataFrame(index=list("pqrs")))
    adata.layers["log"] = np.log1p(COUNTS)
    adata.obsm["X_pca"] = np.ones((6, 2))
    adata.uns["deep"] = {"a": {"b": 1, "c": "text"}}
    adata.raw = adata
    return adata


def newer(key):
    def change(file):
        file[key].attrs["encoding-version"] = "99.0"

    return change


def foreign_group(file):
    file.create_group("obsm/awkward").attrs["encoding-type"] = "awkward-array-of-the-future"


def compound(file):
    file["uns"].create_dataset("table", data=np.zeros(2, [("x", "i4"), ("y", "f8", (2, 2))]))
    file["uns/table"].attrs["encoding-type"] = "something"


CORNERS = {
    "a layer of a newer version": (newer("layers/log"), "layers/log"),
    "a column of a newer version": (newer("obs/group"), "obs/group"),
    "a value in a mapping": (newer("uns/deep/a/b"), "uns/deep/a/b"),
    "an unknown encoding": (foreign_group, "obsm/awkward"),
    "an unknown table": (compound, "uns/table"),
    "the embedding": (newer("obsm/X_pca"), "obsm/X_pca"),
    "values of raw": (newer("raw/X"), "raw/X"),
}


@pytest.mark.parametrize("case", CORNERS)
def test_what_cannot_be_read_is_left_out_and_named(tmp_path, caplog, case):
    change, name = CORNERS[case]
    build().write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "a") as file:
        change(file)
    adata, layer = detect_reader(str(tmp_path / "x.h5ad")).read_counts()
    assert layer == "X"
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS)
    assert list(adata.obs_names) == list(build().obs_names)
    assert list(adata.obs["n"]) == list(range(6)) and list(adata.var_names) == list("pqrs")
    assert f"parts that cannot be read are left out: {name}" in caplog.text
    for other in {"uns/deep", "obsm/X_pca", "layers/log"} - {name, name[: len("uns/deep")]}:
        slot, key = other.split("/")
        assert key in getattr(adata, slot)


@pytest.mark.parametrize("dtype", ["f2", ">f4", ">i8", ">u2"])
@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
def test_types_that_scipy_does_not_have_are_read(tmp_path, form, dtype):
    adata = build()
    adata.X = form(COUNTS.astype("f4"))
    adata.write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "a") as file:
        key = "X" if form is np.asarray else "X/data"
        values, attributes = file[key][...].astype(dtype), dict(file[key].attrs)
        del file[key]
        file.create_dataset(key, data=values).attrs.update(attributes)
    x = H5AD(str(tmp_path / "x.h5ad"))().X
    assert x.dtype.isnative
    np.testing.assert_array_equal(x.toarray() if sparse.issparse(x) else x, COUNTS)


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data")
def test_zarr_stores_too(tmp_path, caplog):
    build().write_zarr(tmp_path / "x.zarr")
    zarr.open_group(tmp_path / "x.zarr")["obsm/X_pca"].attrs["encoding-version"] = "99.0"
    file = find_zarr_metadata(tmp_path / "x.zarr")  # with the metadata as they were before
    if file.name == "zarr.json":
        file.write_text(json.dumps(json.loads(file.read_text()) | {"consolidated_metadata": None}))
    elif file.name == ".zmetadata":
        file.unlink()
    adata = Zarr(str(tmp_path / "x.zarr"))()
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS)
    assert "left out: obsm/X_pca" in caplog.text


@pytest.mark.parametrize(
    ("key", "part"),
    [("X", "X"), ("obs/_index", "the names in obs"), ("var/_index", "the n")],
)
def test_counts_and_names_must_be_readable(tmp_path, key, part):
    build().write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "a") as file:
        newer(key)(file)
    with pytest.raises(InputError, match=rf"x\.h5ad: {part}.* cannot be read \(.*\): export the f"):
        H5AD(str(tmp_path / "x.h5ad"))()


@pytest.mark.parametrize("name", ["_index", "index"])
def test_names_without_attributes_are_found(tmp_path, name):
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        file["X"] = COUNTS.astype("f4")
        for axis, names in (("obs", build().obs_names), ("var", list("pqrs"))):
            group = file.create_group(axis)
            group.create_dataset(name, data=list(names), dtype=h5py.string_dtype())
    adata = detect_reader(str(tmp_path / "x.h5ad"))()
    assert list(adata.obs_names) == list(build().obs_names)
    assert list(adata.var_names) == list("pqrs") and not list(adata.obs.columns)
