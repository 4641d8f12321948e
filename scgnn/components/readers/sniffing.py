"""Which reader a file needs: by what is inside, then by how its name ends."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from scgnn.components.readers.anndata_files import H5AD, Zarr
from scgnn.components.readers.contract import (
    CORRUPT_FILE_ERRORS,
    GZIP_MAGIC,
    Reader,
    open_maybe_gzip,
    resolve_path,
    translate_read_errors,
)
from scgnn.components.readers.delimited import CSV, N_SNIFFED_LINES, detect_layout, iter_text_lines
from scgnn.components.readers.loom import Loom
from scgnn.components.readers.tenx import TenxH5, TenxMTX, find_matrix_files
from scgnn.errors import InputError

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
MATRIX_MARKET_MAGIC = b"%%MatrixMarket"
ZARR_METADATA_FILES = ("zarr.json", ".zgroup", ".zattrs")
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")
KNOWN_FORMATS = (
    "h5ad, zarr, loom, a 10x .h5 file, a 10x folder with matrix.mtx, or a table as text "
    "(comma, tab, space, semicolon; .gz too)"
)


def detect_reader(path: str) -> Reader:
    """The reader for a file or folder.

    Parameters
    ----------
    path
        A file or a folder.

    Raises
    ------
    InputError
        The path is missing, empty, damaged, or of no known format.
    """
    found = resolve_path(path)
    if found.is_dir():
        return _detect_folder_reader(found, path)
    with translate_read_errors(found, "gzip"), open_maybe_gzip(found) as file:
        start = file.read(len(MATRIX_MARKET_MAGIC))
    if start.startswith(HDF5_MAGIC):
        return _detect_hdf5_reader(found, path)
    if start.startswith(MATRIX_MARKET_MAGIC):
        return TenxMTX(path=path)
    return _detect_text_reader(found, path)


def _detect_folder_reader(resolved_path: Path, path: str) -> Reader:
    if any((resolved_path / mark).exists() for mark in ZARR_METADATA_FILES):
        return Zarr(path=path)
    inside = [
        file.name for file in resolved_path.iterdir() if file.is_dir() and find_matrix_files(file)
    ]
    if find_matrix_files(resolved_path) or inside:
        return TenxMTX(path=path)
    raise InputError(
        f"{path} is a folder without matrix.mtx, and not a zarr store; give {KNOWN_FORMATS}"
    )


def _detect_hdf5_reader(resolved_path: Path, path: str) -> Reader:
    import h5py

    with resolved_path.open("rb") as file:
        if file.read(2) == GZIP_MAGIC:
            raise InputError(f"{path} is a compressed HDF5 file: unpack it first (gunzip)")
    with translate_read_errors(resolved_path, "HDF5"), h5py.File(resolved_path) as file:
        if {"row_attrs", "col_attrs", "matrix"} <= file.keys():
            return Loom(path=path)
        if {"obs", "var"} <= file.keys():
            return H5AD(path=path)
        groups = [file[name] for name in file if isinstance(file[name], h5py.Group)]
        if any({"barcodes", "indptr"} <= group.keys() for group in groups):
            return TenxH5(path=path)
        inside = ", ".join(file) or "nothing"
    raise InputError(f"{path} is an HDF5 file that holds {inside}: not h5ad, 10x or loom")


def _detect_text_reader(resolved_path: Path, path: str) -> Reader:
    """A table of text; what is none is refused, precisely where its name says it should be one."""
    try:
        with (
            translate_read_errors(resolved_path, "a table"),
            open_maybe_gzip(resolved_path) as file,
        ):
            detect_layout(list(islice(iter_text_lines(file), N_SNIFFED_LINES)), resolved_path)
    except InputError as error:
        damaged = isinstance(error.__cause__, CORRUPT_FILE_ERRORS)
        if damaged or resolved_path.name.removesuffix(".gz").endswith(TEXT_SUFFIXES):
            raise
        raise InputError(f"{path} is of no known format: give {KNOWN_FORMATS}") from error
    return CSV(path=path)
