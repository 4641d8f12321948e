"""Tables for papers: Markdown and LaTeX (booktabs, siunitx not needed)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from scgnn.execution.files import write_text
from scgnn.report.wording import Sheet

LATEX = {
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


def write_tables(folder: Path, name: str, sheets: Sequence[Sheet]) -> list[Path]:
    """``name.md`` and ``name.tex``."""
    paths = [folder / f"{name}.md", folder / f"{name}.tex"]
    write_text(paths[0], "\n".join(map(markdown, sheets)))
    head = "% Needs \\usepackage{booktabs} and, for marks, \\usepackage{amssymb}\n"
    write_text(paths[1], head + "\n".join(map(latex, sheets)))
    return paths


def markdown(sheet: Sheet) -> str:
    """A table under a heading."""
    rule = ["---", *["---:" for _ in sheet.head[1:]]]
    rows = [sheet.head, *sheet.rows]
    lines = ["| " + " | ".join(map(markdown_escaped, row)) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    return f"## {markdown_escaped(sheet.title)}\n\n" + "\n".join(lines) + "\n"


def latex(sheet: Sheet) -> str:
    """A table with its caption."""
    rows = [" & ".join(map(latex_escaped, row)) + r" \\" for row in (sheet.head, *sheet.rows)]
    columns = "".join("p{6cm}" if word == "verdict" else "r" for word in sheet.head[1:])
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{latex_escaped(sheet.title)}}}",
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


def markdown_escaped(text: str) -> str:
    """Text that means only itself in a Markdown table."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&])", r"\\\1", " ".join(text.split()))


def latex_escaped(text: str) -> str:
    """Text that means only itself in LaTeX."""
    return "".join(LATEX.get(letter, letter) for letter in " ".join(text.split()))
