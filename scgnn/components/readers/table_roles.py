"""Separation of the counts of a text table from its annotation."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack

from scgnn.components.readers.number_format import is_text, parse_number
from scgnn.components.readers.table_annotation import (
    Suspect,
    find_not_whole,
    is_annotation_name,
    iter_suspects,
)
from scgnn.components.readers.table_layout import number_rows
from scgnn.components.readers.table_rows import Table
from scgnn.errors import InputError

log = logging.getLogger("scgnn")

DECLARED = "they are declared"


class Roles:
    """Counts of a table, its names, and its annotation.

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
            text = columns[texts[0]] if texts else layout.corner
            more = f" and {len(sandwiched) - 3:,} more" if len(sandwiched) > 3 else ""
            problem = f"the columns {names}{more} are separated from the values by '{text}'"
            advice = (
                "set data.reader.annotation_columns to those of them that are not counts, or to []"
            )
            raise InputError(f"{path}: {problem}: {advice}")
        self.values = csr_matrix(hstack(blocks)) if len(blocks) > 1 else table.values
        self.column_names = [columns[i] or f"unnamed_{i + 1}" for i in positions]
        if layout.has_header and (n_unnamed := sum(not columns[i] for i in positions)):
            log.warning(f"{path}: columns without a name are named unnamed_COLUMN ({n_unnamed:,})")
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
        """Set aside rows and columns by their values, where they are not declared."""
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
                setting = f"data.reader.annotation_{kind}s"
                advice = f"set {setting} to [{names[suspect.position]}], or to [] if it does"
                problem = f"{problem}, because {suspect.reason}"
                raise InputError(f"{self.path}: {problem}: {advice}")
        annotation = self.row_annotation if axis else self.column_annotation
        for i, *_ in suspects:
            part = self.values[:, [i]] if axis else self.values[[i]].T
            self._add(annotation, names[i] or f"{kind}_{i + 1}", part.toarray().ravel())
        by_reason: dict[str, list[str]] = {}
        for suspect in suspects:
            by_reason.setdefault(suspect.reason, []).append(names[suspect.position])
        for reason, members in by_reason.items():
            if reason != DECLARED:
                log.warning(
                    f"{self.path}: {kind}s stored as annotation and not as counts, because "
                    f"{reason}: {_quote(members)} (annotation_{kind}s)"
                )
        mask = np.ones(len(names), dtype=bool)
        mask[[suspect.position for suspect in suspects]] = False
        if not mask.any():
            raise InputError(
                f"{self.path} has no {kind}s of counts: set data.reader.annotation_{kind}s to []"
            )
        self.values = self.values[:, mask] if axis else self.values[mask]
        names = [name for name, is_counts in zip(names, mask, strict=True) if is_counts]
        remaining = self.column_annotation if axis else self.row_annotation
        for key, values in remaining.items():
            remaining[key] = np.asarray(values)[mask]
        if axis:
            self.column_names = names
        else:
            self.row_names = names

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
