"""Stages: a step of a pipeline runs once, here, or not at all when a store already has its value.

The key of a stage is a hash of its function, of the package's own source, of the components and
trainings with all their defaults, of its seed and of the keys of its inputs. An array that a stage
returned carries the key of that stage; any other array is known by its content.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import inspect
import json
import sys
import time
import typing
import weakref
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
from scipy import sparse

from scgnn.memory import PeakMemory
from scgnn.progress import listener
from scgnn.registry import Component, dump, is_own, parts
from scgnn.store import Store

P = ParamSpec("P")
R = TypeVar("R")


def stage(label: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Give a function the name under which its time and memory are reported."""

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        function.label = label  # type: ignore[attr-defined]
        return function

    return mark


class Stages:
    """Runs the steps of one pipeline and keeps account of them.

    Parameters
    ----------
    store
        Where values are kept to go on after an interruption; None keeps nothing.

    Attributes
    ----------
    seconds
        Time by stage, summed over iterations; a reused value takes next to none.
    peak_memory_mb
        Highest resident memory of the process during each stage, in 10^6 bytes.
    reused
        How many stages came from the store.
    """

    def __init__(self, store: Store | None = None) -> None:
        self.store = store
        self.seconds: dict[str, float] = {}
        self.peak_memory_mb: dict[str, float] = {}
        self.reused = 0
        self._keys: dict[int, tuple[weakref.ref[Any], str]] = {}

    def __call__(self, function: Callable[..., R], *args: Any, iteration: int = 0) -> R:
        """The value of ``function(*args)``, computed or taken from the store."""
        label = getattr(function, "label", function.__name__)
        key = self._key_of_call(function, args)
        wanted = typing.get_type_hints(inspect.unwrap(function))["return"]
        listener().begin(label, iteration)
        start = time.perf_counter()
        with PeakMemory() as peak:
            value = self.store.load(key, wanted) if self.store else None
            reused = value is not None
            if value is None:
                value = function(*args)
                if self.store:
                    self.store.save(key, value)
        self._remember(value, key)
        seconds = time.perf_counter() - start
        self.reused += reused
        self.seconds[label] = self.seconds.get(label, 0.0) + seconds
        self.peak_memory_mb[label] = max(self.peak_memory_mb.get(label, 0.0), peak.megabytes)
        listener().end(label, iteration, seconds, reused)
        return typing.cast(R, value)

    def _key_of_call(self, function: Callable[..., Any], args: tuple[Any, ...]) -> str:
        words = [package_version(), f"{function.__module__}.{function.__qualname__}"]
        return _hash(*words, *(self.key(arg) for arg in args))

    def key(self, value: Any) -> str:
        """What identifies a value: its origin where a stage made it, its content elsewhere."""
        known = self._keys.get(id(value))
        if known is not None and known[0]() is value:
            return known[1]
        if isinstance(value, np.ndarray):
            content = value if value.dtype != object else value.astype(str)
            return _hash(str(content.dtype), str(value.shape), np.ascontiguousarray(content))
        if sparse.issparse(value):
            return _hash("csr", *(self.key(a) for a in (value.indptr, value.indices, value.data)))
        if isinstance(value, tuple | list):
            return _hash("tuple", *(self.key(item) for item in value))
        if isinstance(value, dict):
            return _hash("dict", *(f"{name}={self.key(item)}" for name, item in value.items()))
        if isinstance(value, Component):
            return _hash(json.dumps(dump(value), sort_keys=True), *_outside_sources(value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            words = (f"{name}={self.key(getattr(value, name))}" for name in names)
            return _hash(type(value).__qualname__, *words)
        if isinstance(value, str | int | float | bool | None):
            return _hash(repr(value))
        raise TypeError(f"a stage cannot take a {type(value).__name__}: its content has no key")

    def _remember(self, value: Any, key: str) -> None:
        if isinstance(value, np.ndarray) or sparse.issparse(value):
            self._keys[id(value)] = (weakref.ref(value), key)
        elif isinstance(value, tuple):
            for number, item in enumerate(value):
                self._remember(item, f"{key}.{number}")
        elif isinstance(value, dict):
            for name, item in value.items():
                self._remember(item, f"{key}.{name}")


def _hash(*words: Any) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for word in words:
        data = word.encode() if isinstance(word, str) else memoryview(word).cast("B")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


@cache
def package_version() -> str:
    """A hash of this package's source and of the libraries that decide its numbers."""
    libraries = ("numpy", "scipy", "scikit-learn", "torch", "dgl", "igraph", "leidenalg")
    return _hash(
        *(f"{name} {importlib.metadata.version(name)}" for name in libraries),
        _package_source(Path(__file__).parent),
    )


def _outside_sources(component: Component) -> list[str]:
    """What identifies the code of components that are not this package's own."""
    found = {base for part in parts(component) for base in type(part).__mro__}
    outside = {cls for cls in found if issubclass(cls, Component) and not is_own(cls)}
    return [_source(cls) for cls in sorted(outside, key=lambda cls: cls.__qualname__)]


def _source(cls: type) -> str:
    """A class's file, its whole package where it is in one, or else its code."""
    words = cls.__module__.split(".")
    for end in range(1, len(words) + 1):  # the outermost that has a file: namespaces have none
        file = getattr(sys.modules.get(".".join(words[:end])), "__file__", None)
        if file and Path(file).name == "__init__.py":
            return _package_source(Path(file).parent)
        if file and Path(file).suffix == ".py":
            return Path(file).read_text(encoding="utf-8")
    # written in a notebook or a shell
    codes = (getattr(member, "__code__", None) for member in vars(cls).values())
    return repr([(code.co_code, code.co_consts, code.co_names) for code in codes if code])


@cache
def _package_source(folder: Path) -> str:
    """A hash of all code below a folder, compiled code included."""
    files = sorted(path for end in ("py", "so", "pyd") for path in folder.rglob(f"*.{end}"))
    return _hash(*(path.read_bytes() for path in files))
