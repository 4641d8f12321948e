"""A plug-in package written from the templates beside this file, ready to install and to test."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from importlib import resources
from pathlib import Path
from string import Template

from scgnn.errors import UserError
from scgnn.registry.component import NAME_PATTERN, NAME_RULE, format_unknown_name
from scgnn.registry.kinds import kinds

RECIPE_SNIPPETS = {  # the line of a recipe that takes a component of a kind
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
    """Write the package of a new component; gives its folder.

    Parameters
    ----------
    kind, name
        Of the component.
    out
        The folder; by default scgnn-KIND-NAME in the present one.

    Raises
    ------
    UserError
        The kind or the name cannot be used, or the folder is there already.
    """
    _check_kind_and_name(kind, name)
    words = {"kind": kind, "name": name, "module": f"scgnn_{kind}_{name}"}
    words["distribution"] = words["module"].replace("_", "-")
    words["class_name"] = "".join(word.title() for word in f"{name}_{kind}".split("_"))
    folder = out or Path(words["distribution"])
    if folder.exists() or folder.is_symlink():
        raise UserError(f"{folder} is there already; name another folder with --out")
    _write_atomic(folder, _render_files(words))
    return folder


def _check_kind_and_name(kind: str, name: str) -> None:
    if kind not in RECIPE_SNIPPETS or kind not in kinds():
        raise UserError(format_unknown_name("kind", kind, sorted(RECIPE_SNIPPETS)))
    if not NAME_PATTERN.fullmatch(name):
        raise UserError(f"invalid component name '{name}': {NAME_RULE}")
    if len(name) > MAX_NAME_LENGTH:
        raise UserError(f"'{name[:20]}…' is too long; a name has at most {MAX_NAME_LENGTH} letters")
    if name in kinds()[kind].names():
        raise UserError(f"{kind} '{name}' is there already; choose another name")


def _render_files(variables: dict[str, str]) -> dict[str, str]:
    """The text of each file by its path."""
    component = _render_template(f"component/{variables['kind']}.py", variables)
    said = re.search(r'^class .*\n    """(.*)', component, re.M)
    assert said is not None
    variables = {
        **variables,
        "summary": said[1].replace("``", ""),
        "setting": Template(RECIPE_SNIPPETS[variables["kind"]]).substitute(variables),
    }
    files = {
        name: _render_template(f"plugin/{name}", variables)
        for name in ("README.md", "pyproject.toml", "recipe.yaml", "setup.cfg")
    }
    test = f"tests/test_{variables['name']}.py"
    return {
        **files,
        f"{variables['module']}.py": component,
        test: _render_template("plugin/test.py", variables),
    }


def _render_template(template: str, variables: dict[str, str]) -> str:
    file = resources.files("scgnn.cli") / "templates" / f"{template}.txt"
    return Template(file.read_text(encoding="utf-8")).substitute(variables)


def _write_atomic(folder: Path, files: dict[str, str]) -> None:
    """Write files beside a folder that is not there yet, and rename them to it when all are."""
    unfinished = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        for name, text in files.items():
            path = unfinished / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        os.rename(unfinished, folder)
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror})") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
