"""The study file: its keys, and the changes, axes and controls that they define."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Gt, Le, MinLen

from scgnn.recipe.build import Problems
from scgnn.recipe.plain_tree import from_plain
from scgnn.recipe.yaml_tree import Node, SourceLocation, to_plain
from scgnn.registry.annotations import Description
from scgnn.study.level_names import DATA_PATHS, format_level_names
from scgnn.study.spec import Axis, Level

MAX_RUNS = 100_000

Values = Annotated[tuple[Node, ...], MinLen(1), Description("a list of the values to try")]
Changes = Annotated[
    Mapping[str, Node], MinLen(1), Description("a mapping of the settings it changes, by path")
]
Change = Annotated[
    Values | Changes | str,
    Description(
        "a list of the values to try, a mapping of the settings it changes, by path, or the name "
        "or path of a recipe"
    ),
]
Levels = Annotated[Mapping[str, Changes], MinLen(1), Description("a mapping of named levels")]
Section = Description("a mapping such as 'pipeline.graph_encoder: [gat]'")
SeedCount = Annotated[int, Gt(0), Le(MAX_RUNS)]
Seeds = Description(f"a list such as [0, 1, 2], or their number, at most {MAX_RUNS:,}")
Controls = Description("a list of recipes ([] for none)")
Recipes = Description("a list of recipes such as [scgnn, mine.yaml], the first the reference")
Scores = Description("a list of scores such as [ari, silhouette]")


@dataclass(frozen=True)
class StudyFile:
    """Content of a study file.

    Parameters
    ----------
    base
        Name, path or content of the recipe that is changed.
    vary
        Changes, one at a time: a list of values by dotted path; under a name, several values by
        path, or the name or path of a whole recipe.
    compare
        Names or paths of whole recipes, as a list or by name. Without ``base``, the first is the
        base.
    cross
        Axes that everything is crossed with: a list of values by dotted path, or named levels,
        each with several values by path. Data sets may have names:
        ``data.reader: {NAME: path}``.
    seeds
        Seeds, or their number.
    controls
        Names or paths of recipes that are run on the same data; by default ``pca_kmeans``,
        ``pca_leiden`` and ``random``.
    scores
        Scores to compare, the main one first. By default all of them, and the main one is the
        first that is comparable between variants.
    """

    base: Node | None = None
    vary: Annotated[Mapping[str, Change] | None, Section] = None
    compare: Annotated[
        Annotated[Mapping[str, Node], MinLen(1)] | Annotated[tuple[Node, ...], MinLen(1)] | None,
        Recipes,
    ] = None
    cross: Annotated[Mapping[str, Values | Levels] | None, Section] = None
    seeds: Annotated[SeedCount | Annotated[tuple[Node, ...], MinLen(1)] | None, Seeds] = None
    controls: Annotated[tuple[Node, ...] | None, Controls] = None
    scores: Annotated[tuple[str, ...] | None, Scores] = None

    def __post_init__(self) -> None:
        if self.compare is None and (self.base is None or self.base.value is None):
            raise ValueError("base: a study needs one, e.g. 'base: scgnn'")


def make_list_node(values: Iterable[Any], location: SourceLocation) -> Node:
    """Return a list of plain values, of any length."""
    return Node([from_plain(value, location) for value in values], location)


def list_variants(
    file: StudyFile, tree: Node, recipes: Mapping[str, Level], problems: Problems
) -> list[Level]:
    """Return the changes of ``vary``, and whole recipes; ``tree`` has the locations of changes."""
    variants = {name: level for name, level in recipes.items() if name not in (file.vary or {})}
    for path, value in (file.vary or {}).items():
        if isinstance(value, str):
            levels = tuple(level for level in [recipes.get(path)] if level)
        else:
            levels = _list_levels(path, value if isinstance(value, tuple) else {path: value})
        for level in levels:
            if isinstance(value, tuple):
                level = level._replace(name=f"{_shorten_path(path)}={level.name}")
            if level.name in variants or level.name == "base":
                location = tree.value["vary"].value[path].location
                problems.add(location, "vary", f"duplicate change '{level.name}'")
            variants[level.name] = level
    return list(variants.values())


def list_axes(file: StudyFile, tree: Node, data_name: str, problems: Problems) -> tuple[Axis, ...]:
    """Return the axes of ``cross`` and ``seeds``, blocks first; ``tree`` has their locations."""
    cross = file.cross or {}
    axes = [_make_axis(path, value) for path, value in cross.items()]
    nodes = [(f"cross.{path}", tree.value["cross"].value[path]) for path in cross]
    if file.seeds is not None:
        node = tree.value["seeds"]
        if isinstance(node.value, int):
            node = make_list_node(range(node.value), node.location)
        axes.append(_make_axis("seed", tuple(node.value)))
        nodes.append(("seeds", node))
    for axis, (section, node) in zip(axes, nodes, strict=True):
        for name in _find_duplicates(level.name for level in axis.levels):
            problems.add(node.location, section, f"duplicate level '{name}'")
    for name in _find_duplicates(axis.name for axis in axes):
        problems.add(tree.location, "cross", f"'{name}' is crossed twice")
    if all(axis.name != "data" for axis in axes):
        axes.append(Axis("data", (Level(data_name, ()),), True))
    axes.sort(key=lambda axis: (not axis.is_block, axis.name != "data", axis.name != "seed"))
    return tuple(axes)


def _make_axis(path: str, value: Any) -> Axis:
    levels = _list_levels(path, value)
    is_block = path in ("seed", *DATA_PATHS)
    if isinstance(value, dict):
        is_block = all(p.split(".")[0] == "data" for level in levels for p, _ in level.changes)
    name = path if path == "seed" else "data" if is_block else _shorten_path(path)
    return Axis(name, levels, is_block)


def _list_levels(path: str, value: tuple[Node, ...] | Mapping[str, Any]) -> tuple[Level, ...]:
    """Return the levels of a list of values of a setting, or of named changes."""
    if isinstance(value, tuple):
        names = format_level_names(path, [to_plain(node) for node in value])
        changes = [((path, node),) for node in value]
        return tuple(map(Level, names, changes))
    return tuple(Level(name, tuple(changes.items())) for name, changes in value.items())


def _find_duplicates(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _shorten_path(path: str) -> str:
    return path.removeprefix("pipeline.").removesuffix(".name")
