"""Rows of text tables."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from scgnn.components.readers.number_format import parse_number
from scgnn.components.readers.table_annotation import MAX_EDGE, is_annotation_name
from scgnn.components.readers.table_layout import TableLayout, is_mostly_text, split_fields
from scgnn.errors import InputError

log = logging.getLogger("scgnn")

MAX_TEXT_ROWS = 3 * MAX_EDGE


class TextRow(NamedTuple):
    """A row of annotation: its position among all rows, from 1, name, fields, and place."""

    position: int
    name: str
    fields: list[str]
    location: str


class Table(NamedTuple):
    """Content of a table.

    Attributes
    ----------
    layout
        Its layout.
    names
        Names of the rows of numbers.
    values
        Values of the columns in ``layout.values``, rows x columns.
    fields
        Fields of each other column, by its position.
    text_rows
        Rows of text at the beginning and end.
    """

    layout: TableLayout
    names: list[str]
    values: csr_matrix
    fields: dict[int, list[str]]
    text_rows: list[TextRow]


def parse_table(lines: Iterator[str], layout: TableLayout, path: Path) -> Table:
    """Return the content of a table."""
    parser = RowParser(layout)
    names: list[str] = []
    indices, data, indptr = [], [], [0]
    columns = [i for i in parser.outside if i != layout.name_column]
    fields: dict[int, list[str]] = {i: [] for i in columns}
    text_rows: list[TextRow] = []
    n_unnamed = n_rows = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # np.fromstring's for invalid numbers
        for number, line in enumerate(islice(lines, layout.n_skipped, None), layout.n_skipped + 1):
            location = f"{path}, line {number}"
            is_declared = n_rows < layout.n_annotation_rows
            row, values = (None, None) if is_declared else parser.parse_numbers(line)
            if row is None:
                row = parser.split(line, location)
                if not any(row) or (len(row) == 1 and line.startswith("#")):
                    continue
            n_rows += 1
            name = f"row_{n_rows}" if layout.name_column is None else row[layout.name_column]
            if is_declared or (not name and not names) or (values is None and parser.is_text(row)):
                name = name or next(filter(None, row), "") or f"row_{number}"
                text_rows.append(TextRow(n_rows, name, row, location))
                if len(text_rows) > MAX_TEXT_ROWS + layout.n_annotation_rows:
                    problem = f"has more than {MAX_TEXT_ROWS} rows of text, or without names"
                    raise InputError(f"{location}: the table {problem}: provide counts")
                continue
            if values is None:
                values = parser.parse_each(row, location)
            for i in columns:
                fields[i].append(row[i])
            if not name:
                n_unnamed += 1
                name = f"unnamed_{number}"
            names.append(name)
            indices.append(np.flatnonzero(values).astype(np.int32))
            data.append(_narrow(values[indices[-1]]))
            indptr.append(indptr[-1] + len(indices[-1]))
    for text_row in text_rows:
        is_edge = text_row.position <= MAX_EDGE or text_row.position > n_rows - MAX_EDGE
        if not is_edge and not is_annotation_name(text_row.name):
            parser.parse_each(text_row.fields, text_row.location)  # raises the error
    if not names:
        raise InputError(f"{path} has no rows of numbers: provide counts")
    if n_unnamed:
        log.warning(f"{path}: rows without a name are named unnamed_LINE ({n_unnamed:,})")
    shape = (len(names), parser.stop - parser.start)
    parts = (np.concatenate(data), np.concatenate(indices), np.array(indptr))
    return Table(layout, names, csr_matrix(parts, shape=shape), fields, text_rows)


def _narrow(values: np.ndarray) -> np.ndarray:
    """Return values as float32 if that loses nothing, as for counts."""
    narrow = values.astype(np.float32)
    return narrow if np.array_equal(narrow, values, equal_nan=True) else values


class RowParser:
    """Parser of the lines of a table.

    Parameters
    ----------
    layout
        Layout of the table.
    """

    def __init__(self, layout: TableLayout) -> None:
        self.layout = layout
        self.start, self.stop = layout.values
        self.width = len(layout.columns)
        self.outside = [i for i in range(self.width) if not self.start <= i < self.stop]

    def parse_numbers(self, line: str) -> tuple[list[str] | None, np.ndarray | None]:
        """Return the fields, "" for values, and the values; None if it needs a slower parser."""
        sep, n, n_after = self.layout.separator, self.stop - self.start, self.width - self.stop
        is_space = sep == " "
        text = line.strip() if is_space else line
        *before, rest = text.split(None if is_space else sep, self.start)
        rest, *after = rest.rsplit(None if is_space else sep, n_after) if n_after else [rest]
        fields = [*before, *after]
        if len(fields) != len(self.outside) or '"' in rest:
            return None, None
        if not is_space:
            n_extra = rest.count(sep) + 1 - n
            if n_extra > 0 and rest.endswith(sep * n_extra):
                rest = rest[:-n_extra]
            elif n_extra:
                return None, None
        if self.layout.decimal == "comma":
            if "." in rest:
                return None, None
            rest = rest.replace(",", ".")
        try:
            values = np.fromstring(rest, dtype=np.float64, sep=sep)
        except (DeprecationWarning, ValueError):
            return None, None
        if len(values) != n:
            return None, None
        for i, field in enumerate(fields):
            if '"' in field:
                if len(field) < 2 or not field[0] == field[-1] == '"':
                    return None, None
                field = field[1:-1].replace('""', '"')
            fields[i] = field.strip()
        return [*fields[: self.start], *([""] * n), *fields[self.start :]], values

    def split(self, line: str, location: str) -> list[str]:
        """Return the fields of a line, which must be as many as the columns."""
        row = split_fields(line, self.layout.separator)
        while len(row) > self.width and not row[-1]:
            row.pop()
        if len(row) == self.width or not any(row) or (len(row) == 1 and line.startswith("#")):
            return row
        column = self.layout.name_column or 0
        name = row[column] if column < len(row) else row[0]
        n_values, n_names = len(row) - 1, self.width - 1
        problem = f"{n_values:,} values, but the header has {n_names:,} names"
        advice = "the file may be truncated" if n_values < n_names else "one may be split in two"
        raise InputError(f"{location} ('{name}') has {problem}: {advice}")

    def is_text(self, row: list[str]) -> bool:
        """Return whether most values of a row are text."""
        return is_mostly_text(row[self.start : self.stop])

    def parse_each(self, row: list[str], location: str) -> np.ndarray:
        """Return the values of a row."""
        columns = self.layout.columns[self.start : self.stop]
        pairs = zip(row[self.start : self.stop], columns, strict=True)
        decimal = self.layout.decimal
        return np.array(
            [parse_number(field, decimal, f"{location}, column '{name}'") for field, name in pairs]
        )
