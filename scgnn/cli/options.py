"""Options and arguments that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from scgnn.arguments import URL_PATTERN, check_local_path
from scgnn.errors import InputError, RecipeError, UserError

if TYPE_CHECKING:
    from scgnn.recipe.recipe import Recipe
    from scgnn.study.spec import Study

T = TypeVar("T")

MAX_SEEDS = 100_000
SIZE_PATTERN = r"\s*(\d{1,15}(?:\.\d*)?|\.\d+)\s*([kMGT]?)B?\s*"
STUDY_PANEL = "Study options"
OPTIONS = {  # by the setting or argument that they are the value of
    "data": "--data",
    "data.reader": "--data",
    "data.labels_key": "--labels-key",
    "data.labels_file": "--labels-file",
    "seeds": "--seeds",
}


def load_plugin_files(context: typer.Context, files: list[Path] | None) -> list[Path]:
    """Register the components of plug-in files before the command looks up any name."""
    if files and not context.resilient_parsing:  # shell completion runs nothing
        from scgnn.registry.plugin_files import load_file

        for file in files:
            load_file(file)
    return files or []


def check_cache_dir(folder: Path | None) -> Path | None:
    """Refuse a URL as the folder of a cache."""
    if folder is not None:
        check_local_path(folder)
    return folder


def check_cache_size(text: str | None) -> str | None:
    """Refuse what is not a size, also where there is no cache."""
    if text is not None:
        parse_size(text)
    return text


RecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="Bundled recipe or study, or a .yaml file.")
]
OneRecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="Bundled recipe, or a .yaml file.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a setting; repeatable."),
]
DataListOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]PATH",
        help="Counts: h5ad, 10x mtx or h5, csv, loom, zarr; repeatable for studies, where each "
        "may have a name.",
    ),
]
LabelsKeyOption = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Column of obs with true labels, used for scores only."),
]
LabelsFileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Table of cells and true labels, used for scores only (csv, tsv)."
    ),
]
PluginOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        callback=load_plugin_files,
        help="Python file with your own components; repeatable.",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        metavar="DEVICE", help="Device for training: cpu, cuda, mps, or auto (a GPU if available)."
    ),
]
BackendOption = Annotated[
    str,
    typer.Option(metavar="BACKEND", help="Backend of graph layers: dgl, torch or auto."),
]
CacheDirOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        envvar="SCGNN_CACHE_DIR",
        callback=check_cache_dir,
        help="Cache shared by several runs.",
    ),
]
CacheSizeOption = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        envvar="SCGNN_CACHE_SIZE",
        callback=check_cache_size,
        help="Maximum size, e.g. 20GB; the least recently used values are removed.",
    ),
]
SeedsOption = Annotated[
    str | None,
    typer.Option(
        metavar="SEEDS",
        help="Number of seeds, or a list such as 0,1,2.",
        rich_help_panel=STUDY_PANEL,
    ),
]


def parse_changes(assignments: Sequence[str]) -> dict[str, Any]:
    """Parse values of ``--set``, ``PATH=VALUE`` with the value in YAML."""
    changes, problems = _parse_changes(assignments)
    if problems:
        raise RecipeError(problems)
    return changes


def _parse_changes(assignments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the values of ``--set`` by path, and the problems of the others."""
    from scgnn.recipe.yaml_tree import parse_yaml, to_plain

    changes: dict[str, Any] = {}
    problems = []
    for text in assignments:
        path, equals, value = text.partition("=")
        if not equals or not path:
            problems.append(f"--set {text}: expected PATH=VALUE, e.g. --set seed=2")
            continue
        try:
            changes[path] = to_plain(parse_yaml(f"value: {value}", f"--set {text}").value["value"])
        except RecipeError as error:  # drop the line number, which is always 1
            problems += [line.replace(f"{text}:1:", f"{text}:", 1) for line in error.problems]
    return changes, problems


def split_data_name(text: str) -> tuple[str, str]:
    """Split a value of ``--data``, ``NAME=PATH``; the name of a path alone is empty.

    What exists is a path, and so is what has a slash before ``=`` and does not exist behind it.
    """
    name, equals, path = text.partition("=")
    if not equals or URL_PATTERN.match(text) or os.path.exists(os.path.expanduser(text)):
        return "", text
    if "/" in name and not (path and os.path.exists(os.path.expanduser(path))):
        return "", text
    if not name or not path:
        raise UserError(f"--data {text}: expected PATH or NAME=PATH, e.g. --data pbmc=counts.h5ad")
    return name, path


def name_data(texts: Sequence[str]) -> dict[str, str]:
    """Return the paths of ``--data`` by name; those without a name get one that distinguishes them.

    Raises
    ------
    UserError
        Two data sets have one name.
    """
    from scgnn.study.level_names import name_data_sets

    pairs = list(map(split_data_name, texts))
    unnamed = iter(name_data_sets([path for name, path in pairs if not name]))
    data: dict[str, str] = {}
    for name, path in pairs:
        name = name or next(unnamed)
        if name in data:
            problem = f"two data sets have the name '{name}': {data[name]} and {path}"
            raise UserError(f"--data: {problem}; give each a name, --data NAME=PATH")
        data[name] = path
    return data


def parse_size(text: str | None) -> int:
    """Parse a size such as ``20GB`` to bytes; without a unit, it is in bytes."""
    match = re.fullmatch(SIZE_PATTERN, text or "", re.IGNORECASE)
    if match is None:
        raise UserError(f"--cache-size {text}: expected a size such as 500MB or 20GB")
    return int(float(match[1]) * 1000 ** " KMGT".index(match[2].upper() or " "))


def load_recipe_from_options(
    recipe: str,
    changes: list[str] | None,
    data: list[str] | None = None,
    labels_key: str | None = None,
    labels_file: Path | None = None,
    *,
    check_files: bool = False,
) -> Recipe:
    """Load the recipe of a command with the changes of its options; reports all mistakes."""
    from scgnn.components.readers import detect_reader
    from scgnn.recipe.load import load_recipe

    values, problems = _parse_changes(changes or [])
    paths: dict[str, Any] = {}
    try:
        if data and len(data) > 1:
            problem = f"only studies take several data sets; {recipe} is a recipe"
            raise InputError(f"--data: {problem}")
        paths = {"data.reader": detect_reader(split_data_name(data[0])[1])} if data else {}
    except UserError as error:
        problems.append(str(error))
        check_files = False
    paths |= _parse_labels(labels_key, labels_file) | values
    options: dict[str, Any] = {"names": _name_options(values), "check_files": check_files}
    return _load_or_raise_all(lambda: load_recipe(recipe, paths, **options), problems)


def load_study_from_options(
    study: str,
    data: list[str] | None,
    labels_key: str | None,
    labels_file: Path | None,
    seeds: str | None,
    changes: list[str] | None,
    *,
    check_files: bool = False,
) -> Study:
    """Load the study of a command with the changes of its options; reports all mistakes."""
    from scgnn.study.load import load_study

    values, problems = _parse_changes(changes or [])
    options: dict[str, Any] = {"names": _name_options(values), "check_files": check_files}
    for name, parse in {
        "seeds": lambda: _parse_seeds(seeds),
        "data": lambda: name_data(data or []),
    }.items():
        try:
            options[name] = parse()
        except UserError as error:
            problems.append(str(error))
    paths = _parse_labels(labels_key, labels_file) | values
    return _load_or_raise_all(lambda: load_study(study, paths, **options), problems)


def _load_or_raise_all(load: Callable[[], T], problems: list[str]) -> T:
    """Return what a function loads; raise RecipeError with its problems and earlier ones."""
    try:
        result = load()
    except RecipeError as error:
        raise RecipeError([*problems, *error.problems]) from None
    if problems:
        raise RecipeError(problems)
    return result


def check_no_study_options(recipe: str, values: Mapping[str, object]) -> None:
    """Refuse options of studies for a recipe.

    Raises
    ------
    UserError
        One of the values is set.
    """
    for option, value in values.items():
        if value:
            raise UserError(f"{option}: only for studies; {recipe} is a recipe")


def _name_options(changes: Mapping[str, Any]) -> dict[str, str]:
    """Return the options of settings by path, those of ``--set`` for ``changes``."""
    return OPTIONS | {path: f"--set {path}" for path in changes}


def _parse_labels(labels_key: str | None, labels_file: Path | None) -> dict[str, Any]:
    paths = {} if labels_key is None else {"data.labels_key": labels_key}
    return paths if labels_file is None else paths | {"data.labels_file": str(labels_file)}


def _parse_seeds(text: str | None) -> list[int]:
    """Parse ``5`` to five seeds from 0, ``3,7`` to these two."""
    if text is None:
        return []
    try:
        seeds = [int(number) for number in text.split(",")]
    except ValueError:
        seeds = [-1]
    if min(seeds) < 0 or seeds == [0] or ("," not in text and seeds[0] > MAX_SEEDS):
        raise UserError(f"--seeds {text}: expected a number of seeds, or seeds such as 0,1,2")
    return seeds if "," in text else list(range(seeds[0]))
