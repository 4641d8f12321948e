"""Tables of formatted text, for HTML pages, Markdown and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from scgnn.execution.files import write_atomic

LATEX_PREAMBLE = "% requires \\usepackage{booktabs}\n"
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

    def to_latex(self) -> str:
        """Return the table with its caption, in the style of booktabs."""
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
        )


def write_tables(folder: Path, name: str, tables: Sequence[TextTable]) -> None:
    """Write tables as ``name.md`` and ``name.tex``."""
    write_atomic(folder / f"{name}.md", "\n".join(table.to_markdown() for table in tables))
    latex = "\n".join(table.to_latex() for table in tables)
    write_atomic(folder / f"{name}.tex", LATEX_PREAMBLE + latex)


def escape_markdown(text: str) -> str:
    """Escape text for a cell of a Markdown table."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&])", r"\\\1", " ".join(text.split()))


def escape_latex(text: str) -> str:
    """Escape text for LaTeX, symbols that pdfLaTeX lacks included."""
    return " ".join(text.split()).translate(LATEX_ESCAPES)
