"""Descriptions of recipes and components, from their docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from scgnn.recipe.build import get_default
from scgnn.recipe.data import Data
from scgnn.recipe.recipe import Recipe
from scgnn.recipe.yaml_tree import dump_flow_yaml
from scgnn.registry.annotations import classify, describe_type, resolve_type_hints
from scgnn.registry.component import Component, find_dataclass_problem
from scgnn.registry.introspection import extract_summary, recipe_fields, strip_markup, to_dict
from scgnn.registry.kinds import get_component, registered_components
from scgnn.registry.plugin_files import format_exception

MAX_COLUMNS = 8  # named where there are no labels
COMMENT_COLUMN, COMMENT_WIDTH = 46, 100
PARAMETERS_SECTION = re.compile(r"^Parameters\n-+\n(.*?)(?=^[A-Z]\w+\n-+\n|\Z)", re.S | re.M)
PARAMETER_ENTRY = re.compile(r"^(\w[\w, ]*)[^\n]*\n((?:[ \t]+.*\n?|\n)+)", re.M)


class ParameterDoc(NamedTuple):
    """Field of a component as set in recipes: key, type in words, default and description."""

    name: str
    type_description: str
    default: Any
    description: str


def list_parameters(cls: type) -> list[ParameterDoc]:
    """Return the fields of a component, or of another dataclass, in their order."""
    hints, docs = resolve_type_hints(cls), parse_parameter_docs(cls)
    return [
        ParameterDoc(key, describe_type(hints[field.name]), get_default(field), docs.get(key, ""))
        for key, field in recipe_fields(cls).items()
    ]


def parse_parameter_docs(cls: type) -> dict[str, str]:
    """Return the descriptions by recipe key, from the docstrings of a dataclass and its bases."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        section = PARAMETERS_SECTION.search(inspect.cleandoc(base.__doc__ or ""))
        for entry in PARAMETER_ENTRY.finditer(f"{section[1]}\n" if section else ""):
            if dataclasses.is_dataclass(base):
                text = " ".join(entry[2].split())
                docs |= {name.strip().removesuffix("_"): text for name in entry[1].split(",")}
    return docs


def extract_description(cls: type) -> str:
    """Return the docstring of a class without its parameters."""
    return PARAMETERS_SECTION.sub("", inspect.cleandoc(cls.__doc__ or "")).strip()


def find_slots(cls: type[Component]) -> list[str]:
    """Return the paths of a recipe that accept a component, its requirements included."""
    # graph_decoder and feature_decoder are one kind
    prefix = str(getattr(cls, "target", "")).removesuffix("s") if cls.kind == "decoder" else ""
    paths = (
        path
        for path, kind, available in _iter_slots(Recipe, "", ())
        if issubclass(cls, kind)
        and (available is None or cls.requires <= available)
        and path.rpartition(".")[2].startswith(prefix)
    )
    return list(dict.fromkeys(paths))


def _iter_slots(
    cls: type, path: str, ancestors: tuple[type, ...]
) -> Iterator[tuple[str, type[Component], frozenset[str] | None]]:
    """Yield path, kind and available State fields of every slot under a dataclass."""
    for key, field in recipe_fields(cls).items():
        field_path = f"{path}.{key}".lstrip(".")
        field_type = classify(resolve_type_hints(cls)[field.name])
        if field_type.record is not None:
            yield from _iter_slots(field_type.record, field_path, ancestors)
        kind = field_type.kind or classify(field_type.item).kind
        if kind is not None:
            yield field_path, kind, field.metadata.get("available")
            for member in registered_components()[kind].values() if kind not in ancestors else ():
                yield from _iter_slots(member, field_path, (*ancestors, kind))


def describe(value: Any) -> str:
    """Return a complete recipe as YAML with the description of each setting as a comment."""
    return "\n".join(_format_lines(value, "")) + "\n"


def _format_lines(value: Any, indent: str) -> list[str]:
    docs = parse_parameter_docs(type(value))
    lines = []
    if isinstance(value, Component):
        lines.append(_add_comment(f"{indent}name: {value.name}", extract_summary(type(value))))
    for key, field in recipe_fields(value).items():
        item = getattr(value, field.name)
        is_list = isinstance(item, tuple) and any(map(dataclasses.is_dataclass, item))
        inline = "" if is_list or dataclasses.is_dataclass(item) else f" {to_flow_yaml(item)}"
        lines.append(_add_comment(f"{indent}{key}:{inline}", docs.get(key, "")))
        if is_list:
            for part in item:
                first, *rest = _format_lines(part, f"{indent}    ")
                lines += [f"{indent}  - {first.lstrip()}", *rest]
        elif not inline:
            lines += _format_lines(item, f"{indent}  ")
    return lines


def to_flow_yaml(value: Any) -> str:
    """Return a component or plain data as YAML on one line."""
    return dump_flow_yaml(to_dict(value))


def _extract_first_sentence(text: str) -> str:
    return re.split(r"(?<!et al\.)(?<=\.)\s", text)[0]


def _add_comment(line: str, description: str) -> str:
    sentence = _extract_first_sentence(strip_markup(description)).rstrip(".")
    comment = [f"# {part}" for part in textwrap.wrap(sentence, COMMENT_WIDTH)] or [""]
    first = f"{line:<{COMMENT_COLUMN}} {comment[0]}".rstrip()
    return "\n".join([first, *(" " * (COMMENT_COLUMN + 1) + part for part in comment[1:])])


def describe_component(qualified_name: str) -> str:
    """Return the description of the component ``KIND.NAME`` and its parameters.

    Raises
    ------
    ValueError
        There is no such kind or name, or its parameters cannot be listed.
    """
    cls = get_component(qualified_name)
    if problem := find_dataclass_problem(cls):
        raise ValueError(f"{qualified_name}: {problem}")
    try:
        parameters = list_parameters(cls)
    except Exception as error:  # of annotations in third-party code
        raise ValueError(f"{qualified_name}: {format_exception(error)}") from error
    lines = [qualified_name, "", strip_markup(extract_description(cls)), ""]
    for name, type_description, default, description in parameters:
        shown = "" if default is dataclasses.MISSING else f" {to_flow_yaml(default)}"
        lines.append(f"{name}:{shown}    ({type_description})")
        lines += [f"    {line}" for line in textwrap.wrap(strip_markup(description), 88)]
    if cls.requires:
        lines += ["", f"requires: {', '.join(sorted(cls.requires))}"]
    return "\n".join(lines) + "\n"


def summarize_recipe_file(path: Path) -> str:
    """Return the first sentence of the comment at the top of a recipe file, or its base."""
    text = path.read_text(encoding="utf-8")
    if comment := re.match(r"(#.*\n)+", text):
        return _extract_first_sentence(" ".join(comment[0].replace("#", " ").split()))
    base = re.search(r"^base: *(\S+)", text, re.M)
    return f"{base[1]} with changes" if base else ""


def describe_plan(recipe: Recipe, counts: str = "") -> str:
    """Return the steps of a recipe in their order, one line each, with what its counts are."""
    data, pipeline = recipe.data, recipe.pipeline
    lines = [f"seed        {recipe.seed}", f"data        {format_inline(data.reader)}"]
    lines += [f"            {format_inline(transform)}" for transform in data.transforms]
    lines += [f"counts      {counts}"] if counts else []
    lines.append(f"labels      {_describe_labels(data)}")
    lines.append(f"pipeline    {pipeline.name}: {extract_summary(type(pipeline))}")
    for key, field in recipe_fields(pipeline).items():
        lines.append(f"  {key:<25} {format_inline(getattr(pipeline, field.name))}")
    return "\n".join(lines) + "\n"


def _describe_labels(data: Data) -> str:
    """Return where the labels are; without any, the columns of ``obs`` that may have them."""
    if data.labels_file:
        return " ".join(filter(None, (data.labels_key, f"in {data.labels_file}")))
    contents = data.reader.peek_contents()
    known = None if contents is None else contents.columns
    if data.labels_key:
        later = " (looked up when the data are read)" if known is None else ""
        return f"{data.labels_key}{later}"
    columns = [str(column) for column in known or ()]
    more = f" and {len(columns) - MAX_COLUMNS} more" if len(columns) > MAX_COLUMNS else ""
    names = f"; columns of obs: {', '.join(columns[:MAX_COLUMNS])}{more}" if columns else ""
    return f"none: no scores against labels{names}"


def format_inline(value: Any) -> str:
    """Return the value of a setting on one line, components as name and settings."""
    if isinstance(value, tuple):
        return ", ".join(map(format_inline, value)) or "none"
    if not dataclasses.is_dataclass(value):
        return to_flow_yaml(value)
    items = ((key, getattr(value, field.name)) for key, field in recipe_fields(value).items())
    settings = ", ".join(
        f"{key} {to_flow_yaml(item) if isinstance(item, tuple) else format_inline(item)}"
        for key, item in items
        if item not in (None, "")
    )
    name = value.name if isinstance(value, Component) else ""
    return f"{name} ({settings})" if name and settings else name or settings
