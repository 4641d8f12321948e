"""True labels in a file of their own."""

from __future__ import annotations

import io
import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import cast

import numpy as np

from scgnn.components.readers.contract import (
    N_HEAD_BYTES,
    open_maybe_gzip,
    resolve_file,
    translate_read_errors,
)
from scgnn.components.readers.delimited import MAX_SNIFFED_LINES, iter_text_lines
from scgnn.components.readers.foreign_formats import find_foreign_format
from scgnn.components.readers.table_layout import SEPARATORS, split_fields
from scgnn.errors import InputError
from scgnn.recipe.data import Data

log = logging.getLogger("scgnn")

MAX_LINES = 10_000_000
MAX_SHOWN = 8  # columns in a message


def read_labels_file(file: str, column: str | None, cells: Sequence[str]) -> np.ndarray:
    """Return the label of each cell as text [cells], "" where the file has none.

    Parameters
    ----------
    file
        Text table, plain or .gz, with names of cells in one column.
    column
        Column of the labels; None is the only other one.
    cells
        Names of the cells.

    Raises
    ------
    InputError
        The file cannot be read, has no such column, names none of the cells, or gives a cell two
        labels.
    """
    header, rows = _read_table(file)
    known, width = set(map(str, cells)), len(header)
    has_header = not known & set(header)
    body = rows[1:] if has_header else rows
    if not body:
        raise InputError(f"{file} has a header and no lines: provide a table of cells and labels")
    # labels and numbers of rows may be names of cells too, but fewer or without a header
    n_known = [
        (len(known.intersection(row[i] for row in body)), bool(header[i])) for i in range(width)
    ]
    cell_column = max(range(width), key=n_known.__getitem__)
    if not n_known[cell_column][0]:
        example = f"its first name is '{body[0][0]}', that of the data '{cells[0]}'"
        raise InputError(f"{file} names none of the cells ({example}): use the names of the data")
    others = [i for i in range(width) if i != cell_column]
    if has_header and len(others) > 1:
        others = [i for i in others if header[i] or not _are_row_numbers(body, i)]
    label_column = _find_label_column(file, header if has_header else [], others, column)
    labels: dict[str, str] = {}
    for row in body:
        name, label = row[cell_column], row[label_column]
        if labels.setdefault(name, label) != label:
            problem = f"cell '{name}' has the labels '{labels[name]}' and '{label}'"
            raise InputError(f"{file}: {problem}: keep one of them")
    _check_distinct(cells, labels, file)
    if n_unlabeled := len(known - set(labels)):
        log.warning(f"{file} has no line for {n_unlabeled:,} of {len(known):,} cells")
    return np.array([labels.get(str(cell), "") for cell in cells], dtype=object)


def _are_row_numbers(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Return whether a column counts the rows, as pandas and R write it without a name."""
    numbers = [row[column] for row in rows]
    return any(numbers == [str(i + start) for i in range(len(rows))] for start in (0, 1))


def _check_distinct(cells: Sequence[str], labels: Mapping[str, str], file: str) -> None:
    """Check that no two cells have one name, if the file has a label for it."""
    for name, n in Counter(map(str, cells)).items():
        if n > 1 and name in labels:
            problem = f"{n} cells of the data are named '{name}', which {file} has one label for"
            raise InputError(f"{problem}: make the names of the cells unique in both")


def check_labels_files(settings: Iterable[Data]) -> None:
    """Check the files of labels of several recipes without their data.

    Raises
    ------
    InputError
        A file cannot be read, is not a table, or has no column of this name.
    """
    for file, column in {(data.labels_file, data.labels_key) for data in settings}:
        header = [] if file is None else _read_table(file)[0]
        # of two columns, besides numbers of rows, one is that of the labels
        if file is not None and len(header) > 2 + (not header[0]):
            _find_label_column(file, header, list(range(1, len(header))), column)


def _read_table(file: str) -> tuple[list[str], list[list[str]]]:
    """Return the fields of the first line, which may be a header, and those of all lines."""
    rows = _read_rows(file)
    width = _find_width(rows)
    ragged = next((i for i, row in enumerate(rows[1:], 2) if len(row) != width), None)
    if ragged is not None or width < 2:
        place = f"line {ragged} differs in its number of columns" if ragged else "it has one column"
        problem = f"{file} is not a table of cells and labels, because {place}"
        raise InputError(f"{problem}: write a line with name and label for each cell")
    return (rows[0] if len(rows[0]) == width else ["", *rows[0]]), rows


def _read_rows(file: str) -> list[list[str]]:
    """Return the fields of all lines."""
    path = resolve_file(os.fspath(file))
    with translate_read_errors(path, "a table of labels"), open_maybe_gzip(path) as stream:
        _check_is_text(cast(io.BufferedReader, stream), file)
        lines = list(islice(iter_text_lines(stream, path), MAX_LINES + 1))
    while len(lines) > 1 and lines[0].startswith("#"):
        lines.pop(0)
    if not lines or len(lines) > MAX_LINES:
        problem = f"has more than {MAX_LINES:,} lines" if lines else "is an empty file"
        raise InputError(f"{file} {problem}: provide a table of cells and labels")
    separator = _find_separator(lines[:MAX_SNIFFED_LINES])
    return [split_fields(line, separator) for line in lines]


def _check_is_text(stream: io.BufferedReader, file: str) -> None:
    """Check that a file has no known format that is not text, such as h5ad."""
    foreign = find_foreign_format(stream.peek(N_HEAD_BYTES)[:N_HEAD_BYTES])
    if foreign is not None:
        advice = "provide a table of cells and labels as text, plain or compressed with gzip"
        raise InputError(f"{file} is {foreign[0]}: {advice}")


def _find_separator(lines: list[str]) -> str:
    """Return the separator that splits lines into the same number of columns, if any does."""

    def rate(sep: str) -> tuple[bool, bool, int]:
        rows = [split_fields(line, sep) for line in lines]
        width = _find_width(rows)
        is_equal = width > 1 and all(len(row) == width for row in rows[1:])
        return is_equal, sep != " " and width > 1, width

    return max(SEPARATORS.values(), key=rate)


def _find_width(rows: list[list[str]]) -> int:
    """Return the usual number of columns below the first line."""
    return Counter(map(len, rows[1:] or rows)).most_common(1)[0][0]


def _find_label_column(file: str, header: list[str], others: list[int], column: str | None) -> int:
    """Return the position of the column of labels, among those that are not names of cells."""
    if column is not None and column in header:
        return header.index(column)
    if len(others) == 1 and (column is None or not header):
        return others[0]
    if not header:
        problem = f"{file} has {len(others)} columns beside the names of the cells, and no header"
        raise InputError(f"{problem}: name the columns in the first line")
    shown = [f"'{header[i]}'" for i in others[:MAX_SHOWN]]
    available = ", ".join(shown) + ", …" * (len(others) > MAX_SHOWN)
    problem = f"{file} has no column '{column}'" if column else f"{file} has several columns"
    raise InputError(f"{problem}: set data.labels_key to one of {available}")
