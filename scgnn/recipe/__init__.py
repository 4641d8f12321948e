"""Recipes: YAML in, a checked tree of components out, and back."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from scgnn.components.readers import Demo, Reader
from scgnn.components.transforms import Filter, Log1p, TopGenes, Transform
from scgnn.errors import RecipeError
from scgnn.fields import ProperShare, Seed
from scgnn.pipelines import Pipeline
from scgnn.pipelines.scgnn import ScGNN
from scgnn.recipe.build import MISSING, Problems, build, dump
from scgnn.recipe.tree import Node, Place, assign, merge, parse, plant, read
from scgnn.registry import unknown

__all__ = ["Data", "Recipe", "bundled", "diff", "load_recipe", "to_yaml"]

LONGEST_CHAIN = 10  # recipes through `base:`


@dataclass(frozen=True)
class Data:
    """What is read, and what is done to it before the pipeline.

    Parameters
    ----------
    reader
        Where the counts come from: a reader, or a path whose format is found out.
    layer
        Layer of the AnnData that holds the counts; null takes X.
    labels
        Column of obs with the true labels, used for scores only.
    holdout
        Share of the non-zero counts hidden from the pipeline, to score imputation on them.
    transforms
        Applied to the counts in this order.
    """

    reader: Reader = Demo()
    layer: str | None = None
    labels: str | None = None
    holdout: ProperShare = 0.0
    transforms: tuple[Transform, ...] = (Filter(), TopGenes(), Log1p())


@dataclass(frozen=True)
class Recipe:
    """A whole run: seed, data and pipeline.

    Parameters
    ----------
    seed
        Every random draw derives its own seed from this one.
    data
        What is read, and what is done to it first.
    pipeline
        The method.
    """

    seed: Seed = 1
    data: Data = field(default_factory=Data)
    pipeline: Pipeline = field(default_factory=ScGNN)


def bundled() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    folder = Path(str(resources.files("scgnn") / "recipes"))
    if not folder.is_dir():  # a checkout that was not installed
        folder = Path(__file__).parents[2] / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


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
    # every component is known before names are looked up
    importlib.import_module("scgnn.components")
    importlib.import_module("scgnn.pipelines")
    if isinstance(recipe, Recipe):
        built = recipe
    elif isinstance(recipe, Mapping):
        built = _finish(_with_base(plant(dict(recipe), Place("recipe")), ()))
    else:
        built = _finish(_with_base(_open(str(recipe)), (str(recipe),)))
    if not changes:
        return built
    tree = plant(dump(built), Place("recipe"))
    for path, value in changes.items():
        shown = value if isinstance(value, str | int | float | bool | None) else "..."
        node = plant(_plain_change(value), Place(f"--set {path}={shown}"))
        tree = assign(tree, path, node)
    return _finish(tree)


def parse_changes(assignments: Sequence[str]) -> dict[str, Any]:
    """``PATH=VALUE`` words of the command line as changes; values are YAML."""
    changes: dict[str, Any] = {}
    for word in assignments:
        path, equals, value = word.partition("=")
        if not equals or not path:
            raise RecipeError([f"--set {word}: write it as PATH=VALUE, e.g. pipeline.graph_encoder=gat"])
        wrapped = parse(f"value: {value}", f"--set {path}").value["value"]
        from scgnn.recipe.tree import plain

        changes[path] = plain(wrapped)
    return changes


def to_yaml(recipe: Recipe) -> str:
    """A recipe as YAML, complete, which loads to an equal recipe."""
    return yaml.safe_dump(dump(recipe), sort_keys=False, allow_unicode=True)


def diff(a: Recipe, b: Recipe) -> list[tuple[str, Any, Any]]:
    """The paths at which two complete recipes differ, with both values."""
    left, right = _flat(dump(a)), _flat(dump(b))
    absent = "(absent)"
    return [
        (path, left.get(path, absent), right.get(path, absent))
        for path in [*left, *(path for path in right if path not in left)]
        if left.get(path, absent) != right.get(path, absent)
    ]


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        items = [(str(i), item) for i, item in enumerate(value)]
    else:
        return {path: value}
    prefix = f"{path}." if path else ""
    return {k: v for key, item in items for k, v in _flat(item, f"{prefix}{key}").items()}


def _plain_change(value: Any) -> Any:
    return [_plain_change(item) for item in value] if isinstance(value, list | tuple) else dump(value)


def _open(name: str) -> Node:
    if "/" in name or name.endswith((".yaml", ".yml")):
        return read(Path(name))
    known = bundled()
    if name not in known:
        hint = " (a file of your own needs a slash or the ending .yaml)"
        raise RecipeError([unknown("recipe", name, list(known)) + hint])
    return read(known[name])


def _with_base(node: Node, chain: tuple[str, ...]) -> Node:
    """The tree with its ``base:`` completed and laid under it."""
    base = node.value.get("base")
    if base is None:
        return node
    if not isinstance(base.value, str):
        raise RecipeError([f"{base.place}: base: must be the name or path of a recipe"])
    name = base.value
    if "/" not in name and name.endswith((".yaml", ".yml")):
        name = f"./{name}"
    if name.startswith(".") and base.place.line:  # beside the file that names it
        name = str(Path(base.place.source).parent / name)
    if name in chain or len(chain) >= LONGEST_CHAIN:
        raise RecipeError([f"{base.place}: base: {' -> '.join([*chain, name])} never ends"])
    try:
        under = _finish(_with_base(_open(name), (*chain, name)))
    except RecipeError as error:
        raise RecipeError(
            [line if str(name) in line else f"{base.place}: base: {line}" for line in error.problems]
        ) from None
    rest = Node({key: value for key, value in node.value.items() if key != "base"}, node.place)
    return merge(plant(dump(under), base.place), rest)


def _finish(node: Node) -> Recipe:
    problems = Problems()
    recipe = build(node, Recipe, problems)
    if problems.found or recipe is MISSING:
        raise RecipeError(problems.lines())
    return recipe
