"""A library that the modules imported meanwhile load when they first use it, which may be never."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """Stands for a library until something in it is asked for.

    The standard library's LazyLoader does not do: a second ``import`` of the name loads it.
    """

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def lazy_import(name: str) -> Iterator[None]:
    """Inside, ``import name`` costs nothing. For our own modules: nobody else gets a stand-in."""
    if name not in sys.modules:
        sys.modules[name] = LazyModule(name)
    try:
        yield
    finally:
        if isinstance(sys.modules.get(name), LazyModule):
            del sys.modules[name]
