"""Stages: the cached steps of a pipeline.

The key of a stage is a hash of its function, of the source of this package, of components and
trainings with all defaults, of its seed, of the device and backend if they matter, and of the keys
of its inputs. An array that a stage
returned has the key of that stage; any other array is identified by its content.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import time
import typing
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np
from scipy import sparse

from scgnn.execution.attribution import attribute_errors
from scgnn.execution.cache import StageCache, StageCost, StageResult
from scgnn.execution.fingerprint import code_fingerprint, digest, third_party_sources
from scgnn.execution.hardware import Hardware, current_hardware, use_hardware
from scgnn.execution.progress import OUTSIDE_PIPELINE, get_progress
from scgnn.execution.resources import PeakMemory
from scgnn.registry.component import Component
from scgnn.registry.introspection import has_third_party, is_builtin, to_dict
from scgnn.seeding import isolate_third_party_code

P = ParamSpec("P")
R = TypeVar("R")


def stage(
    label: str, *hardware: Literal["device", "backend"]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator of a stage.

    Parameters
    ----------
    label
        Label of the stage in progress, times and memory.
    *hardware
        The fields of :class:`~scgnn.execution.hardware.Hardware` that its values depend on.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        function.label, function.hardware = label, hardware  # type: ignore[attr-defined]
        return function

    return decorate


def stage_label(function: Callable[..., Any]) -> str:
    """Return the label of a stage, by default the name of its function."""
    return str(getattr(function, "label", function.__name__))


def get_or_compute(
    cache: StageCache | None, key: str, function: Callable[..., Any], args: tuple[Any, ...]
) -> StageResult:
    """Return the value of a stage from the cache, or compute and save it."""
    value_type = typing.get_type_hints(inspect.unwrap(function))["return"]
    if cache and (cached := cache.load(key, value_type)):
        return cached
    label, start = stage_label(function), time.perf_counter()
    is_own = is_builtin(function) and not has_third_party(args)
    isolation = nullcontext() if is_own else isolate_third_party_code()
    with PeakMemory() as peak, attribute_errors(label, args), isolation:
        value = function(*args)
    cost = StageCost(label, time.perf_counter() - start, peak.megabytes)
    if cache:
        cache.save(key, value, cost)
    return StageResult(value, cost, False)


class Stages:
    """Executor of the stages of one run.

    Parameters
    ----------
    cache
        Where values are saved and looked up; None computes every stage.

    Attributes
    ----------
    hardware
        Device and backend of all stages: those of the run that makes this executor.
    costs
        Cost of each stage, by key.
    n_from_cache
        Number of stages that were read from the cache.
    """

    def __init__(self, cache: StageCache | None = None) -> None:
        self.cache = cache
        self.hardware = current_hardware()
        self.costs: dict[str, StageCost] = {}
        self.n_from_cache = 0
        self._keys: dict[int, tuple[weakref.ref[Any], str]] = {}

    def __call__(self, function: Callable[..., R], *args: Any, iteration: int = 0) -> R:
        """Return ``function(*args)``, computed or read from the cache."""
        name = f"{function.__module__}.{function.__qualname__}"
        used = getattr(function, "hardware", Hardware._fields)  # third-party functions: all
        hardware = (f"{field} {getattr(self.hardware, field)}" for field in used)
        key = digest(code_fingerprint(), name, *hardware, *map(self.compute_key, args))
        label = stage_label(function)
        get_progress().on_stage_start(label, iteration)
        with use_hardware(self.hardware):
            result = self.get_or_compute(key, function, args)
        self._record_key(result.value, key)
        self.costs[key] = result.cost
        self.n_from_cache += result.from_cache
        get_progress().on_stage_end(label, iteration, result.cost.seconds, result.from_cache)
        return typing.cast(R, result.value)

    @contextmanager
    def measure(self, label: str) -> Iterator[None]:
        """Record the cost of the block as that of a stage, which is not cached."""
        get_progress().on_stage_start(label, OUTSIDE_PIPELINE)
        start = time.perf_counter()
        with PeakMemory() as peak:
            yield
        self.costs[label] = StageCost(label, time.perf_counter() - start, peak.megabytes)
        get_progress().on_stage_end(label, OUTSIDE_PIPELINE, self.costs[label].seconds, False)

    def get_or_compute(
        self, key: str, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> StageResult:
        """Return the value of a stage; subclasses override it to compute elsewhere."""
        return get_or_compute(self.cache, key, function, args)

    @property
    def seconds(self) -> dict[str, float]:
        """Computing time by stage label, summed over iterations."""
        totals: dict[str, float] = {}
        for cost in self.costs.values():
            totals[cost.label] = totals.get(cost.label, 0.0) + cost.seconds
        return totals

    @property
    def peak_memory_mb(self) -> dict[str, float]:
        """Highest resident memory by stage label, in 10^6 bytes."""
        peaks: dict[str, float] = {}
        for cost in self.costs.values():
            peaks[cost.label] = max(peaks.get(cost.label, 0.0), cost.peak_memory_mb)
        return peaks

    def compute_key(self, value: Any) -> str:
        """Return the key of a value: that of the stage it came from, else a hash of its content.

        Raises
        ------
        TypeError
            The type of the value has no hash that depends on its content alone.
        """
        origin = self._keys.get(id(value))
        if origin is not None and origin[0]() is value:
            return origin[1]
        if isinstance(value, np.ndarray):
            content = value if value.dtype != object else value.astype(str)
            key = digest(str(content.dtype), str(value.shape), np.ascontiguousarray(content))
            self._record_key(value, key)
            return key
        if sparse.issparse(value):
            return digest("csr", *map(self.compute_key, (value.indptr, value.indices, value.data)))
        if isinstance(value, tuple | list):
            return digest("tuple", *map(self.compute_key, value))
        if isinstance(value, dict):
            return digest("dict", *(f"{k}={self.compute_key(v)}" for k, v in value.items()))
        if isinstance(value, Component):
            return digest(json.dumps(to_dict(value), sort_keys=True), *third_party_sources(value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            fields = (f"{name}={self.compute_key(getattr(value, name))}" for name in names)
            return digest(type(value).__qualname__, *fields)
        if isinstance(value, str | int | float | bool | None):
            return digest(repr(value))
        problem = f"a stage cannot take a {type(value).__name__}: its content has no key"
        raise TypeError(f"{problem}; pass arrays, plain data or components")

    def _record_key(self, value: Any, key: str) -> None:
        if isinstance(value, np.ndarray) or sparse.issparse(value):
            self._keys[id(value)] = (weakref.ref(value), key)
            return
        items = value.items() if isinstance(value, dict) else ()
        for name, item in enumerate(value) if isinstance(value, tuple) else items:
            self._record_key(item, f"{key}.{name}")
