"""Reader of delimited text tables."""

from __future__ import annotations

import warnings
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, hstack

from scgnn.components.readers.contract import (
    MAX_LINE_LENGTH,
    Contents,
    Reader,
    iter_lines,
    log,
    make_anndata,
    open_maybe_gzip,
    resolve_file,
    translate_read_errors,
)
from scgnn.components.readers.number_format import is_text, parse_number
from scgnn.components.readers.table_annotation import (
    MAX_EDGE,
    Suspect,
    find_not_whole,
    is_annotation_name,
    iter_suspects,
)
from scgnn.components.readers.table_layout import (
    SEPARATORS,
    TableLayout,
    TableOptions,
    detect_layout,
    is_mostly_text,
    number_rows,
    split_fields,
)
from scgnn.data.orientation import Orientation, guess_orientation, looks_like_excel
from scgnn.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

MIN_SNIFFED_LINES, MAX_SNIFFED_LINES = 5, 100
DECLARED = "they are declared"
MAX_SNIFFED_LENGTH = 2**21  # characters, beyond the lines of the minimum


@Reader.register("csv")
@dataclass(frozen=True)
class CSV(Reader):
    """Text table with names in the first line and first column, plain or .gz.

    The header of the first column can be missing, as written by R, or the whole header, whose names
    are then numbers. Columns and rows of text become annotation (``obs`` and ``var``), as do
    numbers that are not counts (gene lengths, totals per cell, …), which are detected from their
    names and values and logged. Three columns of cells, genes and counts, one line for each count,
    are read, too. The file is read line by line into a sparse matrix.

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
    decimal
        Decimal separator of the values; auto detects it from the first lines.
    has_header
        Whether the first line has the names of the columns; null detects it.
    name_column
        Column with the names of the rows; "" is the first one.
    annotation_columns
        Columns of numbers that are not counts; null detects them.
    annotation_rows
        Rows of numbers that are not counts; null detects them.
    """

    path: str = ""
    orientation: Literal["cells_by_genes", "genes_by_cells", "auto"] = "auto"
    separator: Literal["auto", "comma", "tab", "space", "semicolon"] = "auto"
    decimal: Literal["auto", "point", "comma"] = "auto"
    has_header: bool | None = None
    name_column: str = ""
    annotation_columns: tuple[str, ...] | None = None
    annotation_rows: tuple[str, ...] | None = None

    def __call__(self) -> AnnData:
        path = resolve_file(self.path)
        options = TableOptions(
            SEPARATORS.get(self.separator),
            None if self.decimal == "auto" else self.decimal,
            self.has_header,
            self.name_column or None,
        )
        with translate_read_errors(path, "a table"), open_maybe_gzip(path) as file:
            head = read_head(file, path)
            layout = detect_layout(head, path, options)
        with translate_read_errors(path, "a table"), open_maybe_gzip(path) as file:
            lines = iter_text_lines(file, path)
            if (order := _detect_triplets(head, layout, path)) is not None:
                return _read_triplets(lines, layout, order, path)
            table = _parse_table(lines, layout, path)
        return self._assemble(table, path)

    def _assemble(self, table: Table, path: Path) -> AnnData:
        """Set the annotation aside, and return the counts, cells x genes."""
        roles = Roles(table, path, self.annotation_columns, self.annotation_rows)
        rows, columns = roles.row_names, roles.column_names
        has_names = table.layout.has_header
        orientation = self._resolve_orientation(
            path, rows, columns if has_names else [], table.layout.corner
        )
        roles.set_suspects_aside(are_columns_cells=orientation == "genes_by_cells")
        rows, columns, values = roles.row_names, roles.column_names, roles.values
        if not has_names:
            axis = "cell" if orientation == "genes_by_cells" else "gene"
            log.warning(f"{path} has no header: {axis}s are named {axis}_1, {axis}_2, …")
            columns = [f"{axis}_{i + 1}" for i in range(len(columns))]
        obs, var = roles.row_annotation, roles.column_annotation
        if orientation == "genes_by_cells":
            values, rows, columns, obs, var = values.T, columns, rows, var, obs
        if n := sum(map(looks_like_excel, columns)):
            example = next(filter(looks_like_excel, columns))
            log.warning(
                f"{path}: {n:,} gene names such as '{example}' are dates or numbers that a "
                "spreadsheet made of other names; use the original table"
            )
        return make_anndata(values, rows, columns, obs, var)

    def peek_contents(self) -> Contents:
        return Contents()

    def _resolve_orientation(
        self, path: Path, names: list[str], columns: list[str], corner: str
    ) -> Orientation:
        """Return the declared or detected orientation."""
        guess = guess_orientation(names, columns, corner)
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


class Roles:
    """Which rows and columns of a table are values, and which are annotation.

    Parameters
    ----------
    table
        Content of the table.
    path
        Path in messages.
    annotation_columns, annotation_rows
        Names of those that are not counts; None detects them.
    """

    def __init__(
        self,
        table: Table,
        path: Path,
        annotation_columns: tuple[str, ...] | None,
        annotation_rows: tuple[str, ...] | None,
    ) -> None:
        self.path, self.decimal = path, table.layout.decimal
        self.is_declared = (annotation_rows is not None, annotation_columns is not None)
        layout, start, stop = table.layout, *table.layout.values
        columns = layout.columns
        self.row_names = list(table.names)
        self.row_annotation: dict[str, Any] = {}
        self.column_annotation: dict[str, Any] = {}
        positions = list(range(start, stop))
        blocks = [table.values]
        sandwiched = []
        for i, fields in table.fields.items():
            is_kept = (
                columns[i] not in annotation_columns
                if annotation_columns is not None
                else (not is_annotation_name(columns[i]))
            )
            if i in layout.text_columns or not is_kept:
                self._add(self.row_annotation, columns[i] or f"column_{i + 1}", fields)
                continue
            if not columns[i] and fields in number_rows(len(fields)):
                continue
            sandwiched.append(i)
            location = f"{path}, column '{columns[i]}'"
            numbers = [[parse_number(field, layout.decimal, location)] for field in fields]
            blocks.insert(len(blocks) if i >= stop else len(blocks) - 1, csr_matrix(numbers))
            positions.insert(len(positions) if i >= stop else len(positions) - (stop - start), i)
        if sandwiched and annotation_columns is None:
            names = ", ".join(f"'{columns[i]}'" for i in sandwiched[:3])
            texts = [i for i in layout.text_columns if i != layout.name_column]
            text = columns[texts[0] if texts else layout.name_column]
            more = f" and {len(sandwiched) - 3:,} more" if len(sandwiched) > 3 else ""
            problem = f"the columns {names}{more} are separated from the values by '{text}'"
            advice = "set annotation_columns to those of them that are not counts, or to []"
            raise InputError(f"{path}: {problem}: {advice}")
        self.values = csr_matrix(hstack(blocks)) if len(blocks) > 1 else table.values
        self.column_names = [columns[i] for i in positions]
        for row in table.text_rows:
            self._add(self.column_annotation, row.name, [row.fields[i] for i in positions])
        if self.row_annotation or self.column_annotation:
            keys = [*self.row_annotation, *self.column_annotation]
            log.info(f"{path}: text is stored as annotation: {_quote(keys)}")
        self._take(1, self._find_named(self.column_names, annotation_columns, columns, "columns"))
        self._take(0, self._find_named(self.row_names, annotation_rows, self.row_names, "rows"))

    def _find_named(
        self, names: list[str], declared: tuple[str, ...] | None, known: list[str], axis: str
    ) -> list[Suspect]:
        """Return what is declared, or has a name of annotation."""
        if declared is None:
            named = [i for i, name in enumerate(names) if is_annotation_name(name)]
            return [Suspect(i, "their names are those of annotation") for i in named]
        texts = self.row_annotation if axis == "columns" else self.column_annotation
        for name in declared:
            if name not in known and name not in texts:
                problem = f"annotation_{axis} has '{name}'"
                raise InputError(f"{self.path}: {problem}, but the table has no such {axis[:-1]}")
        return [Suspect(i, DECLARED) for i, name in enumerate(names) if name in declared]

    def set_suspects_aside(self, are_columns_cells: bool) -> None:
        """Set aside what is no count by its values, where that is not declared."""
        if not any(self.is_declared):
            rows, columns = find_not_whole(self.values)
            reason = "their values are not counts, unlike the others"
            self._take(1, [Suspect(i, reason) for i in sorted(columns)])
            self._take(0, [Suspect(i, reason) for i in sorted(rows)])
        if not self.is_declared[1]:
            self._take(1, list(iter_suspects(self.column_names, self.values, are_columns_cells)))
        if not self.is_declared[0]:
            values = csr_matrix(self.values.T)
            self._take(0, list(iter_suspects(self.row_names, values, not are_columns_cells)))

    def _take(self, axis: int, suspects: list[Suspect]) -> None:
        """Move rows (axis 0) or columns (1) to the annotation of the other axis."""
        if not suspects:
            return
        names, kind = (self.column_names, "column") if axis else (self.row_names, "row")
        for suspect in suspects:
            if not suspect.is_certain:
                problem = f"{kind} '{names[suspect.position]}' may not hold counts"
                advice = (
                    f"set annotation_{kind}s to [{names[suspect.position]}], or to [] if it does"
                )
                problem = f"{problem}, because {suspect.reason}"
                raise InputError(f"{self.path}: {problem}: {advice}")
        annotation = self.row_annotation if axis else self.column_annotation
        for i, *_ in suspects:
            part = self.values[:, [i]] if axis else self.values[[i]].T
            self._add(annotation, names[i] or f"{kind}_{i + 1}", part.toarray().ravel())
        mask = np.ones(len(names), dtype=bool)
        mask[[suspect.position for suspect in suspects]] = False
        if not mask.any():
            raise InputError(f"{self.path} has no {kind}s of counts: set annotation_{kind}s to []")
        self.values = self.values[:, mask] if axis else self.values[mask]
        kept = [name for name, is_kept in zip(names, mask, strict=True) if is_kept]
        of_kept = self.column_annotation if axis else self.row_annotation
        for key, values in of_kept.items():
            of_kept[key] = np.asarray(values)[mask]
        if axis:
            self.column_names = kept
        else:
            self.row_names = kept
        by_reason: dict[str, list[str]] = {}
        for suspect in suspects:
            by_reason.setdefault(suspect.reason, []).append(names[suspect.position])
        for reason, members in by_reason.items():
            if reason != DECLARED:
                log.warning(
                    f"{self.path}: {kind}s stored as annotation and not as counts, because "
                    f"{reason}: {_quote(members)} (annotation_{kind}s)"
                )

    def _add(self, annotation: dict[str, Any], name: str, values: Any) -> None:
        """Add a column of annotation, as numbers if all are, under a name of its own."""
        if isinstance(values, list) and not any(map(is_text, values)):
            with suppress(InputError):
                values = np.array([parse_number(v, self.decimal, "") for v in values])
        is_array = isinstance(values, np.ndarray)
        if is_array and (abs(values) < 2**53).all() and (values == np.floor(values)).all():
            values = values.astype(np.int64)
        unique, i = name, 0
        while unique in annotation:
            i += 1
            unique = f"{name}-{i}"
        annotation[unique] = values


def _quote(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:5])
    return f"{shown} and {len(names) - 5:,} more" if len(names) > 5 else shown


def iter_text_lines(file: IO[bytes], path: Path) -> Iterator[str]:
    """Yield the lines of a text file that are not blank."""
    for line in iter_lines(file, path):
        if line.strip():
            yield line.rstrip("\r\n")


def read_head(file: IO[bytes], path: Path) -> list[str]:
    """Return the first lines of a table that are not blank; fewer if they are long."""
    head: list[str] = []
    length = 0
    for line in iter_lines(file, path):
        length += len(line)
        if line.strip():
            head.append(line.rstrip("\r\n"))
        limit = MAX_LINE_LENGTH if len(head) > 1 else 2 * MAX_LINE_LENGTH
        if len(head) >= MIN_SNIFFED_LINES:
            limit = MAX_SNIFFED_LENGTH
        if len(head) == MAX_SNIFFED_LINES or length > limit:
            break
    return head


def _parse_table(lines: Iterator[str], layout: TableLayout, path: Path) -> Table:
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
            name = row[layout.name_column]
            if is_declared or (not name and not names) or (values is None and parser.is_text(row)):
                name = name or next(filter(None, row), "") or f"row_{number}"
                text_rows.append(TextRow(n_rows, name, row, location))
                if len(text_rows) > 3 * MAX_EDGE + layout.n_annotation_rows:
                    break
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
        name = row[self.layout.name_column] if self.layout.name_column < len(row) else row[0]
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


def _detect_triplets(
    head: list[str], layout: TableLayout, path: Path
) -> tuple[int, int, int] | None:
    """Return the columns of the gene, cell and count if each line has one of each."""
    start, stop = layout.values
    if len(layout.columns) != 3 or stop - start != 1 or len(layout.text_columns) < 2:
        return None
    first, second = (i for i in range(3) if i != start)
    rows = [split_fields(line, layout.separator) for line in head[layout.n_skipped :]]
    a, b = ([row[i] for row in rows if len(row) == 3] for i in (first, second))
    columns = layout.columns
    guess = guess_orientation(a, b, columns[first])
    swapped = guess_orientation(b, a, columns[second])
    votes = {guess.orientation == "genes_by_cells", swapped.orientation == "cells_by_genes"}
    against = {guess.orientation == "cells_by_genes", swapped.orientation == "genes_by_cells"}
    if True in votes and True not in against:
        return first, second, start
    if True in against and True not in votes:
        return second, first, start
    if len(set(a)) < len(a) and len(set(b)) < len(b):
        problem = "each line seems to have a gene, a cell and a count"
        advice = "name the columns gene, cell and count"
        raise InputError(f"{path}: {problem}, but not which is which: {advice}")
    return None


def _read_triplets(
    lines: Iterator[str], layout: TableLayout, order: tuple[int, int, int], path: Path
) -> AnnData:
    """Return the counts of a table with a gene, a cell and a count in each line."""
    gene_column, cell_column, value_column = order
    genes: dict[str, int] = {}
    cells: dict[str, int] = {}
    gene_of, cell_of, values = array("q"), array("q"), array("d")
    parser = RowParser(layout)
    for number, line in enumerate(islice(lines, layout.n_skipped, None), layout.n_skipped + 1):
        row = parser.split(line, f"{path}, line {number}")
        location = f"{path}, line {number}, column '{layout.columns[value_column]}'"
        values.append(parse_number(row[value_column], layout.decimal, location))
        gene_of.append(genes.setdefault(row[gene_column], len(genes)))
        cell_of.append(cells.setdefault(row[cell_column], len(cells)))
    keys = np.array(cell_of) * len(genes) + np.array(gene_of)
    unique, first, n_lines = np.unique(keys, return_index=True, return_counts=True)
    if len(unique) < len(keys):
        i = first[n_lines > 1][0]
        pair = f"gene '{list(genes)[gene_of[i]]}' in cell '{list(cells)[cell_of[i]]}'"
        raise InputError(f"{path} has several counts of {pair}: add them up, or keep one")
    log.info(f"{path}: read as one count of a gene in a cell per line")
    shape = (len(cells), len(genes))
    counts = coo_matrix((np.array(values), (np.array(cell_of), np.array(gene_of))), shape=shape)
    return make_anndata(csr_matrix(counts), list(cells), list(genes))
