"""Links, storage and declared sizes of HDF5 files and zarr stores."""

from __future__ import annotations

import json
import os
import re
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from anndata import settings
from anndata.io import write_elem
from scipy import sparse

from example_files import (
    COUNTS,
    assert_is_example,
    make_example,
    write_loom,
    write_tenx_h5,
    write_without_warnings,
)
from scgnn.components.readers import H5AD, Loom, TenxH5, Zarr, detect_reader
from scgnn.components.readers.shard import ShardReader
from scgnn.data import containers
from scgnn.errors import InputError

DAMAGED_STRINGS = (2**31).to_bytes(4, "little") + bytes(12)  # a number of strings, and their start


def write_h5ad(path: Path) -> str:
    adata = make_example()
    adata.X = sparse.csr_matrix(adata.X)
    write_without_warnings(adata.write_h5ad, path)
    return str(path)


def get_values_key(group, key: str) -> str:
    """Return the key of the values of names, which pandas 3 stores with a mask."""
    return f"{key}/values" if f"{key}/values" in group else key


def link_externally(file: h5py.File, key: str, other: Path) -> None:
    file[key] = h5py.ExternalLink(other, "X")


def store_externally(file: h5py.File, key: str, other: Path) -> None:
    file.create_dataset(key, (4, 6), "f4", external=[(os.fspath(other), 0, 96)])


def store_virtually(file: h5py.File, key: str, other: Path) -> None:
    layout = h5py.VirtualLayout((4, 6), "f4")
    layout[:] = h5py.VirtualSource(other, "X", (4, 6))
    file.create_virtual_dataset(key, layout)


@pytest.mark.parametrize("form", [link_externally, store_externally, store_virtually])
@pytest.mark.parametrize("key", ["layers/counts", "uns/deep/inside", "raw/X"])
def test_what_an_h5ad_file_stores_elsewhere_is_refused_by_name(tmp_path, form, key):
    other = tmp_path / "secret.h5"
    with h5py.File(other, "w") as file:
        file["X"] = COUNTS.astype(np.float32)
    path = write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(path, "a") as file:
        form(file, key, other)
    for read in (detect_reader, H5AD(path).peek_shape, H5AD(path), H5AD(path, n_top_genes=2)):
        with pytest.raises(InputError, match=rf"x.h5ad: {key} is .*only what is in the file") as e:
            read(path) if read is detect_reader else read()
        assert "\n" not in str(e.value)
    with pytest.raises(InputError, match=key):
        ShardReader(H5AD(path), 0, 2)()


@pytest.mark.parametrize(
    ("reader", "write", "key"), [(Loom, write_loom, "matrix"), (TenxH5, write_tenx_h5, "matrix")]
)
def test_external_links_of_other_hdf5_files_are_refused(tmp_path, reader, write, key):
    other, path = write(tmp_path / "other.h5"), write(tmp_path / "x.h5")
    with h5py.File(path, "a") as file:
        del file[key]
        file[key] = h5py.ExternalLink(other, key)
    with pytest.raises(InputError, match=r"x.h5: matrix is a link to another file"):
        reader(str(path))()
    with pytest.raises(InputError, match=r"x.h5: matrix is a link to another file"):
        detect_reader(str(path))


def link_barcodes(file: h5py.File) -> None:
    del file["matrix/barcodes"]
    external = [("/etc/passwd", 0, 64)]
    file["matrix"].create_dataset("barcodes", (4,), "S16", external=external)


def link_attribute(file: h5py.File) -> None:
    file["col_attrs/note"] = h5py.ExternalLink("absent.h5", "/")


def link_through_soft_link(file: h5py.File) -> None:
    file["layers/other"] = h5py.SoftLink("/elsewhere/X")
    file["elsewhere"] = h5py.ExternalLink("other.h5", "/")


def map_own_values(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(".", "X/data", (4,))
    file.create_virtual_dataset("obs/values", layout)


@pytest.mark.parametrize(
    ("reader", "write", "change", "problem"),
    [
        (TenxH5, write_tenx_h5, link_barcodes, "matrix/barcodes is an external or virtual"),
        (Loom, write_loom, link_attribute, "col_attrs/note is a link to another file"),
        (H5AD, write_h5ad, link_through_soft_link, "elsewhere is a link to another file"),
        (H5AD, write_h5ad, map_own_values, "obs/values is an external or virtual"),
    ],
)
def test_names_and_annotations_are_in_the_file_itself(tmp_path, reader, write, change, problem):
    path = tmp_path / "x.h5"
    write(path)
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(InputError, match=rf"x\.h5: {problem}"):
        reader(str(path))()


@pytest.mark.parametrize("key", ["uns/x", "uns/deep/x"])
def test_a_group_that_contains_itself_is_refused(tmp_path, key):
    path = write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(path, "a") as file:
        file[key] = file["uns"]
    with pytest.raises(InputError, match=rf"x\.h5ad: {key} is a link to a group that contains it"):
        H5AD(path)()


@pytest.mark.parametrize("target", ["/uns/x", "/no"])
def test_soft_links_to_nothing_are_left_out(tmp_path, target, caplog):
    path = write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(path, "a") as file:
        file["uns/x"] = h5py.SoftLink(target)
    assert_is_example(H5AD(path)())
    assert "parts that cannot be read are left out: uns/x" in caplog.text


def test_soft_links_within_a_file_are_followed(tmp_path):
    path = write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(path, "a") as file:
        file.move("X", "uns/x")
        file["X"] = h5py.SoftLink("/uns/x")
    assert_is_example(H5AD(path)())


def test_an_object_that_is_only_referred_to_is_checked(tmp_path):
    """Categories of anndata before 0.7."""
    path = write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(path, "a") as file:
        store_externally(file, "hidden", tmp_path / "secret")
        file["obs/codes"] = np.zeros(4, dtype=np.int8)
        file["obs/codes"].attrs["categories"] = file["hidden"].ref
        h5py.h5o.open(file.id, b"hidden")
        h5py.h5o.link(file["hidden"].id, file.id, b"kept")
        del file["hidden"]
    with pytest.raises(InputError, match=r"is an external or virtual dataset"):
        H5AD(path)()


@pytest.mark.parametrize("key", ["layers/big", "uns/big", "obs/big"])
@pytest.mark.parametrize("shape", [(10**12,), (10**7, 10**6)])
def test_a_declared_size_that_the_file_cannot_hold_is_refused(tmp_path, key, shape):
    path = write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(path, "a") as file:
        file.create_dataset(key, shape, "f4", chunks=(1000,) * len(shape))
    with pytest.raises(InputError, match=rf"{key} declares .* MB, more than its file can hold"):
        H5AD(path)()


def test_a_sparse_matrix_of_an_excessive_shape_is_refused(tmp_path):
    path = write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(path, "a") as file:
        file["X"].attrs["shape"] = [10**12, 6]
    with pytest.raises(InputError, match=r"x.h5ad: X declares"):
        H5AD(path)()


def test_constant_values_that_take_no_space_are_read(tmp_path):
    path = write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(path, "a") as file:
        file.create_dataset("uns/zeros", (10**6,), "f4", chunks=(1000,), compression="gzip")
    assert_is_example(H5AD(path)())


@pytest.mark.parametrize("damage", ["length", "heap", "kind"])
def test_damaged_strings_are_refused_before_libhdf5_crashes(tmp_path, damage):
    path = tmp_path / "x.h5ad"
    write_h5ad(path)
    data = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        references = file[get_values_key(file, "obs/_index")].id.get_offset()
    if damage == "length":
        data[references + 3] = 255
    elif damage == "heap":
        data[data.index(b"GCOL") + 16 + 14] = 255
    else:
        start = data.index(b"encoding-type\0\0\0\x19\x01") + len("encoding-type") + 4
        data[start] = 0xEC
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"is damaged: copy or export it again"):
        H5AD(str(path))()


@pytest.mark.parametrize("is_damaged", [True, False])
def test_strings_in_tables_are_checked_and_read(tmp_path, is_damaged):
    """As of scanpy's rank_genes_groups, and of the annotation in old .h5ad files."""
    path = tmp_path / "x.h5ad"
    write_h5ad(path)
    strings = h5py.string_dtype()
    columns = [("n", "i1"), ("a", strings), ("b", "f4"), ("c", strings), ("d", strings, (2,))]
    table = np.array([(i, "x", i, "yy", ["u", "vvv"]) for i in range(9)], columns)
    with h5py.File(path, "a") as file:
        file.create_dataset("uns/table", data=table)
        offset = file["uns/table"].id.get_offset()
        size = file["uns/table"].id.get_storage_size() // 9
    data = bytearray(path.read_bytes())
    assert data[offset + 1 : offset + 5] == b"\1\0\0\0"  # the length of "x"
    assert data[offset + size - 16 : offset + size - 12] == b"\3\0\0\0"  # of "vvv"
    if is_damaged:
        data[offset + 3 * size - 13] = 255
    path.write_bytes(data)
    if is_damaged:
        with pytest.raises(InputError, match=r"uns/table is damaged: copy or export it again"):
            H5AD(str(path))()
    else:
        adata = H5AD(str(path))()
        assert_is_example(adata)
        assert list(adata.uns["table"]["c"]) == ["yy"] * 9


@pytest.fixture(params=[2, 3])
def zarr_store(request, tmp_path) -> Path:
    """Write the example as a zarr store of a version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        has_versions = hasattr(settings, "zarr_write_format")
        version = {"zarr_write_format": request.param} if has_versions else {}
        with settings.override(**version):
            make_example().write_zarr(tmp_path / "x")
    if (request.param == 3) != (tmp_path / "x/zarr.json").exists():
        pytest.skip(f"this anndata does not write version {request.param} of zarr")
    if request.param == 2:  # anndata 0.11 leaves this to the user
        zarr.consolidate_metadata(str(tmp_path / "x"))
    return tmp_path / "x"


def edit_zarr(folder: Path, key: str, **changes) -> None:
    """Change the metadata of an array, the consolidated ones, too."""
    version = 3 if (folder / "zarr.json").exists() else 2
    file = folder / key / ("zarr.json" if version == 3 else ".zarray")
    new = json.loads(file.read_text()) | (to_version_3(changes) if version == 3 else changes)
    file.write_text(json.dumps(new))

    def change(nodes: dict) -> None:
        nodes[key if version == 3 else f"{key}/.zarray"] = new

    edit_consolidated(folder, change)


def edit_consolidated(folder: Path, change) -> None:
    """Change the metadata of all objects by a function."""
    version_3 = (folder / "zarr.json").exists()
    file = folder / ("zarr.json" if version_3 else ".zmetadata")
    document = json.loads(file.read_text())
    change((document["consolidated_metadata"] if version_3 else document)["metadata"])
    file.write_text(json.dumps(document))


def to_version_3(changes: dict) -> dict:
    """Return changes of an array's metadata as version 3 of zarr writes them."""
    new = {key: value for key, value in changes.items() if key == "shape"}
    if "chunks" in changes:
        grid = {"name": "regular", "configuration": {"chunk_shape": changes["chunks"]}}
        new["chunk_grid"] = grid
    if "filters" in changes:
        new["codecs"] = [{"name": codec["id"]} for codec in changes["filters"]]
    return new


def get_chunk(folder: Path, key: str) -> Path:
    """Return the only file with values of an array."""
    files = (folder / key).rglob("*")
    (chunk,) = (f for f in files if f.is_file() and f.name not in containers.ZARR_METADATA_FILES)
    return chunk


def test_links_and_special_files_in_a_zarr_store_are_refused(tmp_path, zarr_store):
    chunk = get_chunk(zarr_store, "X")
    chunk.rename(tmp_path / "secret")
    chunk.symlink_to(tmp_path / "secret")
    name = re.escape(str(chunk.relative_to(zarr_store)))
    with pytest.raises(InputError, match=rf"{name} is a symbolic link in a zarr store"):
        Zarr(str(zarr_store))()
    chunk.unlink()
    os.mkfifo(chunk)
    with pytest.raises(InputError, match=rf"{name} is a special file in a zarr store"):
        Zarr(str(zarr_store))()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": [10**12, 6]}, "declares .* more than its file can hold"),
        ({"chunks": [10**9, 10**9]}, "declares .* more than its file can hold"),
        ({"filters": [{"id": "pickle"}]}, "has Python objects, which are not read"),
    ],
)
def test_zarr_metadata_are_checked(zarr_store, changes, message):
    edit_zarr(zarr_store, "X", **changes)
    with pytest.raises(InputError, match=message):
        Zarr(str(zarr_store))()


def test_a_zarr_store_names_nothing_outside_of_it(zarr_store):
    edit_consolidated(zarr_store, lambda nodes: nodes.update({"../other/.zarray": {}}))
    with pytest.raises(InputError, match=r"\.\./other/.zarray is outside the zarr store"):
        Zarr(str(zarr_store))()


@pytest.mark.parametrize("zarr_store", [2], indirect=True)
def test_numbers_of_strings_in_zarr_chunks_are_checked(zarr_store):
    key = get_values_key(zarr.open(zarr_store, mode="r"), "obs/_index")
    edit_zarr(zarr_store, key, compressor=None)
    get_chunk(zarr_store, key).write_bytes(DAMAGED_STRINGS)
    with pytest.raises(InputError, match=r"0 is damaged"):
        Zarr(str(zarr_store))()


SHARDED_CHECKS = [
    ({"chunk_shape": [10**9]}, "declares .* more than its file can hold"),
    ({"codecs": [{"name": "vlen-utf8"}]}, "0 is damaged"),
    ({"codecs": [{"name": "numcodecs.pickle"}]}, "has Python objects, which are not read"),
]


@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize(("changes", "message"), SHARDED_CHECKS)
@pytest.mark.parametrize("zarr_store", [3], indirect=True)
def test_chunks_in_shards_are_checked(zarr_store, location, changes, message):
    key = get_values_key(zarr.open(zarr_store, mode="r"), "obs/_index")
    offset = 36 if location == "start" else 0
    chunks = [(2**64 - 1, 2**64 - 1), (offset, len(DAMAGED_STRINGS))]
    index = np.array(chunks, "<u8").tobytes() + bytes(4)
    parts = [index, DAMAGED_STRINGS] if location == "start" else [DAMAGED_STRINGS, index]
    get_chunk(zarr_store, key).write_bytes(b"".join(parts))
    configuration = {
        "chunk_shape": [2],
        "codecs": [{"name": "vlen-utf8"}],
        "index_codecs": [{"name": "bytes"}, {"name": "crc32c"}],
        "index_location": location,
    }
    node = {"name": "sharding_indexed", "configuration": configuration | changes}
    file = zarr_store / key / "zarr.json"
    document = json.loads(file.read_text()) | {"codecs": [node]}
    file.write_text(json.dumps(document))
    with pytest.raises(InputError, match=message):
        Zarr(str(zarr_store))()


def test_a_changed_file_is_checked_again(tmp_path):
    path = write_h5ad(tmp_path / "x.h5ad")
    containers.open_hdf5(Path(path)).close()
    with h5py.File(path, "a") as file:
        file["link"] = h5py.ExternalLink("other.h5", "X")
    with pytest.raises(InputError, match=r"x.h5ad: link is a link"):
        containers.open_hdf5(Path(path))


@pytest.mark.parametrize("size", [0, 512, 4096])
def test_files_behind_a_user_block_are_read(tmp_path, size):
    adata = make_example()
    adata.uns |= {"nothing": None, "words": ["a", "b"], "empty": []}
    with h5py.File(tmp_path / "x.h5ad", "w", userblock_size=size) as file:
        write_elem(file, "/", adata)
    assert_is_example(H5AD(str(tmp_path / "x.h5ad"))())
