"""Formats that are not read, recognized by their first bytes."""

from __future__ import annotations

from pathlib import Path

from scgnn.errors import InputError

TAR_OFFSET = 257  # of its mark

DECOMPRESS = "decompress it, or compress it with gzip"
EXPORT_FROM_R = "export the counts from R, with Matrix::writeMM or write.csv"
FOREIGN_FORMATS = {
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV"),
    b"\xd0\xcf\x11\xe0": ("an Excel workbook", "save the sheet as CSV"),
    b"BZh": ("compressed with bzip2", DECOMPRESS),
    b"\xfd7zXZ\x00": ("compressed with xz", DECOMPRESS),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", DECOMPRESS),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "unpack it"),
    b"Rar!": ("a rar archive", "unpack it"),
    b"RDX": ("an R workspace", EXPORT_FROM_R),
    b"X\n\x00\x00": ("an R object (.rds)", EXPORT_FROM_R),
    b"PAR1": ("a Parquet file", "save it as h5ad or CSV"),
    b"ARROW1": ("an Arrow file", "save it as h5ad or CSV"),
    b"FEA1": ("a Feather file", "save it as h5ad or CSV"),
    b"\x93NUMPY": ("a NumPy array without names", "save it with names, as h5ad or CSV"),
    b"\x80\x03": ("a Python pickle", "save it as h5ad"),
    b"\x80\x04": ("a Python pickle", "save it as h5ad"),
    b"\x80\x05": ("a Python pickle", "save it as h5ad"),
    b"%PDF": ("a PDF document", "provide the data themselves"),
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file, not text", "use the reader h5ad, tenx_h5 or loom"),
    b"version https://git-lfs": ("a pointer of Git LFS", "get the file itself with git lfs pull"),
}
ALEVIN_MATRIX = "quants_mat.gz"  # has no mark of its own
ALEVIN_ADVICE = (
    "run alevin with --dumpMtx, or read it with another tool such as tximport, and save it as "
    "h5ad, mtx or CSV"
)
WEB_PAGES = (b"<!doctype html", b"<html", b"<?xml")


def check_not_foreign(head: bytes, path: Path) -> None:
    """Check that the first bytes of a file are not those of a known format that is not text.

    Raises
    ------
    InputError
        The file has such a format; the message names it and how to convert it.
    """
    if (foreign := find_foreign_format(head)) is not None:
        description, advice = foreign
        raise InputError(f"{path} is {description}: {advice}")


def find_foreign_format(head: bytes) -> tuple[str, str] | None:
    """Return the format that is not text of a file with these first bytes, and advice on counts."""
    for magic, description_and_advice in FOREIGN_FORMATS.items():
        if head.startswith(magic):
            return description_and_advice
    if head.lstrip().lower().startswith(WEB_PAGES):
        return "a web page, not data", "download the file itself"
    if head[TAR_OFFSET:].startswith(b"ustar"):
        return "a tar archive", "unpack it and provide one of its files"
    return None


def check_not_alevin(path: Path) -> None:
    """Check that a file or folder is not the binary matrix of alevin, or has it.

    Raises
    ------
    InputError
        It is or has one; the message names a format that is read.
    """
    places = [path] if path.is_file() else [path / ALEVIN_MATRIX, path / "alevin" / ALEVIN_MATRIX]
    for file in places:
        if file.name == ALEVIN_MATRIX and file.is_file():
            raise InputError(f"{file} is a binary matrix of alevin: {ALEVIN_ADVICE}")
