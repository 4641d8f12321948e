"""Reader of delimited text tables."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

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
from scgnn.components.readers.number_format import parse_number
from scgnn.components.readers.table_layout import (
    SEPARATORS,
    TableLayout,
    TableOptions,
    detect_layout,
    split_fields,
)
from scgnn.components.readers.table_roles import Roles
from scgnn.components.readers.table_rows import RowParser, Table, parse_table
from scgnn.data.orientation import Orientation, guess_orientation, looks_like_excel
from scgnn.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

MIN_SNIFFED_LINES, MAX_SNIFFED_LINES = 5, 100
STAR_SUMMARIES = {"N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"}
MAX_SNIFFED_LENGTH = 2**21  # characters, beyond the lines of the minimum


@Reader.register("csv")
@dataclass(frozen=True)
class CSV(Reader):
    """Text table with names in the first line and first column, plain or .gz.

    The header of the first column can be missing, as written by R. If the header or the row names
    are missing, cells or genes are numbered. Columns and rows of text are stored as annotation in
    ``obs`` and ``var``, as are numbers that are not counts (gene lengths, totals per cell, …),
    which are detected from their names and values and logged. Long format, with a gene, a cell and
    a count in each line, is also read. The file is read line by line into a sparse matrix.

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
            table = parse_table(lines, layout, path)
        return self._assemble(table, path)

    def _assemble(self, table: Table, path: Path) -> AnnData:
        """Set the annotation aside, and return the counts, cells x genes."""
        roles = Roles(table, path, self.annotation_columns, self.annotation_rows)
        rows, columns = roles.row_names, roles.column_names
        layout = table.layout
        has_names, has_row_names = layout.has_header, layout.name_column is not None
        if not has_names and set(roles.column_annotation) >= STAR_SUMMARIES:
            problem = "has the counts of one sample for each strandedness, as written by STAR"
            raise InputError(f"{path} {problem}: join one column of each sample into a table")
        orientation = self._resolve_orientation(
            path, rows if has_row_names else [], columns if has_names else [], layout.corner
        )
        roles.set_suspects_aside(are_columns_cells=orientation == "genes_by_cells")
        rows, columns, values = roles.row_names, roles.column_names, roles.values
        axes = ("gene", "cell") if orientation == "genes_by_cells" else ("cell", "gene")
        if not has_names:
            columns = _number_names(axes[1], len(columns), f"{path} has no header")
        if not has_row_names:
            rows = _number_names(axes[0], len(rows), f"{path} has no names of rows")
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
                advice = "set data.reader.orientation to cells_by_genes or genes_by_cells"
                raise InputError(f"{path}: {guess.reason}; {advice}")
            log.info(f"{path}: read as {guess.orientation}, because {guess.reason}")
            return guess.orientation
        if guess.contradicts(self.orientation):
            problem = f"orientation is {self.orientation}, but {guess.reason}"
            raise InputError(
                f"{path}: {problem}: set data.reader.orientation to {guess.orientation}"
            )
        if guess.orientation not in (None, self.orientation):
            log.warning(f"{path}: read as {self.orientation} as declared, although {guess.reason}")
        return self.orientation


def _number_names(axis: str, n: int, problem: str) -> list[str]:
    log.warning(f"{problem}: {axis}s are named {axis}_1, {axis}_2, …")
    return [f"{axis}_{i + 1}" for i in range(n)]


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
    orientations = guess.orientation, swapped.orientation
    is_gene_first = orientations[0] == "genes_by_cells" or orientations[1] == "cells_by_genes"
    is_cell_first = orientations[0] == "cells_by_genes" or orientations[1] == "genes_by_cells"
    if is_gene_first != is_cell_first:
        return (first, second, start) if is_gene_first else (second, first, start)
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
    log.info(f"{path}: read in long format, with a gene, a cell and a count in each line")
    shape = (len(cells), len(genes))
    counts = coo_matrix((np.array(values), (np.array(cell_of), np.array(gene_of))), shape=shape)
    return make_anndata(csr_matrix(counts), list(cells), list(genes))
