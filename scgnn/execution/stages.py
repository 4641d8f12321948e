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

from scgnn.execution.attribution import attribute_errors
from scgnn.execution.cache import StageCache
from scgnn.execution.fingerprint import code_fingerprint, digest, third_party_sources
from scgnn.execution.progress import get_progress
from scgnn.execution.resources import PeakMemory
from scgnn.registry.component import Component
from scgnn.registry.introspection import to_dict

P = ParamSpec("P")
R = TypeVar("R")


def stage(label: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Give a function the name under which its time and memory are reported."""

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        function.label = label  # type: ignore[attr-defined]
        return function

    return mark


class StageCost(NamedTuple):
    """What a stage took where it was computed."""

    label: str
    seconds: float
    peak_memory_mb: float  # highest resident memory of the process meanwhile, in 10^6 bytes


class StageResult(NamedTuple):
    """The value of a stage, what it took, and whether it came from a store."""

    value: Any
    cost: StageCost
    from_cache: bool


def get_or_compute(
    cache: StageCache | None, key: str, function: Callable[..., Any], args: tuple[Any, ...]
) -> StageResult:
    """A stage's value from the store, else computed and kept there."""
    wanted = typing.get_type_hints(inspect.unwrap(function))["return"]
    kept = cache.load(key, wanted) if cache else None
    if kept is not None:
        return StageResult(kept.value, StageCost(*kept.cost), True)
    start = time.perf_counter()
    with PeakMemory() as peak, attribute_errors(stage_label(function), args):
        value = function(*args)
    cost = StageCost(stage_label(function), time.perf_counter() - start, peak.megabytes)
    if cache:
        cache.save(key, value, cost)
    return StageResult(value, cost, False)


def stage_label(function: Callable[..., Any]) -> str:
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

    def __init__(self, cache: StageCache | None = None) -> None:
        self.cache = cache
        self.costs: dict[str, StageCost] = {}
        self.n_from_cache = 0
        self._keys: dict[int, tuple[weakref.ref[Any], str]] = {}

    def __call__(self, function: Callable[..., R], *args: Any, iteration: int = 0) -> R:
        """The value of ``function(*args)``, computed or taken from the store."""
        key = self._compute_call_key(function, args)
        label = stage_label(function)
        get_progress().on_stage_start(label, iteration)
        found = self.get_or_compute(key, function, args)
        self._record_key(found.value, key)
        self.costs[key] = found.cost
        self.n_from_cache += found.from_cache
        get_progress().on_stage_end(label, iteration, found.cost.seconds, found.from_cache)
        return typing.cast(R, found.value)

    def get_or_compute(
        self, key: str, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> StageResult:
        """The value of a stage; here, or elsewhere in a class that computes elsewhere."""
        return get_or_compute(self.cache, key, function, args)

    @property
    def seconds(self) -> dict[str, float]:
        """Time by stage, summed over iterations, where it was computed."""
        return self._aggregate_by_label(lambda costs: sum(cost.seconds for cost in costs))

    @property
    def peak_memory_mb(self) -> dict[str, float]:
        """Highest resident memory of the process during each stage, in 10^6 bytes."""
        return self._aggregate_by_label(lambda costs: max(cost.peak_memory_mb for cost in costs))

    def _aggregate_by_label(
        self, aggregate: Callable[[list[StageCost]], float]
    ) -> dict[str, float]:
        labels = dict.fromkeys(cost.label for cost in self.costs.values())
        return {n: aggregate([c for c in self.costs.values() if c.label == n]) for n in labels}

    def _compute_call_key(self, function: Callable[..., Any], args: tuple[Any, ...]) -> str:
        words = [code_fingerprint(), f"{function.__module__}.{function.__qualname__}"]
        return digest(*words, *(self.compute_key(arg) for arg in args))

    def compute_key(self, value: Any) -> str:
        """What identifies a value: its origin where a stage made it, its content elsewhere."""
        known = self._keys.get(id(value))
        if known is not None and known[0]() is value:
            return known[1]
        if isinstance(value, np.ndarray):
            content = value if value.dtype != object else value.astype(str)
            found = digest(str(content.dtype), str(value.shape), np.ascontiguousarray(content))
            self._record_key(value, found)
            return found
        if sparse.issparse(value):
            return digest(
                "csr", *(self.compute_key(a) for a in (value.indptr, value.indices, value.data))
            )
        if isinstance(value, tuple | list):
            return digest("tuple", *(self.compute_key(item) for item in value))
        if isinstance(value, dict):
            return digest(
                "dict", *(f"{name}={self.compute_key(item)}" for name, item in value.items())
            )
        if isinstance(value, Component):
            return digest(json.dumps(to_dict(value), sort_keys=True), *third_party_sources(value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            words = (f"{name}={self.compute_key(getattr(value, name))}" for name in names)
            return digest(type(value).__qualname__, *words)
        if isinstance(value, str | int | float | bool | None):
            return digest(repr(value))
        raise TypeError(f"a stage cannot take a {type(value).__name__}: its content has no key")

    def _record_key(self, value: Any, key: str) -> None:
        if isinstance(value, np.ndarray) or sparse.issparse(value):
            self._keys[id(value)] = (weakref.ref(value), key)
        elif isinstance(value, tuple):
            for number, item in enumerate(value):
                self._record_key(item, f"{key}.{number}")
        elif isinstance(value, dict):
            for name, item in value.items():
                self._record_key(item, f"{key}.{name}")
