"""introspection"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

from scgnn.registry.component import Component


def parts(component: Any) -> Iterator[Component]:
    """A component and every component inside it, outermost first."""
    if isinstance(component, Component):
        yield component
    if isinstance(component, tuple | list):
        for item in component:
            yield from parts(item)
    elif dataclasses.is_dataclass(component) and not isinstance(component, type):
        for field in dataclasses.fields(component):
            yield from parts(getattr(component, field.name))


def requirements(component: Any) -> set[str]:
    """The State fields that a component and everything inside it read."""
    return {need for part in parts(component) for need in part.requires}


def slot(default: Any, gives: str = "") -> Any:
    """A dataclass field that holds a component, and the State fields known when it is used."""
    return dataclasses.field(default=default, metadata={"gives": frozenset(gives.split())})


def summary(component: type | object) -> str:
    """The first line of a docstring."""
    return readable((component.__doc__ or "").strip().split("\n")[0])


def readable(docstring: str) -> str:
    """Text of a docstring without its markup."""
    return re.sub(r":\w+:`~?([^`]+)`", r"\1", docstring).replace("``", "")


def is_own(cls: type) -> bool:
    """Whether a class is scgnn's own, not a plug-in's."""
    return cls.__module__.partition(".")[0] == "scgnn"


def dump(value: Any) -> Any:
    """Components as plain data, complete: every default is written out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: dump(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
        return {"name": value.name, **fields} if isinstance(value, Component) else fields
    if isinstance(value, tuple | list):
        return [dump(item) for item in value]
    return value
