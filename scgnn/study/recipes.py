"""Whole recipes of a study: those that are compared with the base, and the controls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from scgnn.errors import RecipeError
from scgnn.recipe.build import Problems
from scgnn.recipe.load import build_recipe, is_recipe_path, load_recipe, resolve_base
from scgnn.recipe.recipe import Recipe
from scgnn.recipe.yaml_tree import Node, SourceLocation
from scgnn.study.level_names import name_files
from scgnn.study.spec import Level
from scgnn.study.study_file import StudyFile

RECIPE_SUFFIXES = (".yaml", ".yml")
RECIPE_KEYS = ("base", *(field.name for field in fields(Recipe)))
DEFAULT_CONTROLS = ("pca_kmeans", "pca_leiden", "random")


def list_compared(file: StudyFile, tree: Node, problems: Problems) -> dict[str, Node]:
    """Return the recipes of ``compare`` by name; ``tree`` has their location."""
    if file.compare is None:
        return {}
    if isinstance(file.compare, Mapping):
        names, nodes = list(file.compare), list(file.compare.values())
    else:
        names, nodes = name_recipes([str(node.value) for node in file.compare]), list(file.compare)
    is_reference = file.base is None or file.base.value is None  # the first one
    for i, (name, node) in enumerate(zip(names, nodes, strict=True)):
        problem = ""
        if not isinstance(node.value, str):
            problem = "must be the name or path of a recipe"
        elif name in names[:i]:
            problem = f"duplicate recipe '{name}'"
        elif name == "base" and (i or not is_reference):
            problem = "'base' is the name of the reference; use another, 'compare: {NAME: PATH}'"
        if problem:
            problems.add(node.location, "compare", problem)
    if len(names) == 1 and is_reference:
        advice = "needs at least two recipes, or one and a 'base'"
        problems.add(tree.value["compare"].location, "compare", advice)
    return dict(zip(names, nodes, strict=True))


def name_recipes(values: Sequence[str]) -> list[str]:
    """Return the names of recipes: bundled ones as they are, files by the shortest path."""
    paths = [value for value in values if is_recipe_path(value)]
    names = dict(zip(paths, name_files(paths, RECIPE_SUFFIXES), strict=True))
    bundled = set(values).difference(paths)
    return [
        Path(value).name if names.get(value) in bundled else names.get(value, value)
        for value in values
    ]


def list_recipe_changes(file: StudyFile, tree: Node, problems: Problems) -> dict[str, Node]:
    """Return the whole recipes of ``vary`` by name; ``tree`` has their location."""
    recipes = {}
    for name, value in (file.vary or {}).items():
        if not isinstance(value, str):
            continue
        node = tree.value["vary"].value[name]
        if "." in name or name in RECIPE_KEYS:
            advice = f"must be a list of the values to try, such as [{value}], not {value}"
            problems.add(node.location, f"vary.{name}", advice)
        else:
            recipes[name] = node
    return recipes


def load_recipes(
    nodes: Mapping[str, Node],
    section: str,
    changes: Mapping[str, Any],
    names: Mapping[str, str],
    problems: Problems,
) -> dict[str, Level]:
    """Load whole recipes, with the same changes as the base.

    Parameters
    ----------
    nodes
        Names or paths of the recipes, by the name of the variant.
    section
        Key of the study in messages.
    changes, names
        As in :func:`scgnn.recipe.load.load_recipe`.
    problems
        Receives every mistake.
    """
    levels = {}
    for name, node in nodes.items():
        if (tree := _resolve(node, section, problems)) is None:
            continue
        try:
            recipe = load_recipe(build_recipe(tree), changes, names=names)
        except RecipeError as error:
            problems.add_lines(node.location, [f"{line} (in '{name}')" for line in error.problems])
        else:
            levels[name] = Level(name, (("base", node),), recipe)
    return levels


def load_controls(
    section: Node | None, compared: Iterable[Recipe], problems: Problems
) -> dict[str, Recipe]:
    """Return the recipes of ``controls`` by name; by default, those that are not compared."""
    if section is not None:
        values = section.value if isinstance(section.value, list) else []
        names = name_recipes([str(node.value) for node in values])
        nodes = zip(names, values, strict=True)
    else:
        location = SourceLocation("controls")
        nodes = zip(DEFAULT_CONTROLS, (Node(n, location) for n in DEFAULT_CONTROLS), strict=True)
    controls = {}
    for name, node in nodes:
        if name in controls:
            problems.add(node.location, "controls", f"duplicate recipe '{name}'")
        if (tree := _resolve(node, "controls", problems)) is not None:
            controls[name] = build_recipe(tree)
    if section is not None:
        return controls
    known = [(recipe.pipeline, recipe.data.transforms) for recipe in compared]
    return {
        name: recipe
        for name, recipe in controls.items()
        if (recipe.pipeline, recipe.data.transforms) not in known
    }


def use_data(recipe: Recipe, reference: Recipe) -> Recipe:
    """Return a recipe with the data and the seed of another, and its own transforms."""
    batch_key = recipe.data.batch_key or reference.data.batch_key
    data = replace(reference.data, transforms=recipe.data.transforms, batch_key=batch_key)
    return replace(recipe, seed=reference.seed, data=data)


def _resolve(node: Node, section: str, problems: Problems) -> Node | None:
    """Return the tree of a recipe by its name or path, relative to the file that names it."""
    try:
        return resolve_base(Node({"base": node}, node.location))
    except RecipeError as error:
        lines = [line.replace(": base: ", f": {section}: ", 1) for line in error.problems]
        problems.add_lines(node.location, lines)
        return None
