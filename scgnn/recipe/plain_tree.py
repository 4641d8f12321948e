"""Python objects as a tree of nodes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from scgnn.recipe.yaml_tree import (
    Node,
    NodeCounter,
    SourceLocation,
    check_key,
    check_scalar,
    make_error,
)
from scgnn.registry.introspection import to_dict


def from_plain(value: Any, location: SourceLocation) -> Node:
    """Return plain data as a tree whose values all have the same location.

    Components become mappings, paths text, and NumPy's scalars and arrays numbers and lists.

    Raises
    ------
    RecipeError
        A value or key is of another type, or there are too many of them.
    """
    return _PlainConverter(location).convert(value)


class _PlainConverter(NodeCounter):
    """Converter of Python objects, whose nodes all have the same location."""

    def __init__(self, location: SourceLocation) -> None:
        super().__init__()
        self.location = location

    def convert(self, value: Any, path: str = "", depth: int = 0) -> Node:
        place = f"{self.location}: {path}" if path else self.location
        self.count(place, depth)
        if isinstance(value, np.ndarray | np.generic) and not value.ndim:
            value = value.tolist()
        elif isinstance(value, os.PathLike):
            value = os.fspath(value)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = to_dict(value)
        if isinstance(value, Mapping):
            return Node(self._convert_mapping(value, path, depth), self.location)
        if isinstance(value, list | tuple | range | np.ndarray):
            items = (
                self.convert(item, f"{path}.{i}".lstrip("."), depth + 1)
                for i, item in enumerate(value)
            )
            return Node(list(items), self.location)
        if not isinstance(value, str | int | float | None):
            advice = "use text, numbers, true, false, null, lists and mappings"
            raise make_error(place, f"is of type {type(value).__name__}, not plain data; {advice}")
        return Node(check_scalar(value, place), self.location)

    def _convert_mapping(self, value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Node]:
        place = f"{self.location}: {path}" if path else self.location
        mapping: dict[str, Node] = {}
        for key, item in value.items():
            if not isinstance(key, str | int | float | None):
                raise make_error(place, f"keys must be text, not of type {type(key).__name__}")
            name = check_key(str(key), place)
            if name in mapping:
                raise make_error(place, f"duplicate key '{name}'")
            mapping[name] = self.convert(item, f"{path}.{name}".lstrip("."), depth + 1)
        return mapping
