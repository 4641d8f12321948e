"""Other forms of HDF5: MuData, and files behind a block of other content."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from anndata.io import write_elem

from example_files import (
    COUNTS,
    assert_is_example,
    make_example,
    to_dense,
    write_loom,
    write_tenx_h5,
)
from scgnn.components.readers import H5MU, Loom, detect_reader
from scgnn.errors import InputError


def write_h5mu(path, *names):
    with h5py.File(path, "w", userblock_size=512) as file:
        file.attrs["encoding-type"] = "MuData"
        for number, name in enumerate(names):
            adata = make_example()
            adata.X = adata.X + (number if name == "rna" else 7)
            write_elem(file.require_group("mod"), name, adata)
        write_elem(file, "obs", make_example().obs)
        write_elem(file, "var", make_example().var)
    with open(path, "rb+") as raw:
        raw.write(b"MuData (format-version=0.1.0;creator=muon)")
    return str(path)


@pytest.mark.parametrize("names", [["rna", "prot"], ["rna"]])
def test_the_rna_of_a_mudata_is_read(tmp_path, names):
    reader = detect_reader(write_h5mu(tmp_path / "x.h5mu", *names))
    assert reader.name == "h5mu"
    assert_is_example(reader())


def test_another_modality_can_be_chosen(tmp_path):
    path = write_h5mu(tmp_path / "x.h5mu", "rna", "prot")
    np.testing.assert_array_equal(to_dense(H5MU(path, "prot")()), to_dense(make_example()) + 7)


@pytest.mark.parametrize(
    ("names", "modality"), [(["atac", "prot"], None), (["rna", "GEX"], None), (["rna"], "RNA")]
)
def test_one_modality_must_be_chosen(tmp_path, names, modality):
    path = write_h5mu(tmp_path / "x.h5mu", *names)
    choices = f"choose one of the modalities .*{names[0]}.*: set data.reader.modality"
    with pytest.raises(InputError, match=choices):
        H5MU(path, modality)()


@pytest.mark.parametrize("size", [512, 2048])
@pytest.mark.parametrize("write", [write_loom, write_tenx_h5, None])
def test_a_block_before_the_file_is_skipped(tmp_path, size, write):
    path = tmp_path / "x"
    if write is None:
        make_example().write_h5ad(path)
    else:
        write(path)
    shifted = tmp_path / "shifted"
    with h5py.File(path) as old, h5py.File(shifted, "w", userblock_size=size) as new:
        new.attrs.update(old.attrs)
        for name in old:
            old.copy(name, new)
    with shifted.open("rb+") as file:
        file.write(b"# any text")
    assert detect_reader(str(shifted)).name == detect_reader(str(path)).name
    expected = detect_reader(str(path))()
    actual = detect_reader(str(shifted))()
    np.testing.assert_array_equal(actual.X.toarray(), expected.X.toarray())
    assert list(actual.obs_names) == list(expected.obs_names)


@pytest.mark.parametrize("kind", ["vlen", "compound", "2-d", "null", "bytes"])
def test_loom_attributes_that_are_no_column_are_left_out(tmp_path, caplog, kind):
    path = write_loom(tmp_path / "x.loom")
    values = {
        "vlen": np.array([np.arange(i + 1) for i in range(4)], dtype=object),
        "compound": np.zeros(4, dtype=[("a", "f4"), ("b", "i8")]),
        "2-d": np.zeros((4, 2)),
        "null": h5py.Empty("f4"),
        "bytes": np.array([b"\xff\xb5", b"b", b"c", b"d"]),
    }[kind]
    with h5py.File(path, "a") as file:
        dtype = h5py.vlen_dtype(np.int64) if kind == "vlen" else None
        file["col_attrs"].create_dataset("odd", data=values, dtype=dtype)
        file["row_attrs/names"] = np.arange(6)
    adata = Loom(str(path))()
    assert_is_example(adata)
    assert list(adata.obs["age"]) == [0, 1, 2, 3]
    assert list(adata.var["names"]) == list(range(6))
    assert ("odd" in adata.obs) == (kind == "bytes")
    assert ("cell attributes that are not one value each are left out: odd" in caplog.text) == (
        kind != "bytes"
    )


@pytest.mark.parametrize("dtype", ["<f2", ">i4", "<u8", "i1"])
def test_looms_of_every_type_of_values_are_read(tmp_path, dtype):
    path = write_loom(tmp_path / "x.loom")
    with h5py.File(path, "a") as file:
        del file["matrix"]
        file["matrix"] = COUNTS.T.astype(dtype)
    assert_is_example(Loom(str(path))())
