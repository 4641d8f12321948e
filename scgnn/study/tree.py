"""Tree of a study: named data sets, values of arguments, and the study as plain data."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scgnn.arguments import check_type, expand_local_path, is_anndata
from scgnn.errors import UserError
from scgnn.recipe.load import is_data_path, is_recipe_path
from scgnn.recipe.plain_tree import from_plain
from scgnn.recipe.yaml_tree import Node, SourceLocation
from scgnn.study.level_names import DATA_PATHS
from scgnn.study.spec import Axis
from scgnn.study.study_file import make_list_node

PATH_KEYS = ("path", "truth_path", "labels_file")
LIST_TYPES = (list, tuple, range, np.ndarray)


def override_seeds(tree: Node, seeds: Sequence[int], name: str) -> Node:
    """Replace the seeds of a study by those of an argument or option, if there are any."""
    check_type(name, seeds, LIST_TYPES, "a list")
    if not len(seeds):
        return tree
    return _set_axis(tree, "seed", make_list_node(seeds, SourceLocation(name))).without("seeds")


def override_data(
    tree: Node, data: Sequence[str | Path] | Mapping[str, str | Path], name: str
) -> Node:
    """Replace the data sets of a study by those of an argument or option, if there are any."""
    expected = "a list of paths, or a mapping of names to paths"
    check_type(name, data, (*LIST_TYPES, Mapping), expected)
    for value in data.values() if isinstance(data, Mapping) else data:
        if is_anndata(value):
            raise UserError(f"{name}: studies read files; write the AnnData with write_h5ad")
    if not len(data):
        return tree
    location = SourceLocation(name)
    if isinstance(data, Mapping):
        sets = {str(key): _mark_path(value) for key, value in data.items()}
        return _set_axis(tree, "data.reader", from_plain(sets, location))
    return _set_axis(tree, "data.reader", make_list_node(map(_mark_path, data), location))


def _mark_path(value: Any) -> Any:
    """Return a path that is recognized as one, also without a slash or suffix."""
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else value
    is_unmarked = isinstance(path, str) and path and not is_data_path(path)
    return os.path.join(".", path) if is_unmarked else path


def _set_axis(tree: Node, path: str, axis: Node) -> Node:
    cross = tree.get("cross") or Node({}, tree.location)
    cross = cross.without(path, path.partition(".")[0]).replace(**{path: axis})  # ``data`` as well
    return tree.replace(cross=cross)


def expand_named_data(tree: Node) -> Node:
    """Replace named data sets, ``data.reader: {NAME: path}``, by levels with their settings."""
    cross = tree.get("cross")
    for path in DATA_PATHS:
        axis = cross.get(path) if cross else None
        if axis is None or not isinstance(axis.value, dict):
            continue
        levels = {name: _expand_level(path, level) for name, level in axis.value.items()}
        cross = cross.replace(**{path: Node(levels, axis.location)})  # type: ignore[union-attr]
    return tree if cross is None else tree.replace(cross=cross)


def _expand_level(path: str, level: Node) -> Node:
    """Return the settings of a named data set by path; others are left as they are."""
    is_mapping = isinstance(level.value, dict) and level.value
    if not isinstance(level.value, str) and not is_mapping:
        return level
    if is_mapping and any("." in key for key in level.value):
        return level
    if is_mapping and path == "data" and level.name is None:  # settings of data
        return Node({f"data.{key}": child for key, child in level.value.items()}, level.location)
    return Node({"data.reader": level}, level.location)


def to_plain_study(
    tree: Node, base: Mapping[str, Any], compared: Mapping[str, Node], axes: Sequence[Axis]
) -> dict[str, Any]:
    """Return a study as plain data from which it can be repeated in any folder.

    Paths are absolute, and data sets and compared recipes keep their names.

    Parameters
    ----------
    tree
        Tree of the study.
    base
        The complete base.
    compared
        Recipes that are compared with the base, by name.
    axes
        Axes of the study.
    """
    plain = {"base": base} | _resolve_paths(tree.without("base", "compare"))
    if compared:
        plain["compare"] = {name: _resolve_recipe(node) for name, node in compared.items()}
    vary = tree.value.get("vary")  # can be null, as in a file without levels
    for name, node in (vary.value or {}).items() if vary else ():
        if isinstance(node.value, str):
            plain["vary"][name] = _resolve_recipe(node)
    for path in DATA_PATHS:
        if isinstance((plain.get("cross") or {}).get(path), list):
            levels = next(axis.levels for axis in axes if axis.name == "data")
            plain["cross"][path] = {
                level.name: {key: _resolve_paths(node, key) for key, node in level.changes}
                for level in levels
            }
    return plain


def _resolve_paths(node: Node, path: str = "") -> Any:
    """Return a study as plain data with absolute paths; ``path`` is that of the setting."""
    value, key = node.value, path.rpartition(".")[2]
    if isinstance(value, dict):
        return {name: _resolve_paths(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_resolve_paths(item, path) for item in value]
    if not isinstance(value, str):
        return value
    if key == "controls":
        return _resolve_recipe(node)
    is_file = is_data_path(value) if key == "reader" else key in PATH_KEYS
    return os.path.realpath(expand_local_path(value)) if is_file else value


def _resolve_recipe(node: Node) -> str:
    """Return the name of a recipe, or its path, which is relative to the file that names it."""
    value = str(node.value)
    if not is_recipe_path(value):
        return value
    folder = Path(node.location.source).parent if node.location.line else Path()
    return os.path.realpath(folder / expand_local_path(value))
