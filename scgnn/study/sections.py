"""The sections of a study file: changes, axes and controls, with every mistake in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scgnn.errors import RecipeError
from scgnn.recipe.build import Problems
from scgnn.recipe.load import build_recipe, resolve_base
from scgnn.recipe.recipe import Recipe
from scgnn.recipe.yaml_tree import Node, dump_yaml, from_plain, to_plain
from scgnn.study.spec import Axis, Level

DEFAULT_CONTROLS = ("pca_kmeans", "pca_leiden", "random")


def read_variants(tree: Node, problems: Problems) -> list[Level]:
    """The changes of ``vary``, each under its name."""
    found: dict[str, Level] = {}
    for path, node in _iter_entries(tree, "vary", problems):
        if isinstance(node.value, dict):  # several changes under a name of their own
            levels = [_read_named_level(path, node, problems, "vary")]
        else:
            short = _shorten_path(path)
            levels = [
                Level(f"{short}={level.name}", level.changes)
                for level in _read_level_list(path, node, problems, "vary")
            ]
        for level in levels:
            if level.name in found or level.name == "base":
                problems.add(node.location, "vary", f"there are two changes named '{level.name}'")
            found[level.name] = level
    return list(found.values())


def read_axes(tree: Node, problems: Problems, data_name: str) -> tuple[Axis, ...]:
    """The axes of ``cross`` and ``seeds``, those that pair runs first."""
    axes = []
    for path, node in _iter_entries(tree, "cross", problems):
        if isinstance(node.value, dict):
            levels = [
                _read_named_level(name, item, problems, f"cross.{path}")
                for name, item in node.value.items()
            ]
            paths = {changed_path for level in levels for changed_path, _ in level.changes}
            is_block = all(p.split(".")[0] == "data" for p in paths)
        else:
            levels = _read_level_list(path, node, problems, "cross")
            is_block = path in ("seed", "data", "data.reader")
        _check_unique(levels, node, f"cross.{path}", problems)
        short = path if path == "seed" else "data" if is_block else _shorten_path(path)
        axes.append(Axis(short, tuple(levels), is_block))
    seeds = tree.value.get("seeds")
    if seeds is not None:
        axes.append(_read_seeds(seeds, problems))
    names = [axis.name for axis in axes]
    for name in {name for name in names if names.count(name) > 1}:
        problems.add(tree.location, "cross", f"'{name}' is crossed twice")
    if "data" not in names:
        axes.append(Axis("data", (Level(data_name, ()),), True))
    axes.sort(key=lambda axis: (not axis.is_block, axis.name != "data", axis.name != "seed"))
    return tuple(axes)


def read_controls(tree: Node, problems: Problems) -> dict[str, Recipe]:
    """The recipes of ``controls`` by name; the usual ones where the study names none."""
    node = tree.value.get("controls")
    if node is None:
        node = from_plain(list(DEFAULT_CONTROLS), tree.location)
    if not isinstance(node.value, list):
        problems.add(node.location, "controls", "must be a list of recipes; [] for none")
        return {}
    found = {}
    for item in node.value:
        try:
            if not isinstance(item.value, str):
                raise RecipeError([f"{item.location}: controls: must be names or paths of recipes"])
            name = Path(item.value).stem if item.value.endswith((".yaml", ".yml")) else item.value
            found[name] = build_recipe(resolve_base(Node({"base": item}, item.location)))
        except RecipeError as error:
            said = (line.replace(": base: ", ": controls: ", 1) for line in error.problems)
            problems.entries += [(item.location, line) for line in said]
    return found


def _read_seeds(node: Node, problems: Problems) -> Axis:
    """``seeds: 5`` is ``cross: {seed: [0, 1, 2, 3, 4]}``."""
    if isinstance(node.value, int) and not isinstance(node.value, bool) and node.value > 0:
        node = from_plain(list(range(node.value)), node.location)
    if not isinstance(node.value, list):
        problems.add(node.location, "seeds", "must be a list such as [0, 1, 2], or how many")
        return Axis("seed", (), True)
    levels = _read_level_list("seed", node, problems, "seeds")
    _check_unique(levels, node, "seeds", problems)
    return Axis("seed", tuple(levels), True)


def _iter_entries(tree: Node, key: str, problems: Problems) -> Iterator[tuple[str, Node]]:
    """The named entries of a section of the study."""
    section = tree.value.get(key)
    if section is None or section.value is None:
        return
    if not isinstance(section.value, dict):
        problems.add(
            section.location, key, "must be a mapping such as 'pipeline.graph_encoder: [gat]'"
        )
        return
    yield from section.value.items()


def _check_unique(levels: list[Level], node: Node, path: str, problems: Problems) -> None:
    names = [level.name for level in levels]
    for name in {name for name in names if names.count(name) > 1}:
        problems.add(node.location, path, f"'{name}' is there twice")


def _read_level_list(path: str, node: Node, problems: Problems, section: str) -> list[Level]:
    if not isinstance(node.value, list) or not node.value:
        problems.add(node.location, f"{section}.{path}", "must be a list of the values to try")
        return []
    return [Level(_format_level_name(path, to_plain(item)), ((path, item),)) for item in node.value]


def _read_named_level(name: str, node: Node, problems: Problems, section: str) -> Level:
    if not isinstance(node.value, dict) or not node.value:
        problems.add(
            node.location,
            f"{section}.{name}",
            "must be a mapping of the settings it changes, by path",
        )
        return Level(name, ())
    return Level(name, tuple(node.value.items()))


def _shorten_path(path: str) -> str:
    """A path without the words that say nothing in a table."""
    return path.removeprefix("pipeline.").removesuffix(".name")


def _format_level_name(path: str, value: Any) -> str:
    """A value in a table: data by the stem of its file, a component by name and settings."""
    if path in ("data.reader", "data"):
        file = value.get("path", value.get("name", "")) if isinstance(value, dict) else value
        return Path(str(file)).name.split(".")[0] or str(file)
    if isinstance(value, dict) and "name" in value:
        rest = {key: item for key, item in value.items() if key != "name"}
        return f"{value['name']}{_format_inline(rest) if rest else ''}"
    return _format_inline(value)


def _format_inline(value: Any) -> str:
    text = dump_yaml(value, default_flow_style=True, width=1000)
    return " ".join(text.removesuffix("\n").removesuffix("\n...").split())
