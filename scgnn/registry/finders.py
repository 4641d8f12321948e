"""Finders of components that are not registered yet, in the manner of ``sys.meta_path``."""

from __future__ import annotations

from typing import Protocol


class Finder(Protocol):
    """Source of components; :data:`FINDERS` lists the active ones in the order of lookup."""

    def import_builtins(self) -> None:
        """Import the modules that register components on import."""

    def names(self, kind: str) -> set[str]:
        """Return the names of a kind that can be loaded, without importing anything."""
        ...

    def load(self, kind: str, name: str) -> None:
        """Register a component if this finder has it.

        Raises
        ------
        ValueError
            The finder has it, but it cannot be used.
        """


FINDERS: list[Finder] = []
