"""Load recipes: bundled names and files, ``base:``, and changes at dotted paths."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from scgnn.arguments import check_type, shorten, to_text
from scgnn.components.readers import detect_reader
from scgnn.errors import InputError, RecipeError
from scgnn.recipe.build import INVALID, Problems, build
from scgnn.recipe.data import Data
from scgnn.recipe.data_files import find_data_problems
from scgnn.recipe.merge import assign, merge, raise_problem
from scgnn.recipe.plain_tree import from_plain
from scgnn.recipe.recipe import Recipe
from scgnn.recipe.yaml_tree import (
    DATA_SUFFIXES,
    Node,
    SourceLocation,
    check_key,
    dump_flow_yaml,
    load_yaml,
    make_error,
    to_plain,
)
from scgnn.registry.component import format_unknown_name, suggest_components
from scgnn.registry.introspection import to_dict
from scgnn.registry.kinds import kinds

MAX_BASE_DEPTH = 10  # recipes linked by ``base:``
NO_NAMES: Mapping[str, str] = MappingProxyType({})


def get_recipes_folder() -> Path:
    """Return the folder of the bundled recipes."""
    folder = Path(str(resources.files("scgnn") / "recipes"))
    # a checkout that is not installed has it beside the package
    return folder if folder.is_dir() else Path(__file__).parents[2] / "recipes"


def list_bundled_recipes() -> dict[str, Path]:
    """Return the files of the bundled recipes by name."""
    return {path.stem: path for path in sorted(get_recipes_folder().glob("*.yaml"))}


def load_recipe(
    recipe: str | Path | Recipe | Mapping[str, Any],
    changes: Mapping[str, Any] | None = None,
    *,
    names: Mapping[str, str] = NO_NAMES,
    check_files: bool = False,
) -> Recipe:
    """Load and validate a recipe.

    Parameters
    ----------
    recipe
        A bundled name (``"scgnn"``), a path (with a slash or ending in .yaml), a mapping, or a
        recipe.
    changes
        New values by dotted path, as of ``--set``: ``{"pipeline.graph_encoder": "gat"}``.
    names
        Names of changes in messages, by path; by default the path.
    check_files
        Whether to check that the data files exist and have the columns and layer that the recipe
        names.

    Raises
    ------
    RecipeError
        All mistakes, one line each.
    UserError
        An argument is of another type.
    """
    kinds()  # registers all components
    types = (str, os.PathLike, Recipe, Mapping)
    check_type("recipe", recipe, types, "a name, a path, a mapping or a Recipe")
    changes = check_changes(changes)
    source = "recipe" if isinstance(recipe, Recipe | Mapping) else str(recipe)
    problems = Problems()
    nodes = list(_iter_change_nodes(changes, names, problems))
    tree = Node({}, SourceLocation(source))
    complete: Any = recipe
    if not isinstance(recipe, Recipe):
        if isinstance(recipe, Mapping):
            tree = resolve_base(from_plain(recipe, SourceLocation(source)), problems=problems)
        else:
            tree = resolve_base(_load_named(source), (source,), problems)
        data = tree.get("data")
        if "data.reader" in changes and data and data.get("reader"):  # whose file may be missing
            tree = tree.replace(data=data.without("reader"))
        complete = build(_resolve_reader(tree, problems), Recipe, problems)
    if complete is INVALID and nodes:  # the changes may have mistakes, too
        build(_resolve_reader(_assign_valid(tree, nodes), problems), Recipe, problems)
    elif nodes:
        complete = _apply_changes(complete, nodes, source, problems)
    if check_files:
        _check_files(_assign_valid(tree, nodes), complete, problems)
    problems.raise_if_any()
    result: Recipe = complete
    return result


def _iter_change_nodes(
    changes: Mapping[str, Any], names: Mapping[str, str], problems: Problems
) -> Iterator[tuple[str, Node]]:
    """Yield the path of each change and its value, whose location is the change itself."""
    for path, value in changes.items():
        name = names.get(path, path)
        try:
            check_key(path, name)
            plain = to_plain(from_plain(value, SourceLocation(name)))
        except RecipeError as error:
            problems.add_lines(SourceLocation(name), error.problems)
            continue
        text = shorten(" ".join(dump_flow_yaml(plain).split()))
        yield path, from_plain(plain, SourceLocation(f"{name}={text}"))


def _assign_valid(tree: Node, changes: Iterable[tuple[str, Node]]) -> Node:
    """Return a tree, which may be incomplete, with those changes that it allows."""
    for path, node in changes:
        with suppress(RecipeError):
            tree = assign(tree, path, node)
    return tree


def _check_files(tree: Node, recipe: Any, problems: Problems) -> None:
    """Report what the data files contradict, also if other settings of the recipe are invalid."""
    reader_problems = Problems()
    node = _resolve_reader(tree, reader_problems).get("data") or Node({}, tree.location)
    data = _build_valid_data(node) if recipe is INVALID else recipe.data
    if reader_problems.entries or data is None:
        return
    for path, message in find_data_problems(data):
        location, child = tree.location, tree.get("data")
        for key in path.split("."):
            child = child and child.get(key)
            location = child.location if child else location
        problems.add(location, f"data.{path}", message)


def _build_valid_data(node: Node) -> Data | None:
    """Return the data of a recipe with the valid settings only; None if the reader is invalid."""
    valid = {
        key: child
        for key, child in node.without().value.items()
        if build(Node({key: child}, node.location), Data, Problems()) is not INVALID
    }
    if "reader" not in valid and node.get("reader") is not None:
        return None
    data = build(Node(valid, node.location), Data, Problems())
    return None if data is INVALID else data


def check_changes(changes: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return changes after a check of their type and paths; None becomes an empty mapping.

    Raises
    ------
    UserError
        They are not a mapping, or a path is not text.
    """
    check_type("changes", changes, (Mapping, type(None)), "a mapping of values by path")
    for path in changes or {}:
        check_type("changes: path", path, str, "text")
    return changes or {}


def apply_changes(recipe: Recipe, changes: Iterable[tuple[str, Node]], source: str) -> Recipe:
    """Return a recipe with values merged in at dotted paths.

    Parameters
    ----------
    recipe
        Recipe to change.
    changes
        Paths and values, applied in this order.
    source
        Name of the recipe in messages.

    Raises
    ------
    RecipeError
        All mistakes, at the locations of the changes.
    """
    problems = Problems()
    result: Recipe = _apply_changes(recipe, changes, source, problems)
    problems.raise_if_any()
    return result


def _apply_changes(
    recipe: Recipe, changes: Iterable[tuple[str, Node]], source: str, problems: Problems
) -> Any:
    """Return a changed recipe, or INVALID if there was a mistake."""
    tree = from_plain(to_dict(recipe), SourceLocation(source))
    for path, node in changes:
        try:
            tree = assign(tree, path, node)
        except RecipeError as error:
            problems.add_lines(node.location, error.problems)
    return build(_resolve_reader(tree, problems), Recipe, problems)


def get_recipe_name(recipe: str | Path | Recipe | Mapping[str, Any]) -> str:
    """Return the name of a bundled recipe or of the file of a recipe, for people to read."""
    if isinstance(recipe, str | os.PathLike):
        return to_text(Path(recipe).stem if is_recipe_path(str(recipe)) else str(recipe))
    base = recipe.get("base") if isinstance(recipe, Mapping) else None
    return f"{get_recipe_name(base)} with changes" if isinstance(base, str) else "custom recipe"


def is_recipe_path(name: str) -> bool:
    """Return whether a string is the path of a recipe file rather than a bundled name."""
    return "/" in name or name.endswith((".yaml", ".yml"))


def is_data_path(value: Any) -> bool:
    """Return whether the value of a reader is the path of a file rather than a name."""
    return isinstance(value, str) and ("/" in value or value.lower().endswith(DATA_SUFFIXES))


@cache
def _load_bundled(path: Path) -> Node:
    return load_yaml(path)


def _load_named(name: str) -> Node:
    if is_recipe_path(name):
        return load_yaml(Path(name))
    known = list_bundled_recipes()
    if name not in known:
        hint = "(the path of a file needs a slash or the ending .yaml)"
        advice = suggest_components(name, known)
        problem = format_unknown_name("recipe", name, list(known), advice=advice)
        raise RecipeError([f"{problem} {hint}"])
    return _load_bundled(known[name])


def resolve_base(node: Node, chain: tuple[str, ...] = (), problems: Problems | None = None) -> Node:
    """Return a tree merged into the recipe that its key ``base`` names.

    Parameters
    ----------
    node
        Tree of a recipe.
    chain
        Names of the recipes that led to this one.
    problems
        Receives changes of entries that lists of the base do not have.

    Raises
    ------
    RecipeError
        There is no such base, or it is invalid; without ``problems`` also for such changes.
    """
    base = node.get("base")
    if base is None:
        return node
    name = base.value
    if not isinstance(name, str):
        raise make_error(base.location, "base: must be the name or path of a recipe")
    if is_recipe_path(name) and base.location.line:  # relative to the file that names it
        name = str(Path(base.location.source).parent / name)
    if name in chain or len(chain) >= MAX_BASE_DEPTH:
        problem = "circular" if name in chain else f"more than {MAX_BASE_DEPTH} recipes"
        raise make_error(base.location, f"base: {problem}: {' -> '.join([*chain, name])}")
    try:
        base_tree = _load_named(name)
    except RecipeError as error:
        location, prefix = re.compile(re.escape(name) + r":\d"), f"{base.location}: base: "
        lines = [line if location.match(line) else prefix + line for line in error.problems]
        raise RecipeError(lines) from None
    recipe = build_recipe(resolve_base(base_tree, (*chain, name)))
    report = raise_problem if problems is None else problems.add
    return merge(from_plain(to_dict(recipe), base.location), node.without("base"), report)


def build_recipe(node: Node, problems: Problems | None = None) -> Recipe:
    """Build a recipe from its tree.

    Raises
    ------
    RecipeError
        All mistakes, those in ``problems`` included.
    """
    problems = problems or Problems()
    recipe: Recipe = build(_resolve_reader(node, problems), Recipe, problems)
    problems.raise_if_any()
    return recipe


def _resolve_reader(node: Node, problems: Problems) -> Node:
    """Replace a reader that is the path of a file by the reader of its format."""
    data = node.get("data")
    reader = data.get("reader") if data is not None else None
    if data is None or reader is None or not is_data_path(reader.name):
        return node
    try:
        detected = from_plain(to_dict(detect_reader(str(reader.name))), reader.location)
    except InputError as error:
        problems.add(reader.location, "data.reader", str(error))
        detected = from_plain("demo", reader.location)
    # a path that was merged into a mapping has become its name
    return node.replace(data=data.replace(reader=merge(detected, reader.without("name"))))
