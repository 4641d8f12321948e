"""Components inside a component, their requirements, recipe keys and docstrings."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterator
from typing import Any

from scgnn.registry.component import Component


def iter_components(component: Any) -> Iterator[Component]:
    """Yield a component and all components inside it, outermost first."""
    if isinstance(component, Component):
        yield component
    if isinstance(component, tuple | list):
        for item in component:
            yield from iter_components(item)
    elif dataclasses.is_dataclass(component) and not isinstance(component, type):
        for field in dataclasses.fields(component):
            yield from iter_components(getattr(component, field.name))


def collect_requirements(component: Any) -> set[str]:
    """Return the fields of State that a component and all components inside it read."""
    return {field for part in iter_components(component) for field in part.requires}


def slot(default: Any, available: str = "") -> Any:
    """Return a dataclass field for a component.

    Parameters
    ----------
    default
        Default component.
    available
        Fields of State that are available when the component is used, separated by spaces.
    """
    return dataclasses.field(default=default, metadata={"available": frozenset(available.split())})


def extract_summary(component: type | object) -> str:
    """Return the first line of a docstring without markup."""
    return strip_markup((component.__doc__ or "").strip().split("\n")[0])


def strip_markup(docstring: str) -> str:
    """Return a docstring without its markup."""
    return re.sub(r":\w+:`~?([^`]+)`", r"\1", docstring).replace("``", "")


def is_builtin(cls: Any) -> bool:
    """Return whether a class or function belongs to scgnn rather than to a plug-in."""
    return bool(cls.__module__.partition(".")[0] == "scgnn")


def has_third_party(value: Any) -> bool:
    """Return whether a component in ``value`` belongs to a plug-in."""
    return any(not is_builtin(type(component)) for component in iter_components(value))


def get_module_file(name: str) -> str:
    """Return the file of an imported module; "" if it has none or is not imported."""
    return getattr(sys.modules.get(name), "__file__", None) or ""


def recipe_fields(component: Any) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields of a dataclass by their key in recipes, ``lambda`` for ``lambda_``."""
    return {f.name.removesuffix("_"): f for f in dataclasses.fields(component) if f.init}


def to_dict(value: Any) -> Any:
    """Return components as plain data, all defaults written out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {k: to_dict(getattr(value, f.name)) for k, f in recipe_fields(value).items()}
        return {"name": value.name, **fields} if isinstance(value, Component) else fields
    if isinstance(value, tuple | list):
        return [to_dict(item) for item in value]
    return value
