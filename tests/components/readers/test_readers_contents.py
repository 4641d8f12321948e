"""Columns and layers that readers know without reading the counts are those that they read."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from anndata.io import write_elem

from example_files import (
    BARCODES,
    ignore_duplicate_names,
    make_example,
    write_every_format,
    write_loom,
    write_without_warnings,
)
from scgnn.components.readers import H5AD, Demo, Loom, detect_reader
from scgnn.data.layers import list_layers
from scgnn.errors import InputError


def annotate(adata: AnnData) -> AnnData:
    adata.obs["cell type"] = pd.Categorical(["a", "b", "a", "b"])
    adata.obs["größe"] = range(4)
    adata.layers["counts"] = adata.X.copy()
    adata.raw = adata
    return adata


def assert_same_contents(reader) -> None:
    columns, layers = reader.peek_contents()
    adata = reader()
    if reader.name in ("csv", "tenx_mtx"):  # whose columns are detected from all values
        assert columns is None
    else:
        assert list(columns) == list(adata.obs.columns)
    assert list(layers) == list_layers(adata)


@ignore_duplicate_names
def test_contents_of_every_format(tmp_path):
    for path in write_every_format(tmp_path).values():
        assert_same_contents(detect_reader(str(path)))


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_columns_raw_and_layers_of_anndata(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    write_without_warnings(getattr(annotate(make_example()), f"write_{suffix}"), path)
    reader = detect_reader(str(path))
    assert_same_contents(reader)
    assert reader.peek_contents() == (["cell type", "größe"], ["X", "raw", "counts"])


def test_columns_of_a_modality_are_its_own(tmp_path):
    with h5py.File(tmp_path / "x.h5mu", "w") as file:
        for name, adata in {"rna": annotate(make_example()), "prot": make_example()}.items():
            write_elem(file.require_group("mod"), name, adata)
        write_elem(file, "obs", pd.DataFrame({"shared": range(4)}, BARCODES))
    assert_same_contents(detect_reader(str(tmp_path / "x.h5mu")))


def test_names_in_loom_are_not_columns(tmp_path):
    path = write_loom(tmp_path / "x.loom")
    with h5py.File(path, "a") as file:
        file["col_attrs/pairs"] = np.zeros((4, 2))  # not one value per cell
        file["col_attrs/complex"] = np.zeros(4, complex)  # which is not read
        file["col_attrs/single"] = np.zeros((4, 1))
        file["col_attrs/barcode"] = np.array(BARCODES, dtype=object)  # a second column of names
    assert_same_contents(Loom(str(path)))
    assert Loom(str(path)).peek_contents().columns == ["age", "barcode", "single"]


def test_contents_are_unknown_without_a_list_of_columns(tmp_path):
    path = tmp_path / "x.h5ad"
    make_example().write_h5ad(path)
    with h5py.File(path, "a") as file:
        del file["obs"].attrs["column-order"]
    assert H5AD(str(path)).peek_contents() == (None, ["X"])


@pytest.mark.parametrize("demo", [Demo(n_cells=20, n_genes=5), Demo(20, 5, true_mean=False)])
def test_simulated_data_have_groups(demo):
    assert_same_contents(demo)


def test_what_cannot_be_opened_is_one_sentence(tmp_path):
    (tmp_path / "x.h5ad").write_text("no HDF5")
    with pytest.raises(InputError, match="cannot be read as h5ad"):
        H5AD(str(tmp_path / "x.h5ad")).peek_contents()
