"""Tables of formatted text, for HTML pages, Markdown and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from scgnn.execution.files import write_atomic

LATEX_PREAMBLE = "% requires \\usepackage{booktabs}\n"
NARROW_PREAMBLE = "% requires \\usepackage{array,booktabs}"
LABEL_PREFIX = "tab:scgnn-"
LATEX_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "−": "$-$",
        "±": r"$\pm$",
        "∞": r"$\infty$",
        "–": "--",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    }
)


class TextTable(NamedTuple):
    """A table of formatted text; the first column names the rows."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def to_markdown(self) -> str:
        """Return the table under a heading, numbers aligned right."""
        rule = "| --- |" + " ---: |" * (len(self.header) - 1)
        header, *rows = (
            f"| {' | '.join(map(escape_markdown, row))} |" for row in (self.header, *self.rows)
        )
        return "\n".join([f"## {escape_markdown(self.title)}", "", header, rule, *rows, ""])

    def to_latex(self, label: str) -> str:
        """Return the table with its caption and a label, in the style of booktabs."""
        columns = ["l", *("p{6cm}" if name == "verdict" else "r" for name in self.header[1:])]
        frame = pd.DataFrame(
            [list(map(escape_latex, row)) for row in self.rows],
            columns=list(map(escape_latex, self.header)),
        )
        return frame.to_latex(
            index=False,
            escape=False,
            column_format="".join(columns),
            caption=escape_latex(self.title),
            label=label,
        )

    def to_narrow_latex(self, label: str) -> str:
        """Return the table as it fits a column of a page; names break across lines."""
        rows = [
            " & ".join([allow_latex_breaks(row[0]), *map(escape_latex, row[1:])])
            for row in self.rows
        ]
        lines = (
            r"\begin{table}",
            r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{escape_latex(self.title)}}}",
            rf"\label{{{label}}}",
            r"\begin{tabular}{@{}>{\raggedright\arraybackslash}p{0.36\columnwidth}"
            rf"{'r' * (len(self.header) - 1)}@{{}}}}",
            r"\toprule",
            " & ".join(map(escape_latex, self.header)) + r" \\",
            r"\midrule",
            *(rf"{row} \\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        )
        return "\n".join([NARROW_PREAMBLE, *lines, ""])


def write_tables(folder: Path, name: str, tables: Sequence[TextTable]) -> None:
    """Write tables as ``name.md`` and ``name.tex``."""
    write_atomic(folder / f"{name}.md", "\n".join(table.to_markdown() for table in tables))
    slugs = [make_label(table.title) or str(i) for i, table in enumerate(tables)]
    labels = [f"{LABEL_PREFIX}{name}-{slug}" for slug in slugs]
    latex = "\n".join(map(TextTable.to_latex, tables, labels))
    write_atomic(folder / f"{name}.tex", LATEX_PREAMBLE + latex)


def write_narrow_table(path: Path, table: TextTable, name: str) -> None:
    """Write a table that fits a column of a page, with the label ``tab:scgnn-NAME``."""
    write_atomic(path, table.to_narrow_latex(f"{LABEL_PREFIX}{make_label(name) or 'study'}"))


def escape_markdown(text: str) -> str:
    """Escape text for a cell of a Markdown table."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&])", r"\\\1", " ".join(text.split()))


def make_label(text: str) -> str:
    """Return text as the label of a table: lower-case letters and digits, joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def allow_latex_breaks(text: str) -> str:
    """Escape text for LaTeX, with line breaks allowed after dots, underscores and equals signs."""
    return re.sub(r"(\\_|[.=/])", r"\1\\allowbreak{}", escape_latex(text))


def escape_latex(text: str) -> str:
    """Escape text for LaTeX, symbols that pdfLaTeX lacks included."""
    return " ".join(text.split()).translate(LATEX_ESCAPES)
