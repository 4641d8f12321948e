"""Where two recipes differ."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from scgnn.registry.introspection import recipe_key


def diff(a: Any, b: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """The paths at which two complete recipes differ, with both values.

    Components of different names differ as a whole, those of one name by their settings.
    """
    if a == b:
        return []
    if is_dataclass(a) and type(a) is type(b):
        pairs = [(recipe_key(f), getattr(a, f.name), getattr(b, f.name)) for f in fields(a)]
    elif (
        isinstance(a, tuple)
        and isinstance(b, tuple)
        and len(a) == len(b)
        and _contains_components(a)
    ):
        pairs = [(str(i), left, right) for i, (left, right) in enumerate(zip(a, b, strict=True))]
    else:
        return [(path, a, b)]
    prefix = f"{path}." if path else ""
    return [item for name, left, right in pairs for item in diff(left, right, prefix + name)]


def _contains_components(value: tuple[Any, ...]) -> bool:
    """Whether a tuple holds components rather than numbers."""
    return any(is_dataclass(item) for item in value)
