"""Postponed import of a library until its first use."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """A module that imports the library at the first access to an attribute.

    ``importlib.util.LazyLoader`` is not enough: a second ``import`` of the name loads the library.
    """

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = importlib.import_module(self.__name__)
        vars(self).update(vars(module))  # later accesses are as fast as the library's
        return getattr(module, name)


@contextmanager
def lazy_import(name: str) -> Iterator[None]:
    """Postpone ``import name`` in the modules of this package that are imported inside."""
    if name not in sys.modules:
        sys.modules[name] = LazyModule(name)
    try:
        yield
    finally:
        if isinstance(sys.modules.get(name), LazyModule):
            del sys.modules[name]
