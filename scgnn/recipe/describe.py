"""What recipes and components say about themselves, read from their docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

from scgnn.recipe.yaml_tree import dump_yaml
from scgnn.registry.annotations import (
    describe_type,
    expand_union,
    get_item_type,
    is_component_type,
    is_plain_dataclass,
    resolve_type_hints,
)
from scgnn.registry.component import Component
from scgnn.registry.introspection import extract_summary, recipe_key, strip_markup, to_dict
from scgnn.registry.kinds import get_component, registered_components

COMMENT_COLUMN, COMMENT_WIDTH = 46, 100


PARAMETERS_SECTION = r"^Parameters\n-+\n(.*?)(?=^[A-Z]\w+\n-+\n|\Z)"  # of a docstring


class ParameterDoc(NamedTuple):
    """A field of a component, as a person sets it."""

    name: str
    type_description: str
    default: Any
    description: str


def list_parameters(cls: type) -> list[ParameterDoc]:
    """The fields of a component, or of another dataclass, in their order."""
    hints, docs = resolve_type_hints(cls), parse_parameter_docs(cls)
    found = []
    for field in dataclasses.fields(cls):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        meaning = docs.get(field.name, "")
        found.append(
            ParameterDoc(recipe_key(field), describe_type(hints[field.name]), default, meaning)
        )
    return found


def parse_parameter_docs(cls: type) -> dict[str, str]:
    """The description of each field, from the Parameters sections of a class and its bases."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        section = re.search(PARAMETERS_SECTION, inspect.cleandoc(base.__doc__ or ""), re.S | re.M)
        if section and dataclasses.is_dataclass(base):
            for entry in re.finditer(
                r"^(\w[\w, ]*)[^\n]*\n((?:[ \t]+.*\n?|\n)+)", section[1] + "\n", re.M
            ):
                text = " ".join(entry[2].split())
                docs.update({name.strip(): text for name in entry[1].split(",")})
    return docs


def extract_description(cls: type) -> str:
    """A docstring without its parameters."""
    return re.sub(
        PARAMETERS_SECTION, "", inspect.cleandoc(cls.__doc__ or ""), flags=re.S | re.M
    ).strip()


def find_slots(cls: type[Component]) -> list[str]:
    """The settings of a recipe that take a component and can give it what it needs."""
    from scgnn.recipe.recipe import Recipe

    # graph_decoder and feature_decoder are one kind
    word = str(getattr(cls, "target", "")).removesuffix("s") if cls.kind == "decoder" else ""
    return list(
        dict.fromkeys(
            path
            for path, kind, gives in _iter_slots(Recipe, "", ())
            if issubclass(cls, kind)
            and (gives is None or cls.requires <= gives)
            and path.rpartition(".")[2].startswith(word)
        )
    )


def _iter_slots(
    cls: type, path: str, ancestors: tuple[type, ...]
) -> Iterator[tuple[str, type[Component], frozenset[str] | None]]:
    """Path, kind and what is given there, of every slot under a dataclass."""
    for field in dataclasses.fields(cls):
        here = f"{path}.{recipe_key(field)}".lstrip(".")
        for option in expand_union(resolve_type_hints(cls)[field.name]):
            for kind in expand_union(get_item_type(option) or option):
                if is_component_type(kind):
                    yield here, kind, field.metadata.get("available")
                    members = [] if kind in ancestors else registered_components()[kind].values()
                    for member in members:
                        yield from _iter_slots(member, here, (*ancestors, kind))
                elif is_plain_dataclass(kind):
                    yield from _iter_slots(kind, here, ancestors)


def describe(value: Any) -> str:
    """A recipe, complete, as YAML with the meaning of each setting beside it."""
    return "\n".join(_format_lines(value, "")) + "\n"


def _format_lines(value: Any, indent: str) -> list[str]:
    docs = parse_parameter_docs(type(value))
    lines = []
    if isinstance(value, Component):
        lines.append(_add_comment(f"{indent}name: {value.name}", extract_summary(type(value))))
    for field in dataclasses.fields(value):
        if not field.init:
            continue
        item, said = getattr(value, field.name), docs.get(field.name, "")
        if dataclasses.is_dataclass(item):
            lines.append(_add_comment(f"{indent}{recipe_key(field)}:", said))
            lines += _format_lines(item, indent + "  ")
        elif isinstance(item, tuple) and any(dataclasses.is_dataclass(part) for part in item):
            lines.append(_add_comment(f"{indent}{recipe_key(field)}:", said))
            for part in item:
                first, *rest = _format_lines(part, indent + "    ")
                lines += [f"{indent}  - {first.lstrip()}", *rest]
        else:
            lines.append(_add_comment(f"{indent}{recipe_key(field)}: {to_flow_yaml(item)}", said))
    return lines


def to_flow_yaml(value: Any) -> str:
    """A value as YAML on one line."""
    text = dump_yaml(to_dict(value), default_flow_style=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")


def _add_comment(line: str, description: str) -> str:
    sentence = re.split(r"(?<=\.)\s", strip_markup(description))[0].rstrip(".")
    comment = [f"# {part}" for part in textwrap.wrap(sentence, COMMENT_WIDTH)] or [""]
    first = f"{line:<{COMMENT_COLUMN}} {comment[0]}".rstrip()
    return "\n".join([first, *(" " * (COMMENT_COLUMN + 1) + part for part in comment[1:])])


def describe_component(qualified_name: str) -> str:
    """One component, ``KIND.NAME``: what it is, its parameters, their types and defaults.

    Raises
    ------
    ValueError
        There is no such kind or name.
    """
    cls = get_component(qualified_name)
    lines = [qualified_name, "", strip_markup(extract_description(cls)), ""]
    for name, type_, default, meaning in list_parameters(cls):
        lines.append(f"{name}: {to_flow_yaml(default)}    ({type_})")
        lines += textwrap.wrap(
            strip_markup(meaning), 92, initial_indent="    ", subsequent_indent="    "
        )
    if cls.requires:
        lines += ["", f"needs: {', '.join(sorted(cls.requires))}"]
    return "\n".join(lines) + "\n"


def summarize_recipe_file(path: Any) -> str:
    """What a recipe file says of itself: the first sentence of its comment, else its base."""
    text = path.read_text(encoding="utf-8")
    if comment := re.match(r"(#.*\n)+", text):
        said = " ".join(comment[0].replace("#", " ").split())
        return re.split(r"(?<=\.)\s", said)[0]
    base = re.search(r"^base: *(\S+)", text, re.M)
    return f"{base[1]} with other parts" if base else ""


def describe_plan(recipe: Any) -> str:
    """What a checked recipe will do, in the order in which it does it."""
    data, pipeline = recipe.data, recipe.pipeline
    lines = [f"seed        {recipe.seed}", f"data        {format_inline(data.reader)}"]
    lines += [f"            {format_inline(transform)}" for transform in data.transforms]
    lines.append(f"labels      {data.labels_key or 'none: no scores against a truth'}")
    lines.append(f"pipeline    {pipeline.name}: {extract_summary(type(pipeline))}")
    for field in dataclasses.fields(pipeline):
        value = getattr(pipeline, field.name)
        shown = (
            ", ".join(map(format_inline, value)) or "none"
            if isinstance(value, tuple)
            else format_inline(value)
        )
        lines.append(f"  {field.name:<25} {shown}")
    return "\n".join(lines) + "\n"


def format_inline(value: Any) -> str:
    """A component on one line, its name and its settings."""
    if not dataclasses.is_dataclass(value):
        return to_flow_yaml(value)
    settings = ", ".join(
        f"{recipe_key(f)} {format_inline(getattr(value, f.name))}"
        for f in dataclasses.fields(value)
        if f.init and getattr(value, f.name) not in (None, "")
    )
    name = value.name if isinstance(value, Component) else ""
    return f"{name} ({settings})" if name and settings else name or settings
