"""Plug-in packages written from templates, ready to install and to test."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from importlib import resources
from pathlib import Path
from string import Template

from scgnn.arguments import check_local_path
from scgnn.errors import UserError
from scgnn.registry.component import NAME_PATTERN, NAME_RULE, format_unknown_name
from scgnn.registry.kinds import kinds

RECIPE_SNIPPETS = {  # uses the component of a kind
    "clusterer": "pipeline:\n  clusterer: $name",
    "decoder": "pipeline:\n  feature_decoder: $name",
    "encoder": "pipeline:\n  graph_encoder: $name",
    "graph_builder": "pipeline:\n  graph_builder: $name",
    "pipeline": "pipeline: $name",
    "pruner": "pipeline:\n  graph_builder: {prune: $name}",
    "reader": "data:\n  reader: $name",
    "regularizer": "pipeline:\n  feature_regularizers: [{name: ltmg, weight: 0.9}, $name]",
    "stop": "pipeline:\n  stop: $name",
    "transform": "data:\n  transforms: [filter, top_genes, $name]",
}
MAX_NAME_LENGTH = 60


def write_package(kind: str, name: str, out: Path | None = None) -> Path:
    """Write a package with a new component.

    Parameters
    ----------
    kind, name
        Kind and name of the component.
    out
        Folder of the package; by default scgnn-KIND-NAME in the working directory.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UserError
        The kind or the name is invalid, or the folder exists or cannot be written.
    """
    _check_kind_and_name(kind, name)
    module = f"scgnn_{kind}_{name}"
    variables = {
        "kind": kind,
        "name": name,
        "module": module,
        "distribution": module.replace("_", "-"),
        "class_name": f"{name}_{kind}".title().replace("_", ""),
    }
    folder = out or Path(variables["distribution"])
    check_local_path(folder)
    if folder.exists() or folder.is_symlink():
        raise UserError(f"{folder} already exists; choose another folder with --out")
    _write_folder(folder, _render_files(variables))
    return folder


def _check_kind_and_name(kind: str, name: str) -> None:
    if kind not in RECIPE_SNIPPETS or kind not in kinds():
        raise UserError(format_unknown_name("kind", kind, sorted(RECIPE_SNIPPETS)))
    if not NAME_PATTERN.fullmatch(name):
        raise UserError(f"invalid component name '{name}': {NAME_RULE}")
    if len(name) > MAX_NAME_LENGTH:
        raise UserError(
            f"component name '{name[:20]}…' is longer than {MAX_NAME_LENGTH} characters"
        )
    if name in kinds()[kind].names():
        raise UserError(f"{kind} '{name}' already exists; choose another name")


def _render_files(variables: dict[str, str]) -> dict[str, str]:
    """Return the text of each file of a package by its path."""
    component = _render_template(f"component/{variables['kind']}.py", variables)
    summary = re.search(r'^class .*\n    """(.*)', component, re.M)
    assert summary is not None
    snippet = Template(RECIPE_SNIPPETS[variables["kind"]]).substitute(variables)
    variables = variables | {"summary": summary[1].replace("``", ""), "setting": snippet}
    names = ("README.md", "pyproject.toml", "recipe.yaml", "setup.cfg")
    return {name: _render_template(f"plugin/{name}", variables) for name in names} | {
        f"{variables['module']}.py": component,
        f"tests/test_{variables['name']}.py": _render_template("plugin/test.py", variables),
    }


def _render_template(template: str, variables: dict[str, str]) -> str:
    file = resources.files("scgnn.cli") / "templates" / f"{template}.txt"
    return Template(file.read_text(encoding="utf-8")).substitute(variables)


def _write_folder(folder: Path, files: dict[str, str]) -> None:
    """Write files to a temporary folder and rename it, so that no partial package remains."""
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        for name, text in files.items():
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        os.rename(partial, folder)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
