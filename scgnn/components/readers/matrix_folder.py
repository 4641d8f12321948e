"""Files of a folder with a Matrix Market file, and the tables of names beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from scgnn.components.readers.contract import (
    iter_lines,
    open_maybe_gzip,
    resolve_file,
    translate_read_errors,
)
from scgnn.components.readers.table_layout import number_rows, split_fields
from scgnn.errors import InputError

MATRIX_SUFFIXES = (".mtx", ".mtx.gz")
CELL_RANGER_MATRIX = ("matrix.mtx", "matrix.mtx.gz")
BARCODES, FEATURES = ("barcodes.tsv",), ("features.tsv", "genes.tsv")
TABLE_SUFFIX = re.compile(r"\.(tsv|txt|csv|tab|names?|ids?|mtx_rows|mtx_cols)(\.gz)?$|^[^.]+$")
WORDS = {  # in names of files, the likeliest first
    "genes": ("features", "feature", "genes", "gene", "var"),
    "cells": ("barcodes", "barcode", "cell_id", "cells", "cell", "samples", "obs"),
    "rows": ("mtx_rows", "rownames", "rows"),
    "columns": ("mtx_cols", "colnames", "columns", "cols"),
}
SYMBOL_HEADER = re.compile(r"(gene_?)?(short_?)?(names?|symbols?)", re.IGNORECASE)
CELL_HEADER = re.compile(r"(cell_?)?(barcodes?|ids?|names?)|cells?|index", re.IGNORECASE)
ID_HEADER = re.compile(r"(gene_?|feature_?)?ids?|ensembl\w*|accession|gene_?id\w*", re.IGNORECASE)


class NameTable(NamedTuple):
    """Table of the names on one axis of a matrix.

    Attributes
    ----------
    path
        Its file.
    header
        Names of its columns, without a header "".
    columns
        Its columns.
    """

    path: Path
    header: list[str]
    columns: list[list[str]]

    def find(self, pattern: re.Pattern[str]) -> int | None:
        """Return the first column whose header matches."""
        return next((i for i, name in enumerate(self.header) if pattern.fullmatch(name)), None)

    def without(self, used: Sequence[int]) -> dict[str, list[str]]:
        """Return the other columns by name."""
        others = [i for i in range(len(self.columns)) if i not in used]
        return {self.header[i] or f"column_{i + 1}": self.columns[i] for i in others}


def find_matrix_files(folder: Path) -> dict[str, Path]:
    """Return the matrix files of a folder by their prefix, preferring uncompressed ones.

    Without any file called matrix.mtx, all Market matrices are returned, by their names.
    """
    files = sorted(file for file in folder.iterdir() if file.name.endswith(MATRIX_SUFFIXES))[::-1]
    by_prefix = {
        file.name.removesuffix(".gz").removesuffix("matrix.mtx"): file
        for file in files
        if file.name.endswith(CELL_RANGER_MATRIX)
    }
    return by_prefix or {file.name.removesuffix(".gz"): file for file in files}


def find_matrix_file(path: Path, prefix: str) -> tuple[Path, str]:
    """Return the matrix file of a folder or path, and the prefix of the names beside it."""
    if path.is_file():
        return path, _get_prefix(path)
    files = find_matrix_files(path)
    if prefix in files:
        return files[prefix], prefix
    if not files:
        folders = sorted(f.name for f in path.iterdir() if f.is_dir() and find_matrix_files(f))
        hint = f"; did you mean its folder {' or '.join(folders)}?" if folders else ""
        raise InputError(f"{path} has no matrix.mtx or matrix.mtx.gz{hint}")
    if len(files) == 1 and not prefix:
        file = next(iter(files.values()))
        return file, _get_prefix(file)
    available = ", ".join(f"'{name}'" for name in sorted(files))
    if not any(file.name.endswith(CELL_RANGER_MATRIX) for file in files.values()):
        raise InputError(f"{path} has several matrices, {available}: choose the path of one file")
    problem = f"no sample with prefix '{prefix}'" if prefix else "several samples"
    raise InputError(f"{path} has {problem}: set data.reader.prefix to one of {available}")


def _get_prefix(file: Path) -> str:
    return file.name.removesuffix(".gz").removesuffix(".mtx").removesuffix("matrix")


def find_name_files(
    matrix: Path, prefix: str, features_file: str, barcodes_file: str
) -> tuple[Path, Path, bool]:
    """Return the files of the names beside a matrix.

    Parameters
    ----------
    matrix
        Matrix file.
    prefix
        Prefix of the names of the files.
    features_file, barcodes_file
        Declared names of the files; "" detects them.

    Returns
    -------
    tuple
        Files of the genes and cells, or of the rows and columns, and whether they are the latter.

    Raises
    ------
    InputError
        There is no such file, or there are several.
    """
    declared = {"genes": features_file, "cells": barcodes_file}
    files: dict[str, Path | None] = {}
    for kind, name in declared.items():
        if name:
            files[kind] = resolve_file(os.fspath(matrix.parent / name))
        else:
            files[kind] = _find_cell_ranger_file(
                matrix, prefix, FEATURES if kind == "genes" else BARCODES
            )
    tables = _list_tables(matrix)
    for kind, other in (("genes", "cells"), ("cells", "genes")):
        if files[kind] is None:
            rest = [file for file in tables if file != files[other]]
            files[kind] = _choose_by_word(rest, matrix, prefix, kind, other)
    genes, cells = files["genes"], files["cells"]
    if genes is not None and cells is not None:
        return genes, cells, False
    rows, columns = (
        _choose_by_word(tables, matrix, prefix, kind, other)
        for kind, other in (("rows", "columns"), ("columns", "rows"))
    )
    if rows is not None and columns is not None and not any(declared.values()):
        return rows, columns, True
    if genes is None:
        names, setting, known = "features.tsv or genes.tsv", "features_file", cells
    else:
        names, setting, known = "barcodes.tsv", "barcodes_file", genes
    available = ", ".join([file.name for file in tables if file != known][:8])
    hint = f"; set data.reader.{setting} to one of {available}" if available else ""
    raise InputError(f"{matrix}: no {names} (or .gz) in the same folder{hint}")


def _find_cell_ranger_file(matrix: Path, prefix: str, names: Sequence[str]) -> Path | None:
    for start in dict.fromkeys((prefix, "")):
        for name in names:
            for suffix in ("", ".gz"):
                file = matrix.with_name(f"{start}{name}{suffix}")
                if file.exists():
                    return resolve_file(os.fspath(file))
    return None


def _list_tables(matrix: Path) -> list[Path]:
    """Return the files beside a matrix that may have its names."""
    others = [file for file in sorted(matrix.parent.iterdir()) if file != matrix and file.is_file()]
    return [file for file in others if TABLE_SUFFIX.search(file.name)]


def _choose_by_word(
    files: list[Path], matrix: Path, prefix: str, kind: str, other: str
) -> Path | None:
    """Return the file whose name has the likeliest word of a kind and none of the other kind."""
    stem = matrix.name.removesuffix(".gz").removesuffix(".mtx")
    rest = {file: _get_rest(file.name, matrix.name, (stem, prefix)).lower() for file in files}
    for word in WORDS[kind]:
        matches = [
            file
            for file, name in rest.items()
            if word in name and not any(w in name.replace(word, "") for w in WORDS[other])
        ]
        exact = [file for file in matches if rest[file].split(".")[0] == word]
        matches = exact if len(exact) == 1 else matches
        same_prefix = [file for file in matches if prefix and file.name.startswith(prefix)]
        if len(same_prefix or matches) == 1:
            return (same_prefix or matches)[0]
    return None


def _get_rest(name: str, matrix: str, prefixes: Sequence[str]) -> str:
    """Return the name of a file without a prefix, or the parts it shares with a matrix."""
    pairs = zip(name, matrix, strict=False)
    common = "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    ends = [max(common.rfind(separator) for separator in "._-") + 1]
    ends += [len(prefix) for prefix in prefixes if name.startswith(prefix)]
    return name[max(ends) :]


def _read_rows(path: Path, max_rows: int) -> list[list[str]]:
    """Return the rows of a table of names as text, since a gene can be called NA.

    Of a longer file, which a small .gz can hold, two rows more than ``max_rows`` are read.
    """
    rows: list[list[str]] = []
    separator = ""
    with translate_read_errors(path, "a table of names"), open_maybe_gzip(path) as file:
        for line in iter_lines(file, path):
            row = line.rstrip("\r\n")
            if not row:
                continue
            if not separator:
                is_csv = "," in row or path.name.removesuffix(".gz").endswith(".csv")
                separator = "," if is_csv and "\t" not in row else "\t"
            if separator == ",":
                rows.append(split_fields(row, separator))
            else:
                rows.append([field.strip().strip('"') for field in row.split("\t")])
            if len(rows) > max_rows + 1:
                break
    return rows


def read_name_tables(paths: Sequence[Path], shape: tuple[int, int]) -> list[NameTable]:
    """Return the tables of the names of a matrix.

    Parameters
    ----------
    paths
        Files of the names of rows and columns, or of columns and rows.
    shape
        Shape of the matrix; tables that have one row more than it, in either order, have a header.

    Raises
    ------
    InputError
        A file cannot be read.
    """
    tables = [_read_rows(path, max(shape)) for path in paths]
    return [
        _to_name_table(*parts)
        for parts in zip(paths, tables, _find_headers(tables, shape), strict=True)
    ]


def _find_headers(tables: list[list[list[str]]], shape: tuple[int, int]) -> list[bool]:
    """Return which tables have a header: the names are too many by one, in either order."""
    choices = []
    for sizes in (shape, shape[::-1]):
        extra = [len(rows) - size for rows, size in zip(tables, sizes, strict=True)]
        if set(extra) <= {0, 1}:
            choices.append([bool(n) for n in extra])
    fits = [
        choice
        for choice in choices
        if choice == [bool(rows) and _is_header(rows[0]) for rows in tables]
    ]
    return (fits or choices or [[False, False]])[0]


def _is_header(row: list[str]) -> bool:
    patterns = (ID_HEADER, SYMBOL_HEADER, CELL_HEADER)
    return any(pattern.fullmatch(field) for pattern in patterns for field in row)


def _to_name_table(path: Path, rows: list[list[str]], has_header: bool) -> NameTable:
    header, body = (rows[0], rows[1:]) if has_header else ([], rows)
    n_columns = max(map(len, body), default=0)
    if has_header and len(header) == n_columns - 1:  # as R writes it, with names of rows
        header = ["", *header]
    columns = [[row[i] if i < len(row) else "" for row in body] for i in range(n_columns)]
    header = [*header, *[""] * n_columns][:n_columns]
    if n_columns > 1 and columns[0] in number_rows(len(body)):
        columns, header = columns[1:], header[1:]
    return NameTable(path, header, columns or [[]])


def name_genes(table: NameTable) -> tuple[list[str], list[str], list[int]]:
    """Return ids and symbols of genes, and the columns that they come from.

    A missing symbol is replaced by the id.
    """
    id_column, symbol_column = table.find(ID_HEADER) or 0, table.find(SYMBOL_HEADER)
    if symbol_column is None:
        is_cell_ranger = not any(table.header) and len(table.columns) > 1
        symbol_column = 1 if is_cell_ranger else id_column
    ids, symbols = table.columns[id_column], table.columns[symbol_column]
    symbols = [symbol or id_ for symbol, id_ in zip(symbols, ids, strict=True)]
    return ids, symbols, [id_column, symbol_column]


def name_cells(table: NameTable) -> tuple[list[str], dict[str, Any]]:
    """Return the names of cells, and the other columns."""
    column = table.find(CELL_HEADER) or 0
    return table.columns[column], table.without([column])
