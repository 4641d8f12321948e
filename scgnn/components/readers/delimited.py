"""Tables of numbers as text, with names on both sides."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, NamedTuple, cast

import numpy as np
from scipy import sparse

from scgnn.components.readers.contract import (
    Reader,
    log,
    make_anndata,
    open_maybe_gzip,
    resolve_file,
    translate_read_errors,
)
from scgnn.data.orientation import Orientation, guess_orientation
from scgnn.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

SEPARATORS = {"comma": ",", "tab": "\t", "semicolon": ";", "space": " "}
MISSING_VALUES = {"", "na", "nan", "null", "none", "#n/a"}
INDEX_HEADERS = {
    "id",
    "index",
    "name",
    "names",
    "cell",
    "cells",
    "cell_id",
    "barcode",
    "barcodes",
    "gene",
    "genes",
    "gene_id",
    "geneid",
    "symbol",
}
N_SNIFFED_LINES = 5  # lines read to tell the separator


@Reader.register("csv")
@dataclass(frozen=True)
class CSV(Reader):
    """A table as text, plain or .gz: comma, tab, space or semicolon, either way round.

    The first line and the first column hold names; the name above the first column may be
    missing, as R writes it. Read line by line into a sparse matrix, so that memory follows the
    non-zero values and not the shape.

    Parameters
    ----------
    path
        The file.
    orientation
        What the rows are. ``auto`` tells from the names (barcodes, Ensembl ids, MT-, RPL, ERCC-,
        …), says so in the log, and refuses where they do not tell; a declared orientation that
        the names contradict is refused too.
    separator
        What stands between values; ``auto`` tells from the first lines.
    """

    path: str = ""
    orientation: Literal["cells_by_genes", "genes_by_cells", "auto"] = "auto"
    separator: Literal["auto", "comma", "tab", "space", "semicolon"] = "auto"

    def __call__(self) -> AnnData:
        path = resolve_file(self.path)
        with translate_read_errors(path, "a table"), open_maybe_gzip(path) as packed:
            lines = iter_text_lines(packed)
            layout = detect_layout(list(islice(lines, N_SNIFFED_LINES)), path, self.separator)
        with translate_read_errors(path, "a table"), open_maybe_gzip(path) as packed:
            names, values = _parse_table(iter_text_lines(packed), layout, path)
        rows_are = self._resolve_orientation(path, names, layout)
        if rows_are == "genes_by_cells":
            return make_anndata(values.T, {"names": layout.columns}, {"names": names})
        return make_anndata(values, {"names": names}, {"names": layout.columns})

    def _resolve_orientation(
        self, path: Path, names: list[str], layout: TableLayout
    ) -> Orientation:
        """The orientation declared, or told by the names."""
        verdict = guess_orientation(names, layout.columns, layout.corner)
        if self.orientation == "auto":
            if verdict.orientation is None:
                raise InputError(
                    f"{path}: {verdict.reason}; set orientation to cells_by_genes or genes_by_cells"
                )
            log.info("%s: read as %s, because %s", path, verdict.orientation, verdict.reason)
            return verdict.orientation
        if verdict.contradicts(self.orientation):
            raise InputError(
                f"{path} is declared {self.orientation}, but its {verdict.reason}: "
                f"set orientation to {verdict.orientation}"
            )
        if verdict.orientation not in (None, self.orientation):
            log.warning("%s: read as declared, though %s", path, verdict.reason)
        return self.orientation


class TableLayout(NamedTuple):
    """How a table is written: its separator, column names, and what stands above the row names."""

    separator: str
    columns: list[str]
    corner: str


def detect_layout(head: list[str], path: Path, separator: str = "auto") -> TableLayout:
    """The layout of a table, from its first lines.

    Raises
    ------
    InputError
        No separator splits them into equally many columns, or the names are missing.
    """
    choices = SEPARATORS if separator == "auto" else {separator: SEPARATORS[separator]}
    fitting = []
    for sign in choices.values():
        rows = [_split_fields(line, sign) for line in head]
        widths = {len(row) for row in rows[1:]}
        if len(widths) == 1 and 2 <= max(widths) <= len(rows[0]) + 1 <= max(widths) + 1:
            fitting.append((max(widths), sign, rows))
    if not fitting:
        raise InputError(
            f"{path} is not a table with names in its first line and first column, separated by "
            f"{' or '.join(choices)}: its first {len(head)} lines do not split into equally many "
            "columns"
        )
    width, sign, rows = max(fitting, key=lambda fit: fit[0])
    cornered = len(rows[0]) == width
    corner, columns = (rows[0][0], rows[0][1:]) if cornered else ("", rows[0])
    _check_names(path, corner, columns, [row[0] for row in rows[1:]])
    if not any(_is_numeric([value]) for row in rows[1:] for value in row[1:]):
        raise InputError(f"{path} holds no numbers in its first {len(head)} lines")
    return TableLayout(sign, columns, corner)


def _check_names(path: Path, corner: str, columns: list[str], names: list[str]) -> None:
    """Refuse a table whose first line or first column holds values instead of names."""
    if not corner or corner.lower() in INDEX_HEADERS:
        return
    if _is_numeric([corner, *columns]):
        raise InputError(f"{path}: its first line holds numbers and not names: add a line of names")
    if _is_numeric(names):
        raise InputError(
            f"{path}: its first column, '{corner}', holds numbers and not names: "
            "write the names of the rows there"
        )


def _is_numeric(values: list[str]) -> bool:
    try:
        [float(word) for word in values]
    except ValueError:
        return False
    return True


def iter_text_lines(file: IO[bytes]) -> Iterator[str]:
    """The lines of a text that hold anything."""
    for line in io.TextIOWrapper(cast(io.BufferedReader, file), encoding="utf-8-sig"):
        if line.strip():
            yield line.rstrip("\r\n")


def _split_fields(line: str, separator: str) -> list[str]:
    """A line split at its separator, quotes taken off."""
    if '"' not in line:
        row = line.split() if separator == " " else line.split(separator)
        return [field.strip() for field in row]
    text = line.strip() if separator == " " else line
    try:
        row = next(csv.reader([text], delimiter=separator, skipinitialspace=True))
    except csv.Error:  # a field of 128 KiB: a wide table, and not its separator
        return [text]
    return [field.strip() for field in row]


def _parse_table(
    lines: Iterator[str], layout: TableLayout, path: Path
) -> tuple[list[str], sparse.csr_matrix]:
    """Row names and values; one row is dense at a time."""
    next(lines)
    names, found, data, ends = [], [], [], [0]
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # how numpy says: not a number
        for number, line in enumerate(lines, start=2):
            name, row = _parse_row(line, layout, f"{path}, line {number}")
            names.append(name)
            found.append(np.flatnonzero(row).astype(np.int32))
            data.append(row[found[-1]])
            ends.append(ends[-1] + len(found[-1]))
    parts = (np.concatenate(data), np.concatenate(found), np.array(ends))
    return names, sparse.csr_matrix(parts, shape=(len(names), len(layout.columns)))


def _parse_row(line: str, layout: TableLayout, location: str) -> tuple[str, np.ndarray]:
    """The name and the values of a line; quoted or missing values take the slower way."""
    sign = layout.separator
    text = line.strip() if sign == " " else line
    quote = '"' if text[0] == '"' else ""  # R quotes the names and not the numbers
    name, _, rest = text.removeprefix(quote).partition(quote + sign)
    if '"' not in rest:
        try:
            row = np.fromstring(rest, dtype=np.float32, sep=sign)
        except (DeprecationWarning, ValueError):
            row = np.empty(0, dtype=np.float32)
        if len(row) == len(layout.columns):
            return name.strip().replace('""', '"'), row
    name, *values = _split_fields(line, sign)
    if len(values) != len(layout.columns):
        raise InputError(
            f"{location} ('{name}') has {len(values):,} values where the first line "
            f"names {len(layout.columns):,}: the file may be cut off"
        )
    return name, np.array(
        [
            _parse_number(value, column, location)
            for value, column in zip(values, layout.columns, strict=True)
        ],
        dtype=np.float32,
    )


def _parse_number(value: str, column: str, location: str) -> float:
    if value.lower() in MISSING_VALUES:
        return float("nan")
    try:
        return float(value)
    except ValueError:
        raise InputError(f"{location}, column '{column}': '{value}' is not a number") from None
