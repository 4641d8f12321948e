"""Tables for papers: Markdown and LaTeX (booktabs, siunitx not needed)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from scgnn.execution.files import write_text
from scgnn.report.wording import TextTable

LATEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "∞": r"$\infty$",
    "–": "--",
    "…": r"\ldots{}",
    "▲": r"$\blacktriangle$",
    "▼": r"$\blacktriangledown$",
    "◆": r"$\blacklozenge$",
    "△": r"$\vartriangle$",
    "▽": r"$\triangledown$",
    "◇": r"$\lozenge$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def write_tables(folder: Path, name: str, tables: Sequence[TextTable]) -> list[Path]:
    """``name.md`` and ``name.tex``."""
    paths = [folder / f"{name}.md", folder / f"{name}.tex"]
    write_text(paths[0], "\n".join(map(to_markdown, tables)))
    head = "% Needs \\usepackage{booktabs} and, for marks, \\usepackage{amssymb}\n"
    write_text(paths[1], head + "\n".join(map(to_latex, tables)))
    return paths


def to_markdown(table: TextTable) -> str:
    """A table under a heading."""
    rule = ["---", *["---:" for _ in table.header[1:]]]
    rows = [table.header, *table.rows]
    lines = ["| " + " | ".join(map(escape_markdown, row)) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    return f"## {escape_markdown(table.title)}\n\n" + "\n".join(lines) + "\n"


def to_latex(table: TextTable) -> str:
    """A table with its caption."""
    rows = [" & ".join(map(escape_latex, row)) + r" \\" for row in (table.header, *table.rows)]
    columns = "".join("p{6cm}" if word == "verdict" else "r" for word in table.header[1:])
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{escape_latex(table.title)}}}",
            rf"\begin{{tabular}}{{l{columns}}}",
            r"\toprule",
            rows[0],
            r"\midrule",
            *rows[1:],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def escape_markdown(text: str) -> str:
    """Text that means only itself in a Markdown table."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&])", r"\\\1", " ".join(text.split()))


def escape_latex(text: str) -> str:
    """Text that means only itself in LaTeX."""
    return "".join(LATEX_ESCAPES.get(letter, letter) for letter in " ".join(text.split()))
