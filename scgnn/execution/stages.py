"""Stages: a step of a pipeline runs once, here, or not at all when a store already has its value.

The key of a stage is a hash of its function, of the package's own source, of the components and
trainings with all their defaults, of its seed and of the keys of its inputs. An array that a stage
returned carries the key of that stage; any other array is known by its content.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import time
import typing
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
from scipy import sparse

from scgnn.execution.attribution import blamed
from scgnn.execution.cache import Store
from scgnn.execution.fingerprint import digest, outside_sources, package_version
from scgnn.execution.progress import listener
from scgnn.execution.resources import PeakMemory
from scgnn.registry.component import Component
from scgnn.registry.introspection import dump

P = ParamSpec("P")
R = TypeVar("R")


def stage(label: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Give a function the name under which its time and memory are reported."""

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        function.label = label  # type: ignore[attr-defined]
        return function

    return mark


class Cost(NamedTuple):
    """What a stage took where it was computed."""

    label: str
    seconds: float
    peak_memory_mb: float  # highest resident memory of the process meanwhile, in 10^6 bytes


class Obtained(NamedTuple):
    """The value of a stage, what it took, and whether it came from a store."""

    value: Any
    cost: Cost
    reused: bool


def obtain(
    store: Store | None, key: str, function: Callable[..., Any], args: tuple[Any, ...]
) -> Obtained:
    """A stage's value from the store, else computed and kept there."""
    wanted = typing.get_type_hints(inspect.unwrap(function))["return"]
    kept = store.load(key, wanted) if store else None
    if kept is not None:
        return Obtained(kept.value, Cost(*kept.cost), True)
    start = time.perf_counter()
    with PeakMemory() as peak, blamed(label_of(function), args):
        value = function(*args)
    cost = Cost(label_of(function), time.perf_counter() - start, peak.megabytes)
    if store:
        store.save(key, value, cost)
    return Obtained(value, cost, False)


def label_of(function: Callable[..., Any]) -> str:
    """The name under which a stage is reported."""
    return str(getattr(function, "label", function.__name__))


class Stages:
    """Runs the steps of one pipeline and keeps account of them.

    Parameters
    ----------
    store
        Where values are kept to go on after an interruption; None keeps nothing.

    Attributes
    ----------
    costs
        What each stage took where it was computed, by its key.
    reused
        How many stages came from the store.
    """

    def __init__(self, store: Store | None = None) -> None:
        self.store = store
        self.costs: dict[str, Cost] = {}
        self.reused = 0
        self._keys: dict[int, tuple[weakref.ref[Any], str]] = {}

    def __call__(self, function: Callable[..., R], *args: Any, iteration: int = 0) -> R:
        """The value of ``function(*args)``, computed or taken from the store."""
        key = self._key_of_call(function, args)
        label = label_of(function)
        listener().begin(label, iteration)
        found = self.obtain(key, function, args)
        self._remember(found.value, key)
        self.costs[key] = found.cost
        self.reused += found.reused
        listener().end(label, iteration, found.cost.seconds, found.reused)
        return typing.cast(R, found.value)

    def obtain(self, key: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Obtained:
        """The value of a stage; here, or elsewhere in a class that computes elsewhere."""
        return obtain(self.store, key, function, args)

    @property
    def seconds(self) -> dict[str, float]:
        """Time by stage, summed over iterations, where it was computed."""
        return self._by_label(lambda costs: sum(cost.seconds for cost in costs))

    @property
    def peak_memory_mb(self) -> dict[str, float]:
        """Highest resident memory of the process during each stage, in 10^6 bytes."""
        return self._by_label(lambda costs: max(cost.peak_memory_mb for cost in costs))

    def _by_label(self, summed: Callable[[list[Cost]], float]) -> dict[str, float]:
        labels = dict.fromkeys(cost.label for cost in self.costs.values())
        return {n: summed([c for c in self.costs.values() if c.label == n]) for n in labels}

    def _key_of_call(self, function: Callable[..., Any], args: tuple[Any, ...]) -> str:
        words = [package_version(), f"{function.__module__}.{function.__qualname__}"]
        return digest(*words, *(self.key(arg) for arg in args))

    def key(self, value: Any) -> str:
        """What identifies a value: its origin where a stage made it, its content elsewhere."""
        known = self._keys.get(id(value))
        if known is not None and known[0]() is value:
            return known[1]
        if isinstance(value, np.ndarray):
            content = value if value.dtype != object else value.astype(str)
            found = digest(str(content.dtype), str(value.shape), np.ascontiguousarray(content))
            self._remember(value, found)
            return found
        if sparse.issparse(value):
            return digest("csr", *(self.key(a) for a in (value.indptr, value.indices, value.data)))
        if isinstance(value, tuple | list):
            return digest("tuple", *(self.key(item) for item in value))
        if isinstance(value, dict):
            return digest("dict", *(f"{name}={self.key(item)}" for name, item in value.items()))
        if isinstance(value, Component):
            return digest(json.dumps(dump(value), sort_keys=True), *outside_sources(value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            words = (f"{name}={self.key(getattr(value, name))}" for name in names)
            return digest(type(value).__qualname__, *words)
        if isinstance(value, str | int | float | bool | None):
            return digest(repr(value))
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
