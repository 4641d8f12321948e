"""Detection of file formats from their content."""

from __future__ import annotations

from pathlib import Path

from scgnn.components.readers.anndata_files import H5AD, H5MU, Zarr
from scgnn.components.readers.contract import (
    CORRUPT_FILE_ERRORS,
    GZIP_MAGIC,
    N_HEAD_BYTES,
    Reader,
    open_maybe_gzip,
    resolve_path,
    translate_read_errors,
)
from scgnn.components.readers.delimited import CSV, read_head
from scgnn.components.readers.foreign_formats import check_not_alevin, check_not_foreign
from scgnn.components.readers.loom import Loom
from scgnn.components.readers.matrix_folder import MATRIX_SUFFIXES, find_matrix_files
from scgnn.components.readers.table_layout import detect_layout
from scgnn.components.readers.tenx import TenxH5, TenxMTX
from scgnn.data.containers import open_hdf5
from scgnn.errors import InputError

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
MATRIX_MARKET_MAGIC = b"%%MatrixMarket"
ZARR_METADATA_FILES = ("zarr.json", ".zgroup", ".zattrs")
BINARY_SUFFIXES = (".h5ad", ".h5mu", ".h5", ".loom")
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")
MAX_SHOWN_FILES = 3
KNOWN_FORMATS = (
    "h5ad, h5mu, zarr, loom, 10x .h5, a 10x folder with matrix.mtx, or a text table "
    "(comma, tab, space or semicolon; also .gz)"
)


def detect_reader(path: str) -> Reader:
    """Return the reader for a file or folder, detected from its content.

    Raises
    ------
    InputError
        If the path is missing, empty, damaged or of an unknown format.
    """
    import h5py

    resolved = resolve_path(path)
    if resolved.is_dir():
        return _detect_folder_reader(resolved, path)
    with translate_read_errors(resolved, "gzip"), open_maybe_gzip(resolved) as file:
        head = file.read(N_HEAD_BYTES)
    if head.startswith(HDF5_MAGIC) or h5py.is_hdf5(resolved):  # behind a block of other content
        return _detect_hdf5_reader(resolved, path)
    if head.startswith(MATRIX_MARKET_MAGIC):
        return TenxMTX(path=path)
    check_not_foreign(head, resolved)
    if resolved.name.endswith(MATRIX_SUFFIXES):
        problem = "is not a Matrix Market file, which begins with %%MatrixMarket"
        raise InputError(f"{path} {problem}: export it again")
    return _detect_text_reader(resolved, path)


def _detect_folder_reader(resolved: Path, path: str) -> Reader:
    if any((resolved / name).exists() for name in ZARR_METADATA_FILES):
        if (resolved / "mod").is_dir() and not (resolved / "X").exists():
            modalities = sorted(f"mod/{f.name}" for f in (resolved / "mod").iterdir() if f.is_dir())
            problem = f"{path} is a MuData in zarr"
            raise InputError(f"{problem}: choose its folder {' or '.join(modalities)}")
        return Zarr(path=path)
    subfolders = (folder for folder in resolved.iterdir() if folder.is_dir())
    if find_matrix_files(resolved) or any(map(find_matrix_files, subfolders)):
        return TenxMTX(path=path)  # which suggests the subfolder
    check_not_alevin(resolved)
    problem = f"{path} is a folder without matrix.mtx and not a zarr store"
    suffixes = (*BINARY_SUFFIXES, *TEXT_SUFFIXES)
    names = (file.name for file in resolved.iterdir() if file.is_file())
    if files := sorted(n for n in names if n.lower().removesuffix(".gz").endswith(suffixes)):
        shown = ", ".join(files[:MAX_SHOWN_FILES])
        more = f" and {len(files) - MAX_SHOWN_FILES} more" if len(files) > MAX_SHOWN_FILES else ""
        raise InputError(f"{problem}: provide the path of a file in it ({shown}{more})")
    raise InputError(f"{problem}; supported: {KNOWN_FORMATS}")


def _detect_hdf5_reader(resolved: Path, path: str) -> Reader:
    import h5py

    with resolved.open("rb") as file:
        if file.read(2) == GZIP_MAGIC:
            raise InputError(f"{path} is a compressed HDF5 file: decompress it first (gunzip)")
    with translate_read_errors(resolved, "HDF5"), open_hdf5(resolved) as file:
        if {"row_attrs", "col_attrs", "matrix"} <= file.keys():
            return Loom(path=path)
        if "mod" in file and "X" not in file:
            return H5MU(path=path)
        if {"obs", "var"} <= file.keys():
            return H5AD(path=path)
        groups = [file[name] for name in file if isinstance(file[name], h5py.Group)]
        if any({"barcodes", "indptr"} <= group.keys() for group in groups):
            return TenxH5(path=path)
        content = ", ".join(file) or "nothing"
    problem = f"{path} is an HDF5 file, but not h5ad, h5mu, 10x or loom: it contains {content}"
    raise InputError(f"{problem}; export it in one of these formats")


def _detect_text_reader(resolved: Path, path: str) -> Reader:
    """Return CSV for a text table; give the precise reason if the suffix is that of one."""
    try:
        with translate_read_errors(resolved, "a table"), open_maybe_gzip(resolved) as file:
            detect_layout(read_head(file, resolved), resolved)
    except InputError as error:
        is_corrupt = isinstance(error.__cause__, CORRUPT_FILE_ERRORS)
        if is_corrupt or resolved.name.removesuffix(".gz").endswith(TEXT_SUFFIXES):
            raise
        check_not_alevin(resolved)
        raise InputError(f"{path} has an unknown format; supported: {KNOWN_FORMATS}") from error
    return CSV(path=path)
