"""Finders of components that are not registered yet, in the manner of ``sys.meta_path``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Finder(Protocol):
    """Source of components; :data:`FINDERS` lists the active ones in the order of lookup."""

    def names(self, kind: str) -> set[str]:
        """Return the names of a kind that can be loaded, without importing anything."""

    def load(self, kind: str, name: str) -> None:
        """Register a component if this finder has it.

        Raises
        ------
        ValueError
            The finder has it, but it cannot be used.
        """


FINDERS: list[Finder] = []
BUILTIN_IMPORTERS: list[Callable[[], None]] = []  # which register the built-in components
