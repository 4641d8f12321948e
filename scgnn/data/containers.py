"""HDF5 files and zarr stores, checked before anything in them is read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from scgnn.data.hdf5_strings import StringStorage, check_attribute_types
from scgnn.errors import InputError

MAX_COMPRESSION = 2048  # of a whole file; gzip reaches 1,032
MIN_SIZE_LIMIT = 2**25  # bytes; constant values take little or no space in a file
ZARR_METADATA_FILES = ("zarr.json", ".zarray", ".zattrs", ".zmetadata")
MAX_METADATA_SIZE = 2**28  # bytes; 500 per object in a store of 500,000 objects
SPARSE_SHAPE_KEYS = ("shape", "h5sparse_shape")
CHECKED_ATTRIBUTES = (b"shape", b"h5sparse_shape", b"categories")
BYTE_CODECS = {"zstd", "blosc", "gzip", "zlib", "lz4", "bz2", "lzma"}  # that need no settings
REFERENCE_SIZE = 16  # bytes of a string in an array


def open_hdf5(path: Path) -> Any:
    """Return an open HDF5 file that is complete in itself, and whose parts fit in its size.

    Soft links are allowed, because they end in the same file.

    Parameters
    ----------
    path
        Path of the file.

    Returns
    -------
    h5py.File
        The file, open for reading.

    Raises
    ------
    InputError
        If it has an external link, a dataset with external storage or a virtual dataset, or
        declares a size that it cannot hold.
    """
    import h5py

    status = path.stat()
    _check_hdf5(path, status.st_size, (status.st_dev, status.st_ino, status.st_mtime_ns))
    return h5py.File(path, "r")


@lru_cache(maxsize=64)  # a run opens a file to detect its format, estimate memory and read it
def _check_hdf5(path: Path, size: int, version: tuple[int, ...]) -> None:  # noqa: ARG001
    """Check everything in a version of an HDF5 file."""
    import h5py

    links: list[tuple[bytes, int]] = [(b"/", h5py.h5l.TYPE_HARD)]
    with h5py.File(path, "r") as file:
        file.id.links.visit(lambda key, link: links.append((key, link.type)), info=True)
        _check_links(file, path, links, _size_limit(size))


def _check_links(file: Any, path: Path, links: list[tuple[bytes, int]], limit: int) -> None:
    """Check everything in an HDF5 file, by the keys and the types of its links."""
    import h5py

    storage = StringStorage(path)
    with_attributes = []
    for key, link_type in links:
        name = f"{path}: {key.decode(errors='replace')}"
        if link_type == h5py.h5l.TYPE_HARD:
            identifier = h5py.h5o.open(file.id, key)
            if isinstance(identifier, h5py.h5d.DatasetID):
                _check_dataset(identifier, name, limit)
                storage.add(identifier, name)
            elif h5py.h5o.get_info(identifier).rc > 1 and _is_below_itself(file, key, identifier):
                problem = "is a link to a group that contains it"
                raise InputError(f"{name} {problem}: export the file again")
            check_attribute_types(identifier, name)
            if any(h5py.h5a.exists(identifier, attribute) for attribute in CHECKED_ATTRIBUTES):
                with_attributes.append((key, name))
        elif link_type != h5py.h5l.TYPE_SOFT:
            raise _outside(name, "is a link to another file")
    storage.check_heaps()  # before attributes, which can be strings, are read
    for key, name in with_attributes:
        _check_attributes(file[key], name, limit)


def _is_below_itself(file: Any, key: bytes, group: Any) -> bool:
    """Return whether the parents of a key include the group that it links to."""
    import h5py

    parts = key.split(b"/")[:-1]
    parents = (b"/".join(parts[:n]) or b"/" for n in range(len(parts) + 1))
    return any(h5py.h5o.open(file.id, parent) == group for parent in parents)


def _check_dataset(identifier: Any, name: str, limit: int) -> None:
    """Check the storage and the size of a dataset, by its low-level identifier."""
    import h5py

    properties = identifier.get_create_plist()
    layout = properties.get_layout()
    if properties.get_external_count() or layout == h5py.h5d.VIRTUAL:
        raise _outside(name, "is an external or virtual dataset, stored elsewhere")
    chunks = properties.get_chunk() if layout == h5py.h5d.CHUNKED else ()
    itemsize = identifier.get_type().get_size()
    _check_size(max(prod(identifier.shape or ()), prod(chunks)) * itemsize, name, limit)


def _check_attributes(item: Any, name: str, limit: int) -> None:
    """Check the declared shape of a sparse matrix, and what anndata before 0.7 referred to."""
    import h5py

    for key in SPARSE_SHAPE_KEYS:
        if key in item.attrs:
            _check_size(8 * int(np.max(item.attrs[key])), name, limit)
    reference = item.attrs.get("categories")
    if isinstance(reference, h5py.Reference) and isinstance(item.file[reference], h5py.Dataset):
        _check_dataset(item.file[reference].id, f"{name}, categories", limit)


def check_zarr(folder: Path) -> None:
    """Check a zarr store: its files lie in its folder, and its arrays fit in its size.

    Parameters
    ----------
    folder
        Folder of the store.

    Raises
    ------
    InputError
        If the folder has symbolic or other links or special files, arrays that contain Python
        objects, or declares a size that it cannot hold.
    """
    total, documents = 0, []
    folders = [os.fspath(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif not entry.is_file(follow_symlinks=False):
                    kind = "a symbolic link" if entry.is_symlink() else "a special file"
                    raise _outside(entry.path, f"is {kind} in a zarr store")
                else:
                    total += entry.stat().st_size
                    if entry.name in ZARR_METADATA_FILES:
                        documents.append(entry.path)
    limit = _size_limit(total)
    nodes = [node for path in documents for node in _iter_zarr_nodes(_read_json(path), Path(path))]
    for path, node in nodes:
        _check_zarr_node(node, path, limit)
    for array, node in dict(nodes).items():
        _check_zarr_strings(array, node)


def _read_json(path: str) -> Any:
    """Return the content of a metadata file, or None if zarr is to report that it is invalid."""
    if os.path.getsize(path) > MAX_METADATA_SIZE:
        raise InputError(f"{path} is larger than any metadata of zarr: export the store again")
    try:
        return json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError):
        return None


def _iter_zarr_nodes(document: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the path and the metadata of each object in a metadata file."""
    if not isinstance(document, dict):
        return
    yield path, document
    for nested in ("attributes", "consolidated_metadata"):
        yield from _iter_zarr_nodes(document.get(nested), path.with_name(nested))
    consolidated = document.get("metadata")
    if isinstance(consolidated, dict):
        for name, node in consolidated.items():
            if ".." in name.split("/"):
                raise _outside(f"{path}: {name}", "is outside the zarr store")
            file = path.parent / name  # version 3 names the folder
            yield from _iter_zarr_nodes(node, file if file.is_file() else file / "zarr.json")


def _check_zarr_node(node: dict[str, Any], path: Path, limit: int) -> None:
    """Check the metadata of an array, or the attributes of a sparse matrix."""
    dtype = node.get("dtype", node.get("data_type"))
    shard = _get_sharding(node)
    for shape in (node.get("shape"), _get_chunks(node), _get_chunks(shard)):
        if isinstance(shape, list) and all(isinstance(n, int) for n in shape):
            size = 8 * max(shape, default=0) if dtype is None else prod(shape) * _itemsize(dtype)
            _check_size(size, str(path), limit)
    if any(codec.endswith("pickle") for codec in (*_list_codecs(node), *_list_codecs(shard))):
        raise InputError(f"{path} has Python objects, which are not read: export it again")


def _check_zarr_strings(path: Path, node: dict[str, Any]) -> None:
    """Check the number of strings in each chunk, for which memory is reserved at once."""
    import numcodecs

    shard = _get_sharding(node)
    codecs, chunks = _list_codecs(shard or node), _get_chunks(shard or node)
    strings = [i for i, codec in enumerate(codecs) if codec.startswith("vlen-")]
    if chunks is None or not strings or not set(codecs[strings[-1] + 1 :]) <= BYTE_CODECS:
        return
    decoders = [numcodecs.get_codec({"id": codec}) for codec in codecs[: strings[-1] : -1]]
    for file in path.parent.rglob("*"):
        if file.name not in (*ZARR_METADATA_FILES, ".zgroup") and file.is_file():
            data = file.read_bytes()
            for chunk in _split_shard(data, node, shard) if shard else [data]:
                for decoder in decoders:
                    chunk = bytes(decoder.decode(chunk))
                if int.from_bytes(chunk[:4], "little") > prod(chunks):
                    raise InputError(f"{file} is damaged: copy or export it again")


def _split_shard(data: bytes, node: dict[str, Any], shard: dict[str, Any]) -> Iterator[bytes]:
    """Yield the chunks in the file of a shard, by its index of offsets and sizes."""
    n_chunks = prod(_get_chunks(node)) // prod(_get_chunks(shard))
    has_checksum = any(codec.get("name") == "crc32c" for codec in shard["index_codecs"])
    size = 16 * n_chunks + 4 * has_checksum
    index = data[:size] if shard.get("index_location") == "start" else data[-size:]
    for offset, n_bytes in np.frombuffer(index[: 16 * n_chunks], "<u8").reshape(-1, 2).tolist():
        if offset < len(data):  # the largest number is that of an absent chunk
            yield data[offset : offset + n_bytes]


def _get_sharding(node: dict[str, Any]) -> dict[str, Any]:
    """Return the shape and the codecs of the chunks in a shard; empty without shards."""
    codecs = node.get("codecs") or [{}]
    return codecs[0]["configuration"] if codecs[0].get("name") == "sharding_indexed" else {}


def _get_chunks(node: dict[str, Any]) -> Any:
    """Return the shape of the chunks of an array, or None."""
    grid = (node.get("chunk_grid") or {}).get("configuration") or {}
    return node.get("chunks", node.get("chunk_shape", grid.get("chunk_shape")))


def _list_codecs(node: dict[str, Any]) -> list[str]:
    """Return the names of the codecs of an array, in the order in which they encode."""
    codecs = [*(node.get("filters") or ()), *(node.get("codecs") or ()), node.get("compressor")]
    return [str(codec.get("id", codec.get("name"))) for codec in codecs if codec]


def _itemsize(dtype: Any) -> int:
    """Return the size of a value in bytes, by the data type of zarr."""
    if isinstance(dtype, dict):
        configuration = dtype.get("configuration") or {}
        length = configuration.get("length_bytes") if isinstance(configuration, dict) else None
        return length if isinstance(length, int) else REFERENCE_SIZE
    try:
        return np.dtype(dtype).itemsize
    except (TypeError, ValueError):
        return REFERENCE_SIZE


def _size_limit(n_bytes: int) -> int:
    """Return the largest size of an array in a file or store of a size."""
    return MIN_SIZE_LIMIT + MAX_COMPRESSION * n_bytes


def _check_size(size: int, name: str, limit: int) -> None:
    if size > limit:
        problem = f"declares {size / 1e6:,.0f} MB, more than its file can hold"
        raise InputError(f"{name} {problem}: copy or export it again")


def _outside(name: str, problem: str) -> InputError:
    advice = "only what is in the file itself is read, so copy its target there"
    return InputError(f"{name} {problem}: {advice}")
