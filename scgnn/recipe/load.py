"""load"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from scgnn.components.readers import detect_reader
from scgnn.errors import InputError, RecipeError
from scgnn.recipe.build import INVALID, Problems, build
from scgnn.recipe.recipe import Recipe
from scgnn.recipe.yaml_tree import (
    Node,
    SourceLocation,
    assign,
    dump_yaml,
    from_plain,
    load_yaml,
    merge,
)
from scgnn.registry.component import format_unknown_name
from scgnn.registry.introspection import to_dict
from scgnn.registry.kinds import kinds

MAX_BASE_DEPTH = 10  # recipes through `base:`


DATA_SUFFIXES = (".h5ad", ".h5", ".loom", ".zarr", ".csv", ".tsv", ".txt", ".mtx", ".gz")


def get_recipes_folder() -> Path:
    """Where the recipes are that come with the package."""
    folder = Path(str(resources.files("scgnn") / "recipes"))
    # the other is that of a checkout that was not installed
    return folder if folder.is_dir() else Path(__file__).parents[2] / "recipes"


def list_bundled_recipes() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    return {path.stem: path for path in sorted(get_recipes_folder().glob("*.yaml"))}


def load_recipe(
    recipe: str | Path | Recipe | Mapping[str, Any], changes: Mapping[str, Any] | None = None
) -> Recipe:
    """Read, complete and check a recipe.

    Parameters
    ----------
    recipe
        A bundled name (``"scgnn"``), a path (with a slash or ending in .yaml), a mapping, or a
        recipe.
    changes
        Dotted paths and their new values, as ``--set`` gives them:
        ``{"pipeline.graph_encoder": "gat"}``.

    Raises
    ------
    RecipeError
        With every mistake, one line each.
    """
    kinds()  # every component is registered before names are looked up
    changes = changes or {}
    if isinstance(recipe, Recipe):
        built = recipe
    else:
        if isinstance(recipe, Mapping):
            tree = resolve_base(from_plain(dict(recipe), SourceLocation("recipe")))
        else:
            tree = resolve_base(_load_named(str(recipe)), (str(recipe),))
        built = build_recipe(_drop_reader(tree) if "data.reader" in changes else tree)
    if not changes:
        return built
    nodes = [
        (
            path,
            from_plain(
                _change_to_plain(value), SourceLocation(f"--set {path}={_format_value(value)}")
            ),
        )
        for path, value in changes.items()
    ]
    return apply_changes(built, nodes, str(recipe) if isinstance(recipe, str | Path) else "recipe")


def apply_changes(recipe: Recipe, changes: Iterable[tuple[str, Node]], source: str) -> Recipe:
    """A recipe with values merged in at dotted paths; ``source`` is what it is called.

    Raises
    ------
    RecipeError
        With every mistake, at the places of the changes.
    """
    tree = from_plain(to_dict(recipe), SourceLocation(source))
    problems = Problems()
    for path, node in changes:
        try:
            tree = assign(tree, path, node)
        except RecipeError as error:
            problems.entries += [(node.location, line) for line in error.problems]
    return build_recipe(tree, problems)


def _change_to_plain(value: Any) -> Any:
    return (
        [_change_to_plain(item) for item in value]
        if isinstance(value, list | tuple)
        else to_dict(value)
    )


def _format_value(value: Any) -> str:
    """A new value as it is written on the command line, cut short."""
    text = " ".join(dump_yaml(_change_to_plain(value), default_flow_style=True).split())
    text = text.removesuffix(" ...")
    return text if len(text) < 60 else text[:57] + "..."


def is_recipe_path(name: str) -> bool:
    """Whether a word names a recipe file rather than a recipe of the package."""
    return "/" in name or name.endswith((".yaml", ".yml"))


def _load_named(name: str) -> Node:
    if is_recipe_path(name):
        return load_yaml(Path(name))
    known = list_bundled_recipes()
    if name not in known:
        hint = " (a file of your own needs a slash or the ending .yaml)"
        raise RecipeError([format_unknown_name("recipe", name, list(known)) + hint])
    return load_yaml(known[name])


def resolve_base(node: Node, chain: tuple[str, ...] = ()) -> Node:
    """The tree with its ``base:`` completed and laid under it."""
    base = node.value.get("base")
    if base is None:
        return node
    if not isinstance(base.value, str):
        raise RecipeError([f"{base.location}: base: must be the name or path of a recipe"])
    name = base.value
    if is_recipe_path(name) and base.location.line:  # seen from the file that names it
        name = str(Path(base.location.source).parent / name)
    if name in chain or len(chain) >= MAX_BASE_DEPTH:
        raise RecipeError([f"{base.location}: base: {' -> '.join([*chain, name])} never ends"])
    try:
        found = _load_named(name)
    except RecipeError as error:
        inside = re.compile(re.escape(name) + r":\d")  # a mistake with a place of its own
        lines = (x if inside.match(x) else f"{base.location}: base: {x}" for x in error.problems)
        raise RecipeError(list(lines)) from None
    under = build_recipe(resolve_base(found, (*chain, name)))
    rest = Node({key: value for key, value in node.value.items() if key != "base"}, node.location)
    return merge(from_plain(to_dict(under), base.location), rest)


def build_recipe(node: Node, problems: Problems | None = None) -> Recipe:
    """The recipe that a tree stands for; every mistake at once."""
    problems = problems or Problems()
    recipe = build(_resolve_reader(node, problems), Recipe, problems)
    if problems.entries or recipe is INVALID:
        raise RecipeError(problems.format_lines())
    return recipe


def _resolve_reader(node: Node, problems: Problems) -> Node:
    """The tree with a reader that is given as a path replaced by the one that the file needs."""
    data = node.value.get("data")
    reader = data.value.get("reader") if data is not None and isinstance(data.value, dict) else None
    if data is None or reader is None or not is_data_path(reader.name):
        return node
    try:
        found = from_plain(to_dict(detect_reader(str(reader.name))), reader.location)
    except InputError as error:
        problems.add(reader.location, "data.reader", str(error))
        found = from_plain("demo", reader.location)
    # a word that was laid on a mapping has become a mapping with that name
    rest = reader.value if isinstance(reader.value, dict) else {}
    found = merge(found, Node({k: v for k, v in rest.items() if k != "name"}, reader.location))
    changed = Node({**data.value, "reader": found}, data.location)
    return Node({**node.value, "data": changed}, node.location)


def _drop_reader(node: Node) -> Node:
    """The tree without its reader, for one that another will replace."""
    data = node.value.get("data")
    if data is None or not isinstance(data.value, dict):
        return node
    rest = Node({k: v for k, v in data.value.items() if k != "reader"}, data.location)
    return Node({**node.value, "data": rest}, node.location)


def is_data_path(value: Any) -> bool:
    """Whether a reader's word is a path to data rather than the name of a reader."""
    return isinstance(value, str) and ("/" in value or value.lower().endswith(DATA_SUFFIXES))
