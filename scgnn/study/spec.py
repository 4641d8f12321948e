"""A study: a base recipe, what is changed in it one at a time, what all of it is crossed with.

Every recipe of a study is built and checked before the first one runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple

from scgnn.errors import RecipeError
from scgnn.folders import absolute_paths
from scgnn.keys import digest
from scgnn.recipe import (
    Recipe,
    changed,
    finish,
    is_file,
    is_path,
    load_recipe,
    recipes_folder,
    with_base,
)
from scgnn.recipe.build import Problems
from scgnn.recipe.tree import Node, Place, plain, plant, read, write
from scgnn.registry import dump, unknown

KEYS = ("base", "vary", "cross", "seeds", "controls")
CONTROLS = ("pca_kmeans", "pca_leiden", "random")
LARGEST_STUDY = 100_000  # runs

Role = Literal["base", "change", "control"]


class Level(NamedTuple):
    """One value of an axis, or one change: its name, and the settings that it makes."""

    name: str
    changes: tuple[tuple[str, Node], ...]  # dotted path and value


class Axis(NamedTuple):
    """What everything is crossed with. Blocks pair runs; factors are studied themselves."""

    name: str
    levels: tuple[Level, ...]
    is_block: bool


@dataclass(frozen=True)
class Run:
    """One recipe of a study, and its place in the design.

    Attributes
    ----------
    variant
        ``base``, the name of a change, or of a control.
    place
        Level of every axis by its name; a control has none of the factors.
    """

    variant: str
    role: Role
    place: Mapping[str, Any]
    recipe: Recipe

    @property
    def label(self) -> str:
        """A name for this run's folder."""
        words = (f"{axis}={level}" for axis, level in self.place.items())
        return f"{slug(self.variant)}/{slug(','.join(words))}"


@dataclass(frozen=True)
class Study:
    """A checked study.

    Attributes
    ----------
    name
        The stem of its file.
    source
        The study as plain data, its base complete: it runs again to the same answer.
    axes
        Blocks first.
    runs
        Base, changes and controls at every combination of levels.
    """

    name: str
    source: Mapping[str, Any] = field(repr=False)
    axes: tuple[Axis, ...]
    runs: tuple[Run, ...] = field(repr=False)

    @property
    def variants(self) -> list[str]:
        """Names of base, changes and controls, in this order."""
        return list(dict.fromkeys(run.variant for run in self.runs))

    @property
    def blocks(self) -> tuple[str, ...]:
        """The axes that pair runs."""
        return tuple(axis.name for axis in self.axes if axis.is_block)

    @property
    def factors(self) -> dict[str, list[str]]:
        """The other axes and their levels."""
        return {a.name: [level.name for level in a.levels] for a in self.axes if not a.is_block}


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
    axes = _axes(tree, problems, _data_name(base))
    variants = _variants(tree, problems)
    controls = _controls(tree, problems)
    if problems.found:
        raise RecipeError(problems.lines())
    runs = tuple(_runs(base, variants, controls, axes, problems))
    if problems.found:
        raise RecipeError(problems.lines())
    return Study(name, _written(tree, base), axes, runs)


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
    readers = (written.get("cross") or {}).get("data.reader")
    if isinstance(readers, list):
        whole = [
            str(Path(r).resolve()) if isinstance(r, str) and is_path(r) else r for r in readers
        ]
        written["cross"]["data.reader"] = whole
    return written


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


def _entries(tree: Node, key: str, problems: Problems) -> Iterator[tuple[str, Node]]:
    """The named entries of a section of the study."""
    section = tree.value.get(key)
    if section is None or section.value is None:
        return
    if not isinstance(section.value, dict):
        problems.add(
            section.place, key, "must be a mapping such as 'pipeline.graph_encoder: [gat]'"
        )
        return
    yield from section.value.items()


def _variants(tree: Node, problems: Problems) -> list[Level]:
    """The changes of ``vary``, each under its name."""
    found: dict[str, Level] = {}
    for path, node in _entries(tree, "vary", problems):
        if isinstance(node.value, dict):  # several changes under a name of their own
            levels = [_named(path, node, problems, "vary")]
        else:
            short = _short(path)
            levels = [
                Level(f"{short}={level.name}", level.changes)
                for level in _listed(path, node, problems, "vary")
            ]
        for level in levels:
            if level.name in found or level.name == "base":
                problems.add(node.place, "vary", f"there are two changes named '{level.name}'")
            found[level.name] = level
    return list(found.values())


def _axes(tree: Node, problems: Problems, data_name: str) -> tuple[Axis, ...]:
    """The axes of ``cross`` and ``seeds``, those that pair runs first."""
    axes = []
    for path, node in _entries(tree, "cross", problems):
        if isinstance(node.value, dict):
            levels = [
                _named(name, item, problems, f"cross.{path}") for name, item in node.value.items()
            ]
            paths = {changed_path for level in levels for changed_path, _ in level.changes}
            is_block = all(p.split(".")[0] == "data" for p in paths)
        else:
            levels = _listed(path, node, problems, "cross")
            is_block = path in ("seed", "data", "data.reader")
        _refuse_twice(levels, node, f"cross.{path}", problems)
        short = path if path == "seed" else "data" if is_block else _short(path)
        axes.append(Axis(short, tuple(levels), is_block))
    seeds = tree.value.get("seeds")
    if seeds is not None:
        axes.append(_seeds(seeds, problems))
    names = [axis.name for axis in axes]
    for name in {name for name in names if names.count(name) > 1}:
        problems.add(tree.place, "cross", f"'{name}' is crossed twice")
    if "data" not in names:
        axes.append(Axis("data", (Level(data_name, ()),), True))
    axes.sort(key=lambda axis: (not axis.is_block, axis.name != "data", axis.name != "seed"))
    return tuple(axes)


def _seeds(node: Node, problems: Problems) -> Axis:
    """``seeds: 5`` is ``cross: {seed: [0, 1, 2, 3, 4]}``."""
    if isinstance(node.value, int) and not isinstance(node.value, bool) and node.value > 0:
        node = plant(list(range(node.value)), node.place)
    if not isinstance(node.value, list):
        problems.add(node.place, "seeds", "must be a list such as [0, 1, 2], or how many")
        return Axis("seed", (), True)
    levels = _listed("seed", node, problems, "seeds")
    _refuse_twice(levels, node, "seeds", problems)
    return Axis("seed", tuple(levels), True)


def _refuse_twice(levels: list[Level], node: Node, path: str, problems: Problems) -> None:
    names = [level.name for level in levels]
    for name in {name for name in names if names.count(name) > 1}:
        problems.add(node.place, path, f"'{name}' is there twice")


def _listed(path: str, node: Node, problems: Problems, where: str) -> list[Level]:
    if not isinstance(node.value, list) or not node.value:
        problems.add(node.place, f"{where}.{path}", "must be a list of the values to try")
        return []
    return [Level(_value_name(path, plain(item)), ((path, item),)) for item in node.value]


def _named(name: str, node: Node, problems: Problems, where: str) -> Level:
    if not isinstance(node.value, dict) or not node.value:
        problems.add(
            node.place, f"{where}.{name}", "must be a mapping of the settings it changes, by path"
        )
        return Level(name, ())
    return Level(name, tuple(node.value.items()))


def _controls(tree: Node, problems: Problems) -> dict[str, Recipe]:
    node = tree.value.get("controls")
    if node is None:
        node = plant(list(CONTROLS), tree.place)
    if not isinstance(node.value, list):
        problems.add(node.place, "controls", "must be a list of recipes; [] for none")
        return {}
    found = {}
    for item in node.value:
        try:
            if not isinstance(item.value, str):
                raise RecipeError([f"{item.place}: controls: must be names or paths of recipes"])
            name = Path(item.value).stem if item.value.endswith((".yaml", ".yml")) else item.value
            found[name] = finish(with_base(Node({"base": item}, item.place)))
        except RecipeError as error:
            problems.found += [(item.place, line) for line in error.problems]
    return found


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


def _short(path: str) -> str:
    """A path without the words that say nothing in a table."""
    return path.removeprefix("pipeline.").removesuffix(".name")


def _value_name(path: str, value: Any) -> str:
    """A value in a table: data by the stem of its file, a component by name and settings."""
    if path in ("data.reader", "data"):
        file = value.get("path", value.get("name", "")) if isinstance(value, dict) else value
        return Path(str(file)).name.split(".")[0] or str(file)
    if isinstance(value, dict) and "name" in value:
        rest = {key: item for key, item in value.items() if key != "name"}
        return f"{value['name']}{_flow(rest) if rest else ''}"
    return _flow(value)


def _flow(value: Any) -> str:
    text = write(value, default_flow_style=True, width=1000)
    return " ".join(text.removesuffix("\n").removesuffix("\n...").split())


def slug(text: str) -> str:
    """Text as a file name of its own: other characters become _, and a hash tells it apart."""
    kept = re.sub(r"[^\w.,=+-]+", "_", text).strip("_.")[:100]
    return kept if kept == text else f"{kept}-{digest(text)[:6]}"
