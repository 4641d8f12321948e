"""load"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from scgnn.components.readers import sniff
from scgnn.errors import InputError, RecipeError
from scgnn.recipe.build import MISSING, Problems, build
from scgnn.recipe.recipe import Recipe
from scgnn.recipe.yaml_tree import Node, Place, assign, merge, plant, read, write
from scgnn.registry.component import unknown
from scgnn.registry.introspection import dump
from scgnn.registry.kinds import kinds

LONGEST_CHAIN = 10  # recipes through `base:`


DATA_ENDINGS = (".h5ad", ".h5", ".loom", ".zarr", ".csv", ".tsv", ".txt", ".mtx", ".gz")


def recipes_folder() -> Path:
    """Where the recipes are that come with the package."""
    folder = Path(str(resources.files("scgnn") / "recipes"))
    # the other is that of a checkout that was not installed
    return folder if folder.is_dir() else Path(__file__).parents[2] / "recipes"


def bundled() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    return {path.stem: path for path in sorted(recipes_folder().glob("*.yaml"))}


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
            tree = with_base(plant(dict(recipe), Place("recipe")))
        else:
            tree = with_base(_open(str(recipe)), (str(recipe),))
        built = finish(_without_reader(tree) if "data.reader" in changes else tree)
    if not changes:
        return built
    nodes = [
        (path, plant(_plain_change(value), Place(f"--set {path}={_shown(value)}")))
        for path, value in changes.items()
    ]
    return changed(built, nodes, str(recipe) if isinstance(recipe, str | Path) else "recipe")


def changed(recipe: Recipe, changes: Iterable[tuple[str, Node]], source: str) -> Recipe:
    """A recipe with values merged in at dotted paths; ``source`` is what it is called.

    Raises
    ------
    RecipeError
        With every mistake, at the places of the changes.
    """
    tree = plant(dump(recipe), Place(source))
    problems = Problems()
    for path, node in changes:
        try:
            tree = assign(tree, path, node)
        except RecipeError as error:
            problems.found += [(node.place, line) for line in error.problems]
    return finish(tree, problems)


def _plain_change(value: Any) -> Any:
    return (
        [_plain_change(item) for item in value] if isinstance(value, list | tuple) else dump(value)
    )


def _shown(value: Any) -> str:
    """A new value as it is written on the command line, cut short."""
    text = " ".join(write(_plain_change(value), default_flow_style=True).split())
    text = text.removesuffix(" ...")
    return text if len(text) < 60 else text[:57] + "..."


def is_file(word: str) -> bool:
    """Whether a word names a recipe file rather than a recipe of the package."""
    return "/" in word or word.endswith((".yaml", ".yml"))


def _open(name: str) -> Node:
    if is_file(name):
        return read(Path(name))
    known = bundled()
    if name not in known:
        hint = " (a file of your own needs a slash or the ending .yaml)"
        raise RecipeError([unknown("recipe", name, list(known)) + hint])
    return read(known[name])


def with_base(node: Node, chain: tuple[str, ...] = ()) -> Node:
    """The tree with its ``base:`` completed and laid under it."""
    base = node.value.get("base")
    if base is None:
        return node
    if not isinstance(base.value, str):
        raise RecipeError([f"{base.place}: base: must be the name or path of a recipe"])
    name = base.value
    if is_file(name) and base.place.line:  # seen from the file that names it
        name = str(Path(base.place.source).parent / name)
    if name in chain or len(chain) >= LONGEST_CHAIN:
        raise RecipeError([f"{base.place}: base: {' -> '.join([*chain, name])} never ends"])
    try:
        found = _open(name)
    except RecipeError as error:
        inside = re.compile(re.escape(name) + r":\d")  # a mistake with a place of its own
        lines = (x if inside.match(x) else f"{base.place}: base: {x}" for x in error.problems)
        raise RecipeError(list(lines)) from None
    under = finish(with_base(found, (*chain, name)))
    rest = Node({key: value for key, value in node.value.items() if key != "base"}, node.place)
    return merge(plant(dump(under), base.place), rest)


def finish(node: Node, problems: Problems | None = None) -> Recipe:
    """The recipe that a tree stands for; every mistake at once."""
    problems = problems or Problems()
    recipe = build(_with_reader(node, problems), Recipe, problems)
    if problems.found or recipe is MISSING:
        raise RecipeError(problems.lines())
    return recipe


def _with_reader(node: Node, problems: Problems) -> Node:
    """The tree with a reader that is given as a path replaced by the one that the file needs."""
    data = node.value.get("data")
    reader = data.value.get("reader") if data is not None and isinstance(data.value, dict) else None
    if data is None or reader is None or not is_path(reader.name):
        return node
    try:
        found = plant(dump(sniff(str(reader.name))), reader.place)
    except InputError as error:
        problems.add(reader.place, "data.reader", str(error))
        found = plant("demo", reader.place)
    # a word that was laid on a mapping has become a mapping with that name
    rest = reader.value if isinstance(reader.value, dict) else {}
    found = merge(found, Node({k: v for k, v in rest.items() if k != "name"}, reader.place))
    changed = Node({**data.value, "reader": found}, data.place)
    return Node({**node.value, "data": changed}, node.place)


def _without_reader(node: Node) -> Node:
    """The tree without its reader, for one that another will replace."""
    data = node.value.get("data")
    if data is None or not isinstance(data.value, dict):
        return node
    rest = Node({k: v for k, v in data.value.items() if k != "reader"}, data.place)
    return Node({**node.value, "data": rest}, node.place)


def is_path(word: Any) -> bool:
    """Whether a reader's word is a path to data rather than the name of a reader."""
    return isinstance(word, str) and ("/" in word or word.lower().endswith(DATA_ENDINGS))
