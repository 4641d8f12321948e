"""What stops and pipelines keep to."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

import numpy as np

from scgnn.errors import UserError
from scgnn.execution.stages import Stages
from scgnn.pipelines import Pipeline
from scgnn.registry.component import Component
from scgnn.registry.introspection import requirements
from scgnn.state import State
from scgnn.testing.check import check, demand
from scgnn.testing.exercise import demo, run, small


def _sound(state: State, n: int) -> None:
    demand(isinstance(state, State), f"it gives a {type(state).__name__}, not a State")
    demand(state.labels is not None and len(state.labels) == n, "not every cell has a label")
    assert state.labels is not None
    found = np.unique(state.labels)
    demand(np.array_equal(found, np.arange(len(found))), f"labels are {found}, not 0 … K−1")
    for name in ("embedding", "graph_embedding", "imputed"):
        value = getattr(state, name)
        finite = value is None or bool(np.isfinite(value).all())
        demand(finite, f"{name} is not finite")


@check("pipeline")
def check_runs_a_demo(pipeline: Pipeline) -> None:
    """Forty simulated cells get labels 0 … K−1 and finite embeddings, and it says why it ended."""
    state = run(small(pipeline))
    _sound(state, demo().n_cells)
    demand(state.stopped, "stopped is empty: say why the pipeline ended")


@check("pipeline")
def check_reports_its_stages(pipeline: Pipeline) -> None:
    """Every step that takes time goes through ``stages``."""
    stages = Stages()
    small(pipeline)(demo(), stages, 1)
    demand(stages.seconds, "no step went through stages")


def slots(pipeline: Component) -> Iterator[tuple[str, type[Component], frozenset[str], bool]]:
    """Each field for a component: its name, its kind, what is known there, whether it is a list."""
    hints = typing.get_type_hints(type(pipeline))
    for field in dataclasses.fields(pipeline):  # type: ignore[arg-type]
        if "gives" in field.metadata:
            many = typing.get_origin(hints[field.name]) is tuple
            options = (*typing.get_args(hints[field.name]), hints[field.name])
            kind = next(o for o in options if isinstance(o, type) and issubclass(o, Component))
            yield field.name, kind, field.metadata["gives"], many


@check("pipeline", slow=True)
def check_every_slot_takes_every_component(pipeline: Pipeline) -> None:
    """Each slot runs with each registered component of its kind, or refuses it in a sentence."""
    failures = []
    for slot, kind, given, many in slots(pipeline):
        for name in kind.names():
            part = kind.named(name)()
            if requirements(part) - given:
                continue  # a recipe refuses it before any data is read
            try:
                _try(pipeline, slot, (part,) if many else part)
            except Exception as error:  # a stranger's component raises anything
                failures.append(f"{slot} {name}: {type(error).__name__}: {error}")
    demand(not failures, "; ".join(failures))


def _try(pipeline: Pipeline, slot: str, part: Any) -> None:
    try:
        changed = dataclasses.replace(pipeline, **{slot: part})  # type: ignore[type-var]
    except ValueError as error:
        demand(str(error), "refused without a word")
        return
    try:
        state = run(small(changed))
    except UserError:
        return  # one sentence: these data are not for it
    _sound(state, demo().n_cells)
