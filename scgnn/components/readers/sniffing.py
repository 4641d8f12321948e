"""Which reader a file needs: by what is inside, then by how its name ends."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from scgnn.components.readers.anndata_files import H5AD, Zarr
from scgnn.components.readers.contract import DAMAGED, GZIP, Reader, located, opened, reading
from scgnn.components.readers.delimited import CSV, LOOK, layout_of, text_lines
from scgnn.components.readers.loom import Loom
from scgnn.components.readers.tenx import TenxH5, TenxMTX, matrix_files
from scgnn.errors import InputError

HDF5 = b"\x89HDF\r\n\x1a\n"
MATRIX_MARKET = b"%%MatrixMarket"
ZARR_MARKS = ("zarr.json", ".zgroup", ".zattrs")
TEXT_ENDINGS = (".csv", ".tsv", ".txt", ".tab")
KNOWN = (
    "h5ad, zarr, loom, a 10x .h5 file, a 10x folder with matrix.mtx, or a table as text "
    "(comma, tab, space, semicolon; .gz too)"
)


def sniff(path: str) -> Reader:
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
    found = located(path)
    if found.is_dir():
        return _folder(found, path)
    with reading(found, "gzip"), opened(found) as file:
        start = file.read(len(MATRIX_MARKET))
    if start.startswith(HDF5):
        return _hdf5(found, path)
    if start.startswith(MATRIX_MARKET):
        return TenxMTX(path=path)
    return _text(found, path)


def _folder(found: Path, path: str) -> Reader:
    if any((found / mark).exists() for mark in ZARR_MARKS):
        return Zarr(path=path)
    inside = [file.name for file in found.iterdir() if file.is_dir() and matrix_files(file)]
    if matrix_files(found) or inside:
        return TenxMTX(path=path)
    raise InputError(f"{path} is a folder without matrix.mtx, and not a zarr store; give {KNOWN}")


def _hdf5(found: Path, path: str) -> Reader:
    import h5py

    with found.open("rb") as file:
        if file.read(2) == GZIP:
            raise InputError(f"{path} is a compressed HDF5 file: unpack it first (gunzip)")
    with reading(found, "HDF5"), h5py.File(found) as file:
        if {"row_attrs", "col_attrs", "matrix"} <= file.keys():
            return Loom(path=path)
        if {"obs", "var"} <= file.keys():
            return H5AD(path=path)
        groups = [file[name] for name in file if isinstance(file[name], h5py.Group)]
        if any({"barcodes", "indptr"} <= group.keys() for group in groups):
            return TenxH5(path=path)
        inside = ", ".join(file) or "nothing"
    raise InputError(f"{path} is an HDF5 file that holds {inside}: not h5ad, 10x or loom")


def _text(found: Path, path: str) -> Reader:
    """A table of text; what is none is refused, precisely where its name says it should be one."""
    try:
        with reading(found, "a table"), opened(found) as file:
            layout_of(list(islice(text_lines(file), LOOK)), found)
    except InputError as error:
        damaged = isinstance(error.__cause__, DAMAGED)
        if damaged or found.name.removesuffix(".gz").endswith(TEXT_ENDINGS):
            raise
        raise InputError(f"{path} is of no known format: give {KNOWN}") from error
    return CSV(path=path)
