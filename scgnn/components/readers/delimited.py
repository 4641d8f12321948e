"""Reader of delimited text tables."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from scgnn.components.readers.contract import (
    MAX_LINE_LENGTH,
    Reader,
    iter_lines,
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
INDEX_HEADER = re.compile(
    r"id|index|names?|cells?|cell_id|barcodes?|genes?|gene_?id|symbol", re.IGNORECASE
)
N_SNIFFED_LINES = 5


@Reader.register("csv")
@dataclass(frozen=True)
class CSV(Reader):
    """Text table with names in the first line and first column, plain or .gz.

    The header of the first column can be missing, as written by R. The file is read line by line
    into a sparse matrix.

    Parameters
    ----------
    path
        Path of the file.
    orientation
        Orientation of the table. auto detects it from the names (barcodes, Ensembl ids, MT-, RPL,
        ERCC-, …), logs it, and raises an error if they are ambiguous. A declared orientation that
        the names clearly contradict is an error, too.
    separator
        Separator of the values; auto detects it from the first lines.
    """

    path: str = ""
    orientation: Literal["cells_by_genes", "genes_by_cells", "auto"] = "auto"
    separator: Literal["auto", "comma", "tab", "space", "semicolon"] = "auto"

    def __call__(self) -> AnnData:
        path = resolve_file(self.path)
        with translate_read_errors(path, "a table"), open_maybe_gzip(path) as file:
            layout = detect_layout(read_head(file, path), path, self.separator)
        with translate_read_errors(path, "a table"), open_maybe_gzip(path) as file:
            names, values = _parse_table(iter_text_lines(file, path), layout, path)
        rows, columns = {"names": names}, {"names": layout.columns}
        if self._resolve_orientation(path, names, layout) == "genes_by_cells":
            return make_anndata(values.T, columns, rows)
        return make_anndata(values, rows, columns)

    def _resolve_orientation(
        self, path: Path, names: list[str], layout: TableLayout
    ) -> Orientation:
        """Return the declared or detected orientation."""
        guess = guess_orientation(names, layout.columns, layout.corner)
        if self.orientation == "auto":
            if guess.orientation is None:
                advice = "set orientation to cells_by_genes or genes_by_cells"
                raise InputError(f"{path}: {guess.reason}; {advice}")
            log.info(f"{path}: read as {guess.orientation}, because {guess.reason}")
            return guess.orientation
        if guess.contradicts(self.orientation):
            problem = f"orientation is {self.orientation}, but {guess.reason}"
            raise InputError(f"{path}: {problem}: set orientation to {guess.orientation}")
        if guess.orientation not in (None, self.orientation):
            log.warning(f"{path}: read as {self.orientation} as declared, although {guess.reason}")
        return self.orientation


class TableLayout(NamedTuple):
    """Layout of a table.

    Attributes
    ----------
    separator
        Separator character.
    columns
        Names of the columns of values.
    corner
        Header of the column of row names, or "".
    """

    separator: str
    columns: list[str]
    corner: str


def detect_layout(head: list[str], path: Path, separator: str = "auto") -> TableLayout:
    """Return the layout of a table.

    Parameters
    ----------
    head
        First lines of the table.
    path
        Path in messages.
    separator
        Key of ``SEPARATORS``, or auto for that with the most columns.

    Raises
    ------
    InputError
        If the lines do not have the same number of columns, or names or numbers are missing.
    """
    choices = SEPARATORS if separator == "auto" else {separator: SEPARATORS[separator]}
    candidates = []
    for sep in choices.values():
        rows = [_split_fields(line, sep) for line in head]
        widths = {len(row) for row in rows[1:]}
        if len(widths) == 1 and 2 <= max(widths) <= len(rows[0]) + 1 <= max(widths) + 1:
            candidates.append((max(widths), sep, rows))
    if not candidates:
        raise InputError(
            f"{path} is not a table with names in its first line and first column, separated by "
            f"{' or '.join(choices)}: the first {len(head)} lines differ in their number of columns"
        )
    width, sep, rows = max(candidates, key=lambda candidate: candidate[0])
    corner, columns = (rows[0][0], rows[0][1:]) if len(rows[0]) == width else ("", rows[0])
    _check_names(path, corner, columns, [row[0] for row in rows[1:]])
    if not any(_is_numeric([value]) for row in rows[1:] for value in row[1:]):
        raise InputError(f"{path} has no numbers in its first {len(head)} lines")
    return TableLayout(sep, columns, corner)


def _check_names(path: Path, corner: str, columns: list[str], names: list[str]) -> None:
    """Raise InputError if the first line or first column has numbers instead of names."""
    if not corner or INDEX_HEADER.fullmatch(corner):
        return
    if _is_numeric([corner, *columns]):
        raise InputError(f"{path}: the first line has numbers instead of names: add a header")
    if _is_numeric(names):
        problem = f"the first column, '{corner}', has numbers instead of names"
        raise InputError(f"{path}: {problem}: add row names")


def _is_numeric(values: list[str]) -> bool:
    try:
        [float(value) for value in values]
    except ValueError:
        return False
    return True


def iter_text_lines(file: IO[bytes], path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file that are not blank."""
    for line in iter_lines(file, path):
        if line.strip():
            yield line.rstrip("\r\n")


def read_head(file: IO[bytes], path: Path) -> list[str]:
    """Return the first lines of a table that are not blank; fewer if they are long."""
    head, length = [], 0
    for line in iter_lines(file, path):
        length += len(line)
        if line.strip():
            head.append(line.rstrip("\r\n"))
        limit = MAX_LINE_LENGTH if len(head) > 1 else 2 * MAX_LINE_LENGTH
        if len(head) == N_SNIFFED_LINES or length > limit:
            break
    return head


def _split_fields(line: str, separator: str) -> list[str]:
    """Split a line at its separator and remove quotes."""
    text = line.strip() if separator == " " else line
    if '"' not in line:
        fields = line.split(None if separator == " " else separator)
    else:
        try:
            fields = next(csv.reader([text], delimiter=separator, skipinitialspace=True))
        except csv.Error:  # a field above 128 KiB: a wide table with another separator
            return [text]
    return [field.strip() for field in fields]


def _parse_table(
    lines: Iterator[str], layout: TableLayout, path: Path
) -> tuple[list[str], csr_matrix]:
    """Return row names and values, rows x columns."""
    next(lines)
    names, indices, data, indptr = [], [], [], [0]
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # np.fromstring's for invalid numbers
        for number, line in enumerate(lines, start=2):
            name, row = _parse_row(line, layout, f"{path}, line {number}")
            names.append(name)
            indices.append(np.flatnonzero(row).astype(np.int32))
            data.append(row[indices[-1]])
            indptr.append(indptr[-1] + len(indices[-1]))
    parts = (np.concatenate(data), np.concatenate(indices), np.array(indptr))
    return names, csr_matrix(parts, shape=(len(names), len(layout.columns)))


def _parse_row(line: str, layout: TableLayout, location: str) -> tuple[str, np.ndarray]:
    """Return the name and the values of a line, by a slower parser if they need it."""
    sep = layout.separator
    text = line.strip() if sep == " " else line
    quote = '"' if text[0] == '"' else ""  # R quotes the names and not the numbers
    name, _, rest = text.removeprefix(quote).partition(quote + sep)
    if '"' not in rest:
        try:
            row = np.fromstring(rest, dtype=np.float32, sep=sep)
        except (DeprecationWarning, ValueError):
            row = np.empty(0, dtype=np.float32)
        if len(row) == len(layout.columns):
            return name.strip().replace('""', '"'), row
    name, *values = _split_fields(line, sep)
    if len(values) != len(layout.columns):
        problem = f"{len(values):,} values, but the header has {len(layout.columns):,} names"
        raise InputError(f"{location} ('{name}') has {problem}: the file may be truncated")
    pairs = zip(values, layout.columns, strict=True)
    numbers = [_parse_number(value, f"{location}, column '{column}'") for value, column in pairs]
    return name, np.array(numbers, dtype=np.float32)


def _parse_number(value: str, location: str) -> float:
    if value.lower() in MISSING_VALUES:
        return float("nan")
    try:
        return float(value)
    except ValueError:
        raise InputError(f"{location}: '{value}' is not a number") from None
