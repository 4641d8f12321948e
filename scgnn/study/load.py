"""Load studies: every recipe is built and validated before the first one runs."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

from scgnn.arguments import check_type
from scgnn.errors import RecipeError
from scgnn.recipe.build import INVALID, Problems, build
from scgnn.recipe.data_files import find_data_problems
from scgnn.recipe.load import (
    NO_NAMES,
    apply_changes,
    build_recipe,
    check_changes,
    get_recipes_folder,
    is_recipe_path,
    load_recipe,
    resolve_base,
)
from scgnn.recipe.plain_tree import from_plain
from scgnn.recipe.recipe import Recipe
from scgnn.recipe.yaml_tree import Node, SourceLocation, load_yaml
from scgnn.registry.component import format_unknown_name
from scgnn.registry.introspection import to_dict
from scgnn.runs.folder import make_paths_absolute
from scgnn.study.level_names import name_data_sets
from scgnn.study.recipes import (
    list_compared,
    list_recipe_changes,
    load_controls,
    load_recipes,
    use_data,
)
from scgnn.study.spec import Axis, Level, Run, Study
from scgnn.study.study_file import MAX_RUNS, StudyFile, list_axes, list_variants
from scgnn.study.tree import (
    expand_named_data,
    override_data,
    override_seeds,
    to_plain_study,
)

STUDY_KEYS = [field.name for field in fields(StudyFile)]


def list_bundled_studies() -> dict[str, Path]:
    """Return the files of the bundled studies by name."""
    return {path.stem: path for path in sorted((get_recipes_folder() / "studies").glob("*.yaml"))}


def is_study(source: str) -> bool:
    """Return whether a string names a bundled study, or a file with the keys of one."""
    if not is_recipe_path(source):
        return source in list_bundled_studies()
    tree = load_yaml(Path(source))
    return any(tree.get(key) is not None for key in STUDY_KEYS if key != "base")


def load_study(
    source: str | Path | Mapping[str, Any],
    changes: Mapping[str, Any] | None = None,
    *,
    data: Sequence[str | Path] | Mapping[str, str | Path] = (),
    seeds: Sequence[int] = (),
    names: Mapping[str, str] = NO_NAMES,
    check_files: bool = False,
) -> Study:
    """Load a study and validate all of its recipes.

    Parameters
    ----------
    source
        A bundled name, a path, or a mapping with the keys of
        :class:`~scgnn.study.study_file.StudyFile`.
    changes
        New values of the base and of the whole recipes that are compared with it, by dotted path,
        as of ``--set``.
    data
        Files of counts instead of those in the study, as a list or by name.
    seeds
        Seeds instead of those in the study.
    names
        Names of the changes, by path, and of ``data`` and ``seeds`` in messages.
    check_files
        Whether to check that the data files of all runs exist and have the columns and layers
        that the study names.

    Raises
    ------
    RecipeError
        All mistakes, one line each.
    UserError
        An argument is of another type.
    """
    check_type("study", source, (str, os.PathLike, Mapping), "a name, a path or a mapping")
    changes = check_changes(changes)
    if isinstance(source, Mapping):
        name, tree = "study", from_plain(source, SourceLocation("study"))
    else:
        name = Path(source).stem
        tree = load_yaml(list_bundled_studies().get(str(source), Path(source)))
    tree = override_data(tree, data, names.get("data", "data"))
    tree = expand_named_data(override_seeds(tree, seeds, names.get("seeds", "seeds")))
    problems = Problems()
    file = build(tree, StudyFile, problems)
    if file is INVALID:  # the valid sections may define runs with mistakes
        tree = _keep_valid_sections(tree)
        file = build(tree, StudyFile, problems)
    (base_name, base_node), compared, recipe_changes = _list_recipes(file, tree, problems)
    base = _load_base(base_node, changes, names, problems)
    recipes = load_recipes(compared, "compare", changes, names, problems)
    recipes |= load_recipes(recipe_changes, "vary", changes, names, problems)
    known = [recipe for recipe in (base, *(level.recipe for level in recipes.values())) if recipe]
    controls = load_controls(tree.get("controls"), known, problems)
    if base is None or file is INVALID:
        problems.raise_if_any()
    assert base is not None
    (data_name,) = name_data_sets([to_dict(base.data.reader)])
    axes = list_axes(file, tree, data_name, problems)
    variants = list_variants(file, tree, recipes, problems)
    _check_control_names(controls, variants, problems)
    runs = tuple(_build_runs(base, variants, controls, axes, problems, set(compared)))
    if check_files:
        _check_files(runs, tree.location.source, changes, names, problems)
    problems.raise_if_any()
    plain = to_plain_study(tree, to_dict(make_paths_absolute(base)), compared, axes)
    return Study(name, base_name, plain, axes, runs, scores=file.scores or ())


def _keep_valid_sections(tree: Node) -> Node:
    """Return a study without its invalid sections, and without invalid entries of the others."""
    sections = {}

    def is_valid(key: str, section: Node) -> bool:
        part = Node({"base": Node("any", tree.location), key: section}, tree.location)
        return build(part, StudyFile, Problems()) is not INVALID

    for key, section in tree.value.items():
        if key in ("vary", "cross") and isinstance(section.value, dict):
            entries = section.value.items()
            parts = {path: Node({path: entry}, section.location) for path, entry in entries}
            sections[key] = section.without(*(k for k in parts if not is_valid(key, parts[k])))
        elif is_valid(key, section):
            sections[key] = section
    return Node(sections, tree.location)


def _check_files(
    runs: Iterable[Run],
    source: str,
    changes: Mapping[str, Any],
    names: Mapping[str, str],
    problems: Problems,
) -> None:
    """Report what the data files of runs contradict, once for runs with the same data."""
    for data in dict.fromkeys(run.recipe.data for run in runs):
        for key, message in find_data_problems(data):
            path = f"data.{key}"
            change = f"{names.get(path, path)}={changes.get(path)}"
            problems.add(SourceLocation(change if path in changes else source), path, message)


def _list_recipes(
    file: Any, tree: Node, problems: Problems
) -> tuple[tuple[str, Node], dict[str, Node], dict[str, Node]]:
    """Return the base with its name, and the whole recipes of ``compare`` and of ``vary``."""
    base = tree.get("base") or Node(None, tree.location)
    name = base.value if isinstance(base.value, str) else "custom recipe"
    if file is INVALID:
        return (name, base), {}, {}
    if file.scores:
        _check_scores(tree.value["scores"], problems)
    compared = list_compared(file, tree, problems)
    if base.value is None and compared:
        name = next(iter(compared))
        base = compared.pop(name)
    return (name, base), compared, list_recipe_changes(file, tree, problems)


def _check_scores(scores: Node, problems: Problems) -> None:
    from scgnn.evaluation.scores import SCORES, is_known_score  # its package loads scipy.special

    for node in scores.value:
        if not is_known_score(node.value):
            message = format_unknown_name("score", node.value, list(SCORES))
            problems.add(node.location, "scores", message)


def _check_control_names(
    controls: Mapping[str, Recipe], variants: Sequence[Level], problems: Problems
) -> None:
    for variant in variants:
        if variant.name in controls:
            advice = "rename the change, or list other 'controls'"
            location = variant.changes[0][1].location
            problems.add(location, "controls", f"'{variant.name}' is also a change; {advice}")


def _load_base(
    node: Node | None, changes: Mapping[str, Any], names: Mapping[str, str], problems: Problems
) -> Recipe | None:
    if node is None or node.value is None:
        return None
    tree = node if isinstance(node.value, dict) else Node({"base": node}, node.location)
    base_problems = Problems()
    try:
        recipe = build_recipe(resolve_base(tree, problems=base_problems), base_problems)
        return load_recipe(recipe, changes, names=names)
    except RecipeError as error:
        problems.add_lines(node.location, error.problems)
        return None


def _build_runs(
    base: Recipe,
    variants: Sequence[Level],
    controls: Mapping[str, Recipe],
    axes: Sequence[Axis],
    problems: Problems,
    compared: Collection[str],
) -> Iterator[Run]:
    """Yield the base and its variants at all levels, then the controls at those of blocks."""
    blocks = [axis for axis in axes if axis.is_block]
    n_runs = (1 + len(variants)) * _count(axes) + len(controls) * _count(blocks)
    if n_runs > MAX_RUNS:
        problems.add(SourceLocation("study"), "", f"{n_runs:,} runs; at most {MAX_RUNS:,}")
        return
    for levels, crossed in _iter_combinations(axes):
        if (reference := _change(base, crossed, problems)) is None:
            continue
        yield Run("base", "base", levels, reference)
        names = {reference: "the base"}
        for variant in variants:
            if (recipe := _change_base(base, variant, crossed, problems)) is None:
                continue
            same = names.setdefault(recipe, f"'{variant.name}'")
            if same != f"'{variant.name}'":
                location = variant.changes[0][1].location
                section = "compare" if variant.name in compared else "vary"
                problems.add(location, section, f"'{variant.name}' is the same recipe as {same}")
            yield Run(variant.name, "change", levels, recipe)
    for levels, crossed in _iter_combinations(blocks):
        if (reference := _change(base, crossed, problems)) is None:
            continue
        for name, control in controls.items():
            yield Run(name, "control", levels, use_data(control, reference))


def _iter_combinations(
    axes: Sequence[Axis],
) -> Iterator[tuple[dict[str, Any], list[tuple[str, Node]]]]:
    """Yield the value of each axis and all changes, of every combination of levels."""
    for levels in product(*(axis.levels for axis in axes)):
        values = {a.name: level.value for a, level in zip(axes, levels, strict=True)}
        yield values, [change for level in levels for change in level.changes]


def _change_base(
    base: Recipe, variant: Level, crossed: Sequence[tuple[str, Node]], problems: Problems
) -> Recipe | None:
    """Return a variant of the base, or a whole recipe on its data, at one level of each axis."""
    if variant.recipe is None:
        return _change(base, [*crossed, *variant.changes], problems)
    return _change(use_data(variant.recipe, base), crossed, problems, f" (in '{variant.name}')")


def _change(
    recipe: Recipe, changes: Sequence[tuple[str, Node]], problems: Problems, suffix: str = ""
) -> Recipe | None:
    try:
        return apply_changes(recipe, changes, "base") if changes else recipe
    except RecipeError as error:
        locations = {str(node.location): node.location for _, node in changes}
        for line in error.problems:
            matches = (place for text, place in locations.items() if line.startswith(text))
            problems.add_lines(next(matches, SourceLocation("base")), [line + suffix])
        return None


def _count(axes: Iterable[Axis]) -> int:
    return math.prod(len(axis.levels) for axis in axes)
