"""Differences between two recipes."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any

from scgnn.registry.introspection import recipe_fields


def diff_recipes(a: Any, b: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Return the paths at which two complete recipes differ, with both values.

    Components of different names differ as a whole, those of one name by their settings.
    """
    if a == b:
        return []
    if is_dataclass(a) and type(a) is type(b):
        fields = recipe_fields(a).items()
        pairs = [(key, getattr(a, f.name), getattr(b, f.name)) for key, f in fields]
    elif type(a) is type(b) is tuple and len(a) == len(b) and any(map(is_dataclass, a)):
        pairs = [(str(i), x, y) for i, (x, y) in enumerate(zip(a, b, strict=True))]
    else:
        return [(path, a, b)]
    prefix = f"{path}." if path else ""
    return [item for key, x, y in pairs for item in diff_recipes(x, y, prefix + key)]
