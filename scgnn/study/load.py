"""From a study file to its runs: every recipe is built and checked before the first one runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from scgnn.errors import RecipeError
from scgnn.recipe.build import Problems
from scgnn.recipe.load import (
    apply_changes,
    build_recipe,
    get_recipes_folder,
    is_data_path,
    is_recipe_path,
    load_recipe,
    resolve_base,
)
from scgnn.recipe.recipe import Recipe
from scgnn.recipe.yaml_tree import Node, SourceLocation, from_plain, load_yaml, to_plain
from scgnn.registry.component import format_unknown_name
from scgnn.registry.introspection import to_dict
from scgnn.runs.folder import make_paths_absolute
from scgnn.study.sections import read_axes, read_controls, read_variants
from scgnn.study.spec import Axis, Level, Run, Study

STUDY_KEYS = ("base", "vary", "cross", "seeds", "controls")
MAX_RUNS = 100_000  # runs


def list_bundled_studies() -> dict[str, Path]:
    """The studies that come with the package, by name."""
    return {path.stem: path for path in sorted((get_recipes_folder() / "studies").glob("*.yaml"))}


def is_study(source: str) -> bool:
    """Whether a word names a study: a bundled one, or a file with the keys of one."""
    if not is_recipe_path(source):
        return source in list_bundled_studies()
    return any(key in load_yaml(Path(source)).value for key in STUDY_KEYS[1:])


def load_study(
    source: str | Path | Mapping[str, Any],
    changes: Mapping[str, Any] | None = None,
    *,
    data: Sequence[str] = (),
    seeds: Sequence[int] = (),
) -> Study:
    """Read a study and check every recipe in it.

    Parameters
    ----------
    source
        A bundled name, a path, or a mapping with the keys ``base``, ``vary``, ``cross``,
        ``seeds``, ``controls``.
    changes
        Dotted paths and values laid on the base, as ``--set`` gives them.
    data
        Files of counts instead of those that it names.
    seeds
        Seeds instead of those that it names.

    Raises
    ------
    RecipeError
        With every mistake, one line each.
    """
    if isinstance(source, Mapping):
        tree, name = from_plain(dict(source), SourceLocation("study")), "study"
    else:
        tree, name = (
            load_yaml(list_bundled_studies().get(str(source), Path(source))),
            Path(source).stem,
        )
    if data:
        tree = _override_axis(tree, "data.reader", list(data), "--data", ("data", "data.reader"))
    if seeds:
        tree = _override_axis(tree, "seed", list(seeds), "--seeds", ("seed",))
    problems = Problems()
    for key, child in tree.value.items():
        if key not in STUDY_KEYS:
            problems.add(child.location, key, format_unknown_name("key", key, list(STUDY_KEYS)))
    base = _load_base(tree, changes or {})
    axes = read_axes(tree, problems, _derive_data_name(base))
    variants = read_variants(tree, problems)
    controls = read_controls(tree, problems)
    if problems.entries:
        raise RecipeError(problems.format_lines())
    runs = tuple(_build_runs(base, variants, controls, axes, problems))
    if problems.entries:
        raise RecipeError(problems.format_lines())
    named = tree.value["base"].value
    said = named if isinstance(named, str) else "a recipe of its own"
    return Study(name, said, _make_self_contained(tree, base), axes, runs)


def _override_axis(
    tree: Node, path: str, values: list[Any], option: str, replaced_axes: Sequence[str]
) -> Node:
    """The study with other levels of an axis, as an option of the command gives them."""
    cross = tree.value.get("cross")
    axes = dict(cross.value) if cross is not None and isinstance(cross.value, dict) else {}
    axes = {key: node for key, node in axes.items() if key not in replaced_axes}
    axes[path] = from_plain(values, SourceLocation(option))
    rest = {key: node for key, node in tree.value.items() if key != "seeds" or path != "seed"}
    return Node({**rest, "cross": Node(axes, tree.location)}, tree.location)


def _make_self_contained(tree: Node, base: Recipe) -> dict[str, Any]:
    """The study with its base complete and its paths written out: it runs again from anywhere."""
    written = to_plain(tree) | {"base": to_dict(make_paths_absolute(base))}
    for name in written.get("controls") or ():
        if is_recipe_path(name):
            at = written["controls"].index(name)
            written["controls"][at] = str(Path(name).resolve())
    return written | {
        key: _resolve_paths(written[key], "") for key in ("vary", "cross") if key in written
    }


def _resolve_paths(value: Any, key: str) -> Any:
    """Changes with the files that they name written out."""
    if isinstance(value, dict):
        return {name: _resolve_paths(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_resolve_paths(item, key) for item in value]
    names_file = key in ("data.truth_path", "path") or key.endswith(".path")
    if isinstance(value, str) and (names_file or (key == "data.reader" and is_data_path(value))):
        return str(Path(value).expanduser().resolve())
    return value


def _load_base(tree: Node, changes: Mapping[str, Any]) -> Recipe:
    base = tree.value.get("base")
    if base is None:
        raise RecipeError([f"{tree.location}: base: a study needs one, e.g. 'base: scgnn'"])
    if isinstance(base.value, dict):
        return load_recipe(build_recipe(resolve_base(base)), changes)
    found = build_recipe(resolve_base(Node({"base": base}, base.location)))
    return load_recipe(found, changes)


def _derive_data_name(base: Recipe) -> str:
    path = getattr(base.data.reader, "path", "")
    return Path(path).name.split(".")[0] if path else base.data.reader.name


def _build_runs(
    base: Recipe,
    variants: list[Level],
    controls: Mapping[str, Recipe],
    axes: tuple[Axis, ...],
    problems: Problems,
) -> Iterator[Run]:
    """Every recipe, built; mistakes are gathered, each once."""
    blocks = [axis for axis in axes if axis.is_block]
    count = (1 + len(variants)) * _count_combinations(axes) + len(controls) * _count_combinations(
        blocks
    )
    if count > MAX_RUNS:
        problems.add(SourceLocation("study"), "", f"{count:,} runs; the most is {MAX_RUNS:,}")
        return
    for levels in product(*(axis.levels for axis in axes)):
        place = {a.name: _get_level_value(level) for a, level in zip(axes, levels, strict=True)}
        crossed = [change for level in levels for change in level.changes]
        reference = _build_variant(base, crossed, problems)
        if reference is None:
            continue
        yield Run("base", "base", place, reference)
        seen = {reference: "the base"}
        for variant in variants:
            recipe = _build_variant(base, [*crossed, *variant.changes], problems)
            if recipe is None:
                continue
            same = seen.setdefault(recipe, f"'{variant.name}'")
            if same != f"'{variant.name}'":
                where = variant.changes[0][1].location
                problems.add(where, "vary", f"'{variant.name}' is the same recipe as {same}")
            yield Run(variant.name, "change", place, recipe)
    for levels in product(*(axis.levels for axis in blocks)):
        place = {a.name: _get_level_value(level) for a, level in zip(blocks, levels, strict=True)}
        reference = _build_variant(base, [c for level in levels for c in level.changes], problems)
        for name, control in controls.items():
            if reference is not None:
                data = replace(reference.data, transforms=control.data.transforms)
                yield Run(name, "control", place, replace(control, seed=reference.seed, data=data))


def _build_variant(
    base: Recipe, changes: list[tuple[str, Node]], problems: Problems
) -> Recipe | None:
    try:
        return apply_changes(base, changes, "base") if changes else base
    except RecipeError as error:
        places = {str(node.location): node.location for _, node in changes}
        for line in error.problems:
            place = next(
                (p for text, p in places.items() if line.startswith(text)), SourceLocation("base")
            )
            problems.entries.append((place, line))
        return None


def _count_combinations(axes: tuple[Axis, ...] | list[Axis]) -> int:
    size = 1
    for axis in axes:
        size *= len(axis.levels)
    return size


def _get_level_value(level: Level) -> Any:
    """The level in a table: seeds stay numbers."""
    if len(level.changes) == 1 and level.changes[0][0] == "seed":
        return to_plain(level.changes[0][1])
    return level.name
