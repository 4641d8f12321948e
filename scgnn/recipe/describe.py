"""What recipes and components say about themselves, read from their docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

from scgnn.recipe.yaml_tree import write
from scgnn.registry.annotations import (
    _hints,
    _is_component,
    _is_record,
    _item_type,
    _options,
    wanted,
)
from scgnn.registry.component import Component
from scgnn.registry.introspection import dump, readable, summary
from scgnn.registry.kinds import find, registered

COMMENT_COLUMN, COMMENT_WIDTH = 46, 100


SECTION = r"^Parameters\n-+\n(.*?)(?=^[A-Z]\w+\n-+\n|\Z)"  # of a docstring


class Parameter(NamedTuple):
    """A field of a component, as a person sets it."""

    name: str
    wanted: str
    default: Any
    meaning: str


def parameters(cls: type) -> list[Parameter]:
    """The fields of a component, or of another dataclass, in their order."""
    hints, docs = _hints(cls), parameter_docs(cls)
    found = []
    for field in dataclasses.fields(cls):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        meaning = docs.get(field.name, "")
        found.append(Parameter(field.name, wanted(hints[field.name]), default, meaning))
    return found


def parameter_docs(cls: type) -> dict[str, str]:
    """The description of each field, from the Parameters sections of a class and its bases."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        section = re.search(SECTION, inspect.cleandoc(base.__doc__ or ""), re.S | re.M)
        if section and dataclasses.is_dataclass(base):
            for entry in re.finditer(
                r"^(\w[\w, ]*)[^\n]*\n((?:[ \t]+.*\n?|\n)+)", section[1] + "\n", re.M
            ):
                text = " ".join(entry[2].split())
                docs.update({name.strip(): text for name in entry[1].split(",")})
    return docs


def body(cls: type) -> str:
    """A docstring without its parameters."""
    return re.sub(SECTION, "", inspect.cleandoc(cls.__doc__ or ""), flags=re.S | re.M).strip()


def slots(cls: type[Component]) -> list[str]:
    """The settings of a recipe that take a component and can give it what it needs."""
    from scgnn.recipe.recipe import Recipe

    # graph_decoder and feature_decoder are one kind
    word = str(getattr(cls, "target", "")).removesuffix("s") if cls.kind == "decoder" else ""
    return list(
        dict.fromkeys(
            path
            for path, kind, gives in _slots(Recipe, "", ())
            if issubclass(cls, kind)
            and (gives is None or cls.requires <= gives)
            and path.rpartition(".")[2].startswith(word)
        )
    )


def _slots(
    cls: type, path: str, inside: tuple[type, ...]
) -> Iterator[tuple[str, type[Component], frozenset[str] | None]]:
    """Path, kind and what is given there, of every slot under a dataclass."""
    for field in dataclasses.fields(cls):
        here = f"{path}.{field.name}".lstrip(".")
        for option in _options(_hints(cls)[field.name]):
            for kind in _options(_item_type(option) or option):
                if _is_component(kind):
                    yield here, kind, field.metadata.get("gives")
                    members = [] if kind in inside else registered()[kind].values()
                    for member in members:
                        yield from _slots(member, here, (*inside, kind))
                elif _is_record(kind):
                    yield from _slots(kind, here, inside)


def describe(value: Any) -> str:
    """A recipe, complete, as YAML with the meaning of each setting beside it."""
    return "\n".join(_lines(value, "")) + "\n"


def _lines(value: Any, indent: str) -> list[str]:
    docs = parameter_docs(type(value))
    lines = []
    if isinstance(value, Component):
        lines.append(_commented(f"{indent}name: {value.name}", summary(type(value))))
    for field in dataclasses.fields(value):
        if not field.init:
            continue
        item, said = getattr(value, field.name), docs.get(field.name, "")
        if dataclasses.is_dataclass(item):
            lines.append(_commented(f"{indent}{field.name}:", said))
            lines += _lines(item, indent + "  ")
        elif isinstance(item, tuple) and any(dataclasses.is_dataclass(part) for part in item):
            lines.append(_commented(f"{indent}{field.name}:", said))
            for part in item:
                first, *rest = _lines(part, indent + "    ")
                lines += [f"{indent}  - {first.lstrip()}", *rest]
        else:
            lines.append(_commented(f"{indent}{field.name}: {flow(item)}", said))
    return lines


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    text = write(dump(value), default_flow_style=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")


def _commented(line: str, said: str) -> str:
    sentence = re.split(r"(?<=\.)\s", readable(said))[0].rstrip(".")
    comment = [f"# {part}" for part in textwrap.wrap(sentence, COMMENT_WIDTH)] or [""]
    first = f"{line:<{COMMENT_COLUMN}} {comment[0]}".rstrip()
    return "\n".join([first, *(" " * (COMMENT_COLUMN + 1) + part for part in comment[1:])])


def describe_component(word: str) -> str:
    """One component, ``KIND.NAME``: what it is, its parameters, their types and defaults.

    Raises
    ------
    ValueError
        There is no such kind or name.
    """
    cls = find(word)
    lines = [word, "", readable(body(cls)), ""]
    for name, type_, default, meaning in parameters(cls):
        lines.append(f"{name}: {flow(default)}    ({type_})")
        lines += textwrap.wrap(
            readable(meaning), 92, initial_indent="    ", subsequent_indent="    "
        )
    if cls.requires:
        lines += ["", f"needs: {', '.join(sorted(cls.requires))}"]
    return "\n".join(lines) + "\n"


def recipe_line(path: Any) -> str:
    """What a recipe file says of itself: the first sentence of its comment, else its base."""
    text = path.read_text(encoding="utf-8")
    if comment := re.match(r"(#.*\n)+", text):
        said = " ".join(comment[0].replace("#", " ").split())
        return re.split(r"(?<=\.)\s", said)[0]
    base = re.search(r"^base: *(\S+)", text, re.M)
    return f"{base[1]} with other parts" if base else ""


def plan(recipe: Any) -> str:
    """What a checked recipe will do, in the order in which it does it."""
    data, pipeline = recipe.data, recipe.pipeline
    lines = [f"seed        {recipe.seed}", f"data        {brief(data.reader)}"]
    lines += [f"            {brief(transform)}" for transform in data.transforms]
    lines.append(f"labels      {data.labels or 'none: no scores against a truth'}")
    lines.append(f"pipeline    {pipeline.name}: {summary(type(pipeline))}")
    for field in dataclasses.fields(pipeline):
        value = getattr(pipeline, field.name)
        shown = ", ".join(map(brief, value)) or "none" if isinstance(value, tuple) else brief(value)
        lines.append(f"  {field.name:<25} {shown}")
    return "\n".join(lines) + "\n"


def brief(value: Any) -> str:
    """A component on one line, its name and its settings."""
    if not dataclasses.is_dataclass(value):
        return flow(value)
    settings = ", ".join(
        f"{f.name} {brief(getattr(value, f.name))}"
        for f in dataclasses.fields(value)
        if f.init and getattr(value, f.name) not in (None, "")
    )
    name = value.name if isinstance(value, Component) else ""
    return f"{name} ({settings})" if name and settings else name or settings
