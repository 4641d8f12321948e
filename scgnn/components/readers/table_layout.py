"""Layout of text tables: separator, header, names, and columns of text, from the first lines."""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from scgnn.components.readers.number_format import (
    Decimal,
    detect_decimal,
    is_missing,
    is_number,
    is_text,
)
from scgnn.data.orientation import looks_like_name
from scgnn.errors import InputError
from scgnn.execution.formatting import format_count

SEPARATORS = {"comma": ",", "tab": "\t", "semicolon": ";", "space": " "}
INDEX_HEADER = re.compile(
    r"id|index|names?|cells?|cell_?(id|names?)|barcodes?|genes?|gene_?(id|names?|symbols?)|symbols?"
    r"|features?|entrez_?(gene)?_?(id)?|ensembl_?(gene)?_?(id)?|unnamed: 0|x|obs(_names)?|"
    r"var(_names)?|samples?|rownames?|row_names?|probes?|transcripts?",
    re.IGNORECASE,
)
ID_WORDS = re.compile(r"\D*(cell|barcode|gene)\D*", re.IGNORECASE)  # as in Cell.Number
GCT_VERSION = re.compile(r"#1\.[23]\s*")
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
MIN_EQUAL_WIDTHS = 0.8  # fraction of the first lines; others are named when they are parsed


class TableOptions(NamedTuple):
    """Declared layout of a table; None is detected."""

    separator: str | None = None
    decimal: Decimal | None = None
    has_header: bool | None = None
    name_column: str | None = None


class TableLayout(NamedTuple):
    """Layout of a table.

    Attributes
    ----------
    separator
        Separator character.
    decimal
        Decimal separator.
    n_skipped
        Number of lines before the first row that are not blank, the header included.
    n_annotation_rows
        Number of the first rows that are declared to be annotation.
    columns
        Name of every column, "" without a header.
    has_header
        Whether a line has the names of the columns.
    name_column
        Position of the column of row names, or None if rows have no names.
    text_columns
        Positions of the columns of text.
    values
        Positions of the first column of values and of the first one after them.
    """

    separator: str
    decimal: Decimal
    n_skipped: int
    n_annotation_rows: int
    columns: list[str]
    has_header: bool
    name_column: int | None
    text_columns: list[int]
    values: tuple[int, int]

    @property
    def corner(self) -> str:
        """Header of the column of row names, or ""."""
        return "" if self.name_column is None else self.columns[self.name_column]


def detect_layout(head: list[str], path: Path, options: TableOptions | None = None) -> TableLayout:
    """Return the layout of a table.

    Parameters
    ----------
    head
        First lines of the table that are not blank.
    path
        Path in messages.
    options
        Declared layout.

    Raises
    ------
    InputError
        If the lines do not have the same number of columns, names or numbers are missing, or
        columns are ambiguous.
    """
    options = options or TableOptions()
    n_skipped, declared_separator, n_columns, n_rows = _read_preamble(head)
    sep, is_comment, header, body = _split_head(
        head, n_skipped, path, options.separator or declared_separator
    )
    width = len(body[0])
    sample = body[len(body) // 2 :]  # annotation of columns is in the first rows
    is_text_column = [is_mostly_text([row[i] for row in sample]) for i in range(width)]
    numeric = [i for i in range(1, width) if not is_text_column[i]]
    if not any(is_number(row[i]) for row in body for i in numeric):
        raise InputError(f"{path} has no numbers in its first {len(head)} lines")
    has_header = True if is_comment else options.has_header
    if has_header is None:
        has_header = _detect_header(header, numeric, body, path)
    if has_header:
        columns = header if len(header) == width else ["", *header]
    else:
        columns, body = [""] * width, [header, *body]
    name_column = _find_names(columns, is_text_column, body, has_header, options, path)
    if is_gct(head) and name_column is not None:
        columns[name_column] = "gene"  # whatever it is called there
        is_text_column[name_column + 1 : name_column + 1 + n_columns] = [True] * n_columns
    fields = [row[i] for row in body for i in numeric if i != name_column]
    return TableLayout(
        separator=sep,
        decimal=options.decimal or detect_decimal(fields, path),
        n_skipped=n_skipped + (has_header and not is_comment),
        n_annotation_rows=n_rows,
        columns=columns,
        has_header=has_header,
        name_column=name_column,
        text_columns=[i for i, is_text in enumerate(is_text_column) if is_text],
        values=_find_values(is_text_column, name_column),
    )


def is_gct(head: list[str]) -> bool:
    """Return whether the first lines are those of a GCT file, which is genes x samples."""
    return len(head) > 1 and GCT_VERSION.fullmatch(head[0]) is not None


def is_mostly_text(fields: list[str]) -> bool:
    """Return whether more fields are text than numbers."""
    n_numbers = sum(map(is_number, fields))
    return n_numbers < len(fields) and sum(map(is_text, fields)) > n_numbers


def _read_preamble(head: list[str]) -> tuple[int, str | None, int, int]:
    """Return what the lines before the header declare.

    Returns
    -------
    tuple
        Number of these lines, separator, number of columns and of rows of annotation.
    """
    if head and (match := SEPARATOR_LINE.fullmatch(head[0])):
        return 1, match[1], 0, 0
    if is_gct(head):
        sizes = [int(size) for size in head[1].split() if size.isdecimal()]
        n_columns, n_rows = sizes[2:4] if len(sizes) == 4 else (1, 0)
        return 2, "\t", n_columns, n_rows
    n_comments = next((i for i, line in enumerate(head) if not line.startswith("#")), 0)
    return n_comments, None, 0, 0


def _split_head(
    head: list[str], n_skipped: int, path: Path, separator: str | None
) -> tuple[str, bool, list[str], list[list[str]]]:
    """Return the separator, whether the header is a comment, the header, and the first rows."""
    choices = [separator] if separator else list(SEPARATORS.values())
    candidates = []
    for sep in choices:
        rows = [split_fields(line, sep) for line in head[n_skipped:]]
        if n_skipped and head[n_skipped - 1].startswith("#"):
            comment = split_fields(head[n_skipped - 1].lstrip("# "), sep)
            split = _split_header([comment, *rows])
            if split is not None and len(split[1][0]) > 2:
                candidates.append((sep, True, *split))
                continue
        if (split := _split_header(rows)) is not None:
            candidates.append((sep, False, *split))
    candidates = [c for c in candidates if c[0] != " "] or candidates
    if not candidates:
        names = {sep: name for name, sep in SEPARATORS.items()}
        raise InputError(
            f"{path} is not a table with names in its first line and first column, separated by "
            f"{' or '.join(names.get(sep, repr(sep)) for sep in choices)}: "
            + _describe_widths(head, n_skipped, choices)
        )
    return max(candidates, key=_count_numbers)


def _describe_widths(head: list[str], n_skipped: int, separators: list[str]) -> str:
    """Return why the first lines are not those of a table, in words."""
    if len(head) < 2:
        return "it has one line"
    for separator in separators:
        first, *rest = [len(split_fields(line, separator)) for line in head[n_skipped:]]
        width, n = Counter(rest).most_common(1)[0] if rest else (0, 0)
        if width > 2 and n >= MIN_EQUAL_WIDTHS * len(rest):
            return (
                f"line {n_skipped + 1} has {format_count(first, 'column')}, but most lines below "
                f"it have {width:,}; if it is a title, remove it, or begin it with '#'"
            )
    return f"the first {len(head)} lines differ in their number of columns"


def _count_numbers(candidate: tuple[str, bool, list[str], list[list[str]]]) -> tuple[int, int]:
    """Return the number of numbers in some rows of a candidate, and of its columns."""
    rows = candidate[3][-3:]
    return sum(is_number(field) for row in rows for field in row), len(rows[0])


def _split_header(rows: list[list[str]]) -> tuple[list[str], list[list[str]]] | None:
    """Return the header and the rows of equal width, without separators at the end of lines."""
    if len(rows) < 2:
        return None
    header, body = rows[0], rows[1:]
    width, n = Counter(map(len, body)).most_common(1)[0]
    body = [row for row in body if len(row) == width]
    if n < MIN_EQUAL_WIDTHS * len(rows[1:]):
        return None
    while (
        width > 2 and not any(row[width - 1] for row in body) and not "".join(header[width - 1 :])
    ):
        width -= 1
    while len(header) > width and not header[-1]:
        header = header[:-1]
    if width < 2 or len(header) not in (width, width - 1):
        return None
    return header, [row[:width] for row in body]


def _detect_header(
    header: list[str], numeric: list[int], body: list[list[str]], path: Path
) -> bool:
    """Return whether the first line has names and not values."""
    if len(header) < len(body[0]):
        return True
    fields = [header[i] for i in numeric]
    corner, is_corner_numeric = header[0], is_number(header[0])
    if 2 * sum(is_number(field) or is_missing(field) for field in fields) <= len(fields):
        return True
    if not corner or INDEX_HEADER.fullmatch(corner):
        return True
    if is_corner_numeric:
        raise InputError(f"{path}: the first line has numbers instead of names: add a header")
    if looks_like_name(corner) or len(set(fields)) < len(fields):
        return False
    if _are_increasing(fields):
        return True
    problem = f"the first line, '{corner}', can be a header with numbers as names, or values"
    raise InputError(f"{path}: {problem}: set data.reader.has_header to true or false")


def _are_increasing(fields: list[str]) -> bool:
    if not all(field.isdecimal() for field in fields):
        return False
    values = list(map(int, fields))
    return all(a < b for a, b in pairwise(values))


def _find_names(
    columns: list[str],
    is_text_column: list[bool],
    body: list[list[str]],
    has_header: bool,
    options: TableOptions,
    path: Path,
) -> int | None:
    """Return the position of the column of row names, or None if rows have no names."""
    if options.name_column:
        if options.name_column not in columns:
            available = ", ".join(column for column in columns[:5] if column)
            problem = f"the table has no column '{options.name_column}'"
            raise InputError(
                f"{path}: {problem}, it begins with {available}: set data.reader.name_column"
            )
        return columns.index(options.name_column)
    if is_text_column[0]:
        return 0
    names = [row[0] for row in body]
    is_row_number = not columns[0] or columns[0].lower() == "unnamed: 0"
    if is_row_number and _are_increasing(names):
        for i in range(1, len(columns)):
            if is_text_column[i] and INDEX_HEADER.fullmatch(columns[i]):
                return i
    is_named = has_header and (not columns[0] or INDEX_HEADER.fullmatch(columns[0]))
    if all(map(is_number, names)) and not is_named:
        looks_like_names = looks_like_name(columns[0]) and not ID_WORDS.fullmatch(columns[0])
        if has_header and (looks_like_names or len(set(names)) <= len(names) / 2):
            return None
        problem = f"the first column, '{columns[0]}', has numbers instead of names"
        raise InputError(f"{path}: {problem}: add row names, or set data.reader.name_column")
    return 0


def _find_values(is_text_column: list[bool], name_column: int | None) -> tuple[int, int]:
    """Return the start and end of the longest run of columns without text and names."""
    best, start = (0, 0), 0
    for i, is_end in enumerate([*is_text_column, True]):
        if is_end or i == name_column:
            best = max(best, (start, i), key=lambda run: run[1] - run[0])
            start = i + 1
    return best


def number_rows(n: int) -> tuple[list[str], list[str]]:
    """Return the numbers of ``n`` rows as text, from 0 and from 1."""
    return [str(i) for i in range(n)], [str(i + 1) for i in range(n)]


def split_fields(line: str, separator: str) -> list[str]:
    """Split a line at its separator and remove quotes."""
    text = line.strip() if separator == " " else line
    if '"' not in line:
        fields = text.split(None if separator == " " else separator)
    else:
        try:
            fields = next(csv.reader([text], delimiter=separator, skipinitialspace=True))
        except csv.Error:  # a field above 128 KiB: a wide table with another separator
            return [text]
    return [field.strip() for field in fields]
