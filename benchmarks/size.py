"""Lines of code by package, without blank lines, comments, imports and docstrings.

python benchmarks/size.py                     # this checkout
python benchmarks/size.py --root OTHER        # another one
python benchmarks/size.py --files 20          # the largest files, too
"""

from __future__ import annotations

import argparse
import ast
import io
import tokenize
from collections import Counter
from pathlib import Path

IGNORED = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def count_code_lines(source: str) -> int:
    """Count the lines that hold a token of code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in IGNORED:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Import | ast.ImportFrom) or (
            is_docstring and isinstance(node.value.value, str)
        ):
            lines -= set(range(node.lineno, node.end_lineno + 1))
    return len(lines)


def main() -> None:
    """Print the count of every package and their sum."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--files", type=int, default=0, metavar="N")
    args = parser.parse_args()
    package = args.root / "scgnn"
    files = {
        path.relative_to(package): count_code_lines(path.read_text(encoding="utf-8"))
        for path in sorted(package.rglob("*.py"))
    }
    packages: Counter[str] = Counter()
    for path, n_lines in files.items():
        packages["/".join(path.parts[:-1][:2]) or "(top level)"] += n_lines
    for name, n_lines in sorted(packages.items()):
        print(f"{name:<30}{n_lines:>7,}")
    print(f"{'all':<30}{sum(packages.values()):>7,}")
    for path, n_lines in sorted(files.items(), key=lambda item: -item[1])[: args.files]:
        print(f"{n_lines:>6,}  {path}")


if __name__ == "__main__":
    main()
