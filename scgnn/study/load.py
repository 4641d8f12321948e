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
    changed,
    finish,
    is_file,
    is_path,
    load_recipe,
    recipes_folder,
    with_base,
)
from scgnn.recipe.recipe import Recipe
from scgnn.recipe.yaml_tree import Node, Place, plain, plant, read
from scgnn.registry.component import unknown
from scgnn.registry.introspection import dump
from scgnn.runs.folder import absolute_paths
from scgnn.study.sections import read_axes, read_controls, read_variants
from scgnn.study.spec import Axis, Level, Run, Study

KEYS = ("base", "vary", "cross", "seeds", "controls")
LARGEST_STUDY = 100_000  # runs


def bundled_studies() -> dict[str, Path]:
    """The studies that come with the package, by name."""
    return {path.stem: path for path in sorted((recipes_folder() / "studies").glob("*.yaml"))}


def is_study(word: str) -> bool:
    """Whether a word names a study: a bundled one, or a file with the keys of one."""
    if not is_file(word):
        return word in bundled_studies()
    return any(key in read(Path(word)).value for key in KEYS[1:])


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
        tree, name = plant(dict(source), Place("study")), "study"
    else:
        tree, name = read(bundled_studies().get(str(source), Path(source))), Path(source).stem
    if data:
        tree = _crossed(tree, "data.reader", list(data), "--data", ("data", "data.reader"))
    if seeds:
        tree = _crossed(tree, "seed", list(seeds), "--seeds", ("seed",))
    problems = Problems()
    for key, child in tree.value.items():
        if key not in KEYS:
            problems.add(child.place, key, unknown("key", key, list(KEYS)))
    base = _base(tree, changes or {})
    axes = read_axes(tree, problems, _data_name(base))
    variants = read_variants(tree, problems)
    controls = read_controls(tree, problems)
    if problems.found:
        raise RecipeError(problems.lines())
    runs = tuple(_runs(base, variants, controls, axes, problems))
    if problems.found:
        raise RecipeError(problems.lines())
    named = tree.value["base"].value
    said = named if isinstance(named, str) else "a recipe of its own"
    return Study(name, said, _written(tree, base), axes, runs)


def _crossed(tree: Node, path: str, values: list[Any], option: str, instead: Sequence[str]) -> Node:
    """The study with other levels of an axis, as an option of the command gives them."""
    cross = tree.value.get("cross")
    axes = dict(cross.value) if cross is not None and isinstance(cross.value, dict) else {}
    axes = {key: node for key, node in axes.items() if key not in instead}
    axes[path] = plant(values, Place(option))
    rest = {key: node for key, node in tree.value.items() if key != "seeds" or path != "seed"}
    return Node({**rest, "cross": Node(axes, tree.place)}, tree.place)


def _written(tree: Node, base: Recipe) -> dict[str, Any]:
    """The study with its base complete and its paths written out: it runs again from anywhere."""
    written = plain(tree) | {"base": dump(absolute_paths(base))}
    for name in written.get("controls") or ():
        if is_file(name):
            at = written["controls"].index(name)
            written["controls"][at] = str(Path(name).resolve())
    return written | {
        key: _whole_paths(written[key], "") for key in ("vary", "cross") if key in written
    }


def _whole_paths(value: Any, key: str) -> Any:
    """Changes with the files that they name written out."""
    if isinstance(value, dict):
        return {name: _whole_paths(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole_paths(item, key) for item in value]
    names_file = key in ("data.truth", "path") or key.endswith(".path")
    if isinstance(value, str) and (names_file or (key == "data.reader" and is_path(value))):
        return str(Path(value).expanduser().resolve())
    return value


def _base(tree: Node, changes: Mapping[str, Any]) -> Recipe:
    base = tree.value.get("base")
    if base is None:
        raise RecipeError([f"{tree.place}: base: a study needs one, e.g. 'base: scgnn'"])
    if isinstance(base.value, dict):
        return load_recipe(finish(with_base(base)), changes)
    found = finish(with_base(Node({"base": base}, base.place)))
    return load_recipe(found, changes)


def _data_name(base: Recipe) -> str:
    path = getattr(base.data.reader, "path", "")
    return Path(path).name.split(".")[0] if path else base.data.reader.name


def _runs(
    base: Recipe,
    variants: list[Level],
    controls: Mapping[str, Recipe],
    axes: tuple[Axis, ...],
    problems: Problems,
) -> Iterator[Run]:
    """Every recipe, built; mistakes are gathered, each once."""
    blocks = [axis for axis in axes if axis.is_block]
    count = (1 + len(variants)) * _product(axes) + len(controls) * _product(blocks)
    if count > LARGEST_STUDY:
        problems.add(Place("study"), "", f"{count:,} runs; the most is {LARGEST_STUDY:,}")
        return
    for levels in product(*(axis.levels for axis in axes)):
        place = {a.name: _level_value(level) for a, level in zip(axes, levels, strict=True)}
        crossed = [change for level in levels for change in level.changes]
        reference = _built(base, crossed, problems)
        if reference is None:
            continue
        yield Run("base", "base", place, reference)
        seen = {reference: "the base"}
        for variant in variants:
            recipe = _built(base, [*crossed, *variant.changes], problems)
            if recipe is None:
                continue
            same = seen.setdefault(recipe, f"'{variant.name}'")
            if same != f"'{variant.name}'":
                where = variant.changes[0][1].place
                problems.add(where, "vary", f"'{variant.name}' is the same recipe as {same}")
            yield Run(variant.name, "change", place, recipe)
    for levels in product(*(axis.levels for axis in blocks)):
        place = {a.name: _level_value(level) for a, level in zip(blocks, levels, strict=True)}
        reference = _built(base, [c for level in levels for c in level.changes], problems)
        for name, control in controls.items():
            if reference is not None:
                data = replace(reference.data, transforms=control.data.transforms)
                yield Run(name, "control", place, replace(control, seed=reference.seed, data=data))


def _built(base: Recipe, changes: list[tuple[str, Node]], problems: Problems) -> Recipe | None:
    try:
        return changed(base, changes, "base") if changes else base
    except RecipeError as error:
        places = {str(node.place): node.place for _, node in changes}
        for line in error.problems:
            place = next((p for text, p in places.items() if line.startswith(text)), Place("base"))
            problems.found.append((place, line))
        return None


def _product(axes: tuple[Axis, ...] | list[Axis]) -> int:
    size = 1
    for axis in axes:
        size *= len(axis.levels)
    return size


def _level_value(level: Level) -> Any:
    """The level in a table: seeds stay numbers."""
    if len(level.changes) == 1 and level.changes[0][0] == "seed":
        return plain(level.changes[0][1])
    return level.name
