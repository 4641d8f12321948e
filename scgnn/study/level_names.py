"""Names of levels: data sets by the shortest distinguishing path, components by their settings."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from scgnn.recipe.load import is_data_path
from scgnn.recipe.yaml_tree import DATA_SUFFIXES, dump_flow_yaml

DATA_PATHS = ("data.reader", "data")  # settings whose values are data sets


def format_level_names(path: str, values: Sequence[Any]) -> list[str]:
    """Return the names of the values of a setting at a dotted path."""
    if path in DATA_PATHS:
        return name_data_sets(values)
    return [_format_value(value) for value in values]


def name_data_sets(values: Sequence[Any]) -> list[str]:
    """Return names that distinguish data sets.

    Files have the shortest distinguishing path, other readers their name. Data sets that only
    differ in settings have these appended; equal ones have equal names.

    Parameters
    ----------
    values
        Paths, readers with their settings, or mappings with the key ``reader``.
    """
    sources = [_split_reader(value) for value in values]
    files = [file for file, _, _ in sources if file]
    by_file = dict(zip(files, name_files(files), strict=True))
    names = [by_file[file] if file else name for file, name, _ in sources]
    counts = Counter(names)
    return [
        name + _format_flow(settings) if settings and (counts[name] > 1 or not name) else name
        for name, (_, _, settings) in zip(names, sources, strict=True)
    ]


def name_files(
    paths: Iterable[str | os.PathLike[str]], suffixes: tuple[str, ...] = DATA_SUFFIXES
) -> list[str]:
    """Return the shortest names that distinguish files, without suffixes where possible.

    ``a/pbmc.3k.h5ad`` and ``a/pbmc.10k.h5ad`` are ``pbmc.3k`` and ``pbmc.10k``; ``a/counts.csv``
    and ``b/counts.csv`` are ``a/counts`` and ``b/counts``.
    """
    parts = [os.path.abspath(os.path.expanduser(path)).split(os.sep)[1:] for path in paths]
    stems = [strip_suffixes(names[-1], suffixes) for names in parts]
    return [
        _shorten_file(
            names, [other for other, s in zip(parts, stems, strict=True) if s == stem], suffixes
        )
        for names, stem in zip(parts, stems, strict=True)
    ]


def strip_suffixes(name: str, suffixes: tuple[str, ...] = DATA_SUFFIXES) -> str:
    """Return a file name without suffixes such as ``.csv.gz``."""
    stem = name
    while stem.lower().endswith(suffixes) and stem.rpartition(".")[0]:
        stem = stem.rpartition(".")[0]
    return stem


def _shorten_file(parts: list[str], group: list[list[str]], suffixes: tuple[str, ...]) -> str:
    """Return the shortest path with which all files of a group have different names."""
    n_files = len(set(map(tuple, group)))
    for n_parts in range(1, max(map(len, group)) + 1):
        for removed in (suffixes, ()):
            if len({_join_last(names, n_parts, removed) for names in group}) == n_files:
                return _join_last(parts, n_parts, removed)
    return "/".join(parts)


def _join_last(parts: list[str], n_parts: int, suffixes: tuple[str, ...]) -> str:
    return "/".join([*parts[-n_parts:-1], strip_suffixes(parts[-1], suffixes)])


def _split_reader(value: Any) -> tuple[str, str, dict[str, Any]]:
    """Return the file of a data set, the name of its reader, and all other settings."""
    settings: dict[str, Any] = {}
    reader = value
    if isinstance(value, dict) and "reader" in value:
        settings = {key: item for key, item in value.items() if key != "reader"}
        reader = value["reader"]
    if isinstance(reader, dict):
        settings = {k: v for k, v in reader.items() if k not in ("name", "path")} | settings
        name, file = str(reader.get("name", "")), reader.get("path")
    else:
        name, file = str(reader), None
    file = file or (name if is_data_path(name) else "")
    return str(file), name, settings


def _format_value(value: Any) -> str:
    """Return a component by its name and settings, and everything else as YAML."""
    if not (isinstance(value, dict) and "name" in value):
        return _format_flow(value)
    settings = {key: item for key, item in value.items() if key != "name"}
    return f"{value['name']}{_format_flow(settings) if settings else ''}"


def _format_flow(value: Any) -> str:
    return " ".join(dump_flow_yaml(value).split())
