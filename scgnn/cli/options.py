"""options"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scgnn.errors import RecipeError, UserError

if TYPE_CHECKING:
    from scgnn.recipe.recipe import Recipe
    from scgnn.study.spec import Study


def parse_changes(assignments: Sequence[str]) -> dict[str, Any]:
    """``PATH=VALUE`` words of the command line as changes; values are YAML."""
    from scgnn.recipe.yaml_tree import parse_yaml, to_plain

    changes: dict[str, Any] = {}
    problems = []
    for word in assignments:
        path, equals, value = word.partition("=")
        if not equals or not path:
            problems.append(f"--set {word}: write it as PATH=VALUE, e.g. seed=2")
            continue
        try:
            changes[path] = to_plain(parse_yaml(f"value: {value}", f"--set {word}").value["value"])
        except RecipeError as error:  # every value is a recipe of one line
            problems += [line.replace(f"{word}:1:", f"{word}:", 1) for line in error.problems]
    if problems:
        raise RecipeError(problems)
    return changes


RecipeArgument = Annotated[
    str, typer.Argument(help="A bundled recipe (see 'list recipe') or a .yaml file.")
]


SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a setting; may be given again."),
]


DataOption = Annotated[
    str | None, typer.Option("--data", help="Counts: h5ad, 10x mtx or h5, csv, loom, zarr.")
]


LabelsKeyOption = Annotated[
    str | None,
    typer.Option("--labels-key", help="Column of obs with true labels, for scores only."),
]


def load_plugin_files(context: typer.Context, files: list[Path] | None) -> list[Path]:
    """Register what the files of --plugin hold, before the command looks up any name."""
    if files and not context.resilient_parsing:  # the shell completes words, nothing runs
        from scgnn.registry.plugin_files import load_file

        for file in files:
            load_file(file)
    return files or []


PluginOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        callback=load_plugin_files,
        help="Python file with components of your own; may be given again.",
    ),
]


DataListOption = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        help="Counts: h5ad, 10x mtx or h5, csv, loom, zarr; a study takes several.",
    ),
]


CacheDirOption = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        envvar="SCGNN_CACHE_DIR",
        help="Folder of stages that runs and studies share.",
    ),
]


CacheSizeOption = Annotated[
    str | None,
    typer.Option(
        "--cache-size",
        envvar="SCGNN_CACHE_SIZE",
        help="Size of the store, e.g. 20GB; the values least recently used go first.",
    ),
]


def parse_size(size: str | None) -> int:
    """``20GB`` in bytes; without a unit it is bytes."""
    found = re.fullmatch(r"\s*([0-9.]+)\s*([kMGT]?)B?\s*", size or "", re.IGNORECASE)
    try:
        assert found is not None
        number = float(found[1])
    except (AssertionError, ValueError):
        raise UserError(f"--cache-size {size}: write a size such as 500MB or 20GB") from None
    return int(number * 1000 ** " KMGT".index(found[2].upper() or " "))


def require_single_path(data: list[str] | None) -> str | None:
    """The one file that a recipe takes."""
    if data and len(data) > 1:
        raise UserError("--data is given several times; a recipe takes one, a study takes many")
    return data[0] if data else None


def load_recipe_from_options(
    recipe: str, changes: list[str] | None, data: str | None, labels_key: str | None
) -> Recipe:
    """The recipe that a command is given, with the changes of its options."""
    from scgnn.components.readers import detect_reader
    from scgnn.recipe.load import load_recipe

    paths: dict[str, Any] = {}
    if data is not None:
        paths["data.reader"] = detect_reader(data)
    if labels_key is not None:
        paths["data.labels_key"] = labels_key
    return load_recipe(recipe, {**paths, **parse_changes(changes or [])})


def load_study_from_options(
    study: str,
    data: list[str] | None,
    labels_key: str | None,
    seeds: str | None,
    changes: list[str] | None,
) -> Study:
    """The study that a command is given, with the changes of its options."""
    from scgnn.study.load import load_study

    paths = parse_changes(changes or [])
    if labels_key is not None:
        paths["data.labels_key"] = labels_key
    return load_study(study, paths, data=data or (), seeds=_parse_seeds(seeds))


def _parse_seeds(value: str | None) -> list[int]:
    """``5`` is five seeds from 0, ``3,7`` are these two."""
    if value is None:
        return []
    try:
        numbers = [int(word) for word in value.split(",")]
    except ValueError:
        numbers = [-1]
    if min(numbers) < 0 or numbers == [0]:
        raise UserError(f"--seeds {value}: give seeds such as 0,1,2, or how many")
    return list(range(numbers[0])) if "," not in value else numbers
