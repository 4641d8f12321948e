"""introspection"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

from scgnn.registry.component import Component


def iter_components(component: Any) -> Iterator[Component]:
    """A component and every component inside it, outermost first."""
    if isinstance(component, Component):
        yield component
    if isinstance(component, tuple | list):
        for item in component:
            yield from iter_components(item)
    elif dataclasses.is_dataclass(component) and not isinstance(component, type):
        for field in dataclasses.fields(component):
            yield from iter_components(getattr(component, field.name))


def collect_requirements(component: Any) -> set[str]:
    """The State fields that a component and everything inside it read."""
    return {need for part in iter_components(component) for need in part.requires}


def slot(default: Any, available: str = "") -> Any:
    """A dataclass field that holds a component, and the State fields known when it is used."""
    return dataclasses.field(default=default, metadata={"gives": frozenset(available.split())})


def extract_summary(component: type | object) -> str:
    """The first line of a docstring."""
    return strip_markup((component.__doc__ or "").strip().split("\n")[0])


def strip_markup(docstring: str) -> str:
    """Text of a docstring without its markup."""
    return re.sub(r":\w+:`~?([^`]+)`", r"\1", docstring).replace("``", "")


def is_builtin(cls: type) -> bool:
    """Whether a class is scgnn's own, not a plug-in's."""
    return cls.__module__.partition(".")[0] == "scgnn"


def recipe_key(field: dataclasses.Field[Any]) -> str:
    """Return the key of a field in recipes: its name, ``lambda`` for ``lambda_``."""
    return field.name.removesuffix("_")


def to_dict(value: Any) -> Any:
    """Components as plain data, complete: every default is written out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            recipe_key(f): to_dict(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if f.init
        }
        return {"name": value.name, **fields} if isinstance(value, Component) else fields
    if isinstance(value, tuple | list):
        return [to_dict(item) for item in value]
    return value
