"""What recipes and components say about themselves, read from their docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from typing import Any

from scgnn.recipe.build import _hints, wanted
from scgnn.recipe.tree import write
from scgnn.registry import Component, dump, kinds, readable, summary, unknown

COMMENT_COLUMN, COMMENT_WIDTH = 46, 100


def parameter_docs(cls: type) -> dict[str, str]:
    """The description of each field, from the Parameters sections of a class and its bases."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        section = re.search(
            r"Parameters\n-+\n(.*?)(?=\n\n?[A-Z]\w+\n-+\n|\Z)",
            inspect.cleandoc(base.__doc__ or ""),
            re.S,
        )
        if section and dataclasses.is_dataclass(base):
            for entry in re.finditer(
                r"^(\w[\w, ]*)[^\n]*\n((?:[ \t]+.*\n?|\n)+)", section[1] + "\n", re.M
            ):
                text = readable(" ".join(entry[2].split()))
                docs.update({name.strip(): text for name in entry[1].split(",")})
    return docs


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
            lines.append(_commented(f"{indent}{field.name}: {_scalar(item)}", said))
    return lines


def _scalar(value: Any) -> str:
    text = write(dump(value), default_flow_style=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")


def _commented(line: str, said: str) -> str:
    sentence = re.split(r"(?<=[.;])\s", said)[0].rstrip(".;")
    short = textwrap.shorten(sentence, COMMENT_WIDTH, placeholder=" …")
    return f"{line:<{COMMENT_COLUMN}} # {short}" if short else line


def describe_component(word: str) -> str:
    """One component, ``KIND.NAME``: what it is, its parameters, their types and defaults.

    Raises
    ------
    ValueError
        There is no such kind or name.
    """
    kind, _, name = word.partition(".")
    if kind not in kinds():
        raise ValueError(unknown("kind", kind, list(kinds())))
    cls = kinds()[kind].named(name)
    body = readable(inspect.cleandoc(cls.__doc__ or "").split("\nParameters\n")[0].strip())
    lines = [f"{kind}.{name}", "", body, ""]
    hints, docs = _hints(cls), parameter_docs(cls)  # type: ignore[arg-type]
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        default = _scalar(field.default)
        lines.append(f"{field.name}: {default}    ({wanted(hints[field.name])})")
        lines += textwrap.wrap(
            docs.get(field.name, ""), 92, initial_indent="    ", subsequent_indent="    "
        )
    if cls.requires:
        lines += ["", f"needs: {', '.join(sorted(cls.requires))}"]
    return "\n".join(lines) + "\n"


def recipe_line(path: Any) -> str:
    """What a recipe file says of itself: its first comment, else its base."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            return line.lstrip("# ").strip()
        if line.startswith("base:"):
            return f"{line.split(':', 1)[1].strip()} with other parts"
    return ""


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
    lines.append("no mistakes found; nothing was run")
    return "\n".join(lines) + "\n"


def brief(value: Any) -> str:
    """A component on one line, its name and its settings."""
    if not dataclasses.is_dataclass(value):
        return _scalar(value)
    settings = ", ".join(
        f"{f.name} {brief(getattr(value, f.name))}"
        for f in dataclasses.fields(value)
        if f.init and getattr(value, f.name) not in (None, "")
    )
    name = value.name if isinstance(value, Component) else ""
    return f"{name} ({settings})" if name and settings else name or settings
