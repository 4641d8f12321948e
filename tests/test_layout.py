"""The layout of the package: layers are import-linter's, the rest of its rules are here."""

from __future__ import annotations

import ast
import builtins
import sys
from collections import Counter
from pathlib import Path

import pytest

import scgnn

PACKAGE = Path(scgnn.__file__).parent
ROOT = PACKAGE.parent
TREES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}
MAX_LINES = 300  # without docstrings
IMPORTING_BY_NAME = {  # where a module is imported by a string, which import-linter cannot see
    "__init__.py",  # public names, and the built-in components
    "cli/doctor.py",  # libraries
    "execution/lazy_module.py",  # torch
    "plotting/scatter.py",  # umap, where it is installed
}


def iter_nodes(kind):
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, kind):
                yield path, node


def test_no_module_has_the_name_of_a_standard_one():
    names = {path.partition("/")[0].removesuffix(".py") for path in TREES}
    assert not names & set(sys.stdlib_module_names)


def test_modules_are_imported_by_a_string_in_few_places():
    callers = {
        path
        for path, node in iter_nodes(ast.Attribute | ast.Name)
        if getattr(node, "attr", getattr(node, "id", "")) in ("import_module", "__import__")
    }
    assert callers == IMPORTING_BY_NAME


def test_no_two_classes_have_one_name():
    counts = Counter(node.name for _, node in iter_nodes(ast.ClassDef))
    assert {name for name, n in counts.items() if n > 1} == set()


def test_exceptions_end_in_error():
    exceptions = {
        name
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    bases = {
        node.name: {getattr(base, "id", "") for base in node.bases}
        for _, node in iter_nodes(ast.ClassDef)
    }
    for _ in bases:  # derived ones too
        exceptions |= {name for name, parents in bases.items() if parents & exceptions}
    assert all(name.endswith("Error") for name in exceptions & set(bases))


@pytest.mark.parametrize("path", TREES)
def test_no_file_is_long(path):
    docstrings = sum(
        node.end_lineno - node.lineno + 1
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
    n_lines = len((PACKAGE / path).read_text(encoding="utf-8").splitlines())
    assert n_lines - docstrings <= MAX_LINES


@pytest.mark.skipif(not (ROOT / ".gitignore").exists(), reason="not a checkout")
def test_git_ignores_run_folders_and_not_the_package_of_that_name():
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "/runs/" in lines
    assert not {"runs", "runs/"} & set(lines)


def is_narrowing(node):
    """Return whether an expression only tells a type checker what a value is not, or is."""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return all(map(is_narrowing, node.values))
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.IsNot):
        return ast.unparse(node.comparators[0]) == "None"
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance"


def test_nothing_depends_on_assertions():
    """They are not executed by ``python -O``."""
    asserts = list(iter_nodes(ast.Assert))
    assert len(asserts) > 10
    others = [f"{path}:{node.lineno}" for path, node in asserts if not is_narrowing(node.test)]
    assert others == []
