"""Finders of components that are not registered yet, in the manner of ``sys.meta_path``."""

from __future__ import annotations

from typing import Protocol


class Finder(Protocol):
    """A source of components; :data:`FINDERS` lists the active ones, in the order of lookup."""

    def import_builtins(self) -> None:
        """Import the modules whose classes are registered by being imported."""

    def names(self, kind: str) -> set[str]:
        """Return the names that can be loaded for a kind, without importing anything."""
        ...

    def load(self, kind: str, name: str) -> None:
        """Register the component of that name, if this finder has it.

        Raises
        ------
        ValueError
            It has one that cannot be used.
        """


FINDERS: list[Finder] = []
