"""A library that is loaded when something in it is first used, which may be never."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any


class Late(ModuleType):
    """Stands for a library that was imported, until something in it is asked for.

    The standard library's LazyLoader does not do: a second ``import`` of the name loads it.
    """

    def __getattr__(self, name: str) -> Any:
        if sys.modules[self.__name__] is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def load_late(name: str) -> None:
    """Let ``import name`` cost nothing from now on; without such a library nothing changes."""
    if name in sys.modules or (found := importlib.util.find_spec(name)) is None:
        return
    sys.modules[name] = Late(name)
    sys.modules[name].__spec__ = found
