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
from scgnn.registry.introspection import collect_requirements
from scgnn.state import State
from scgnn.testing.check import register_check, require
from scgnn.testing.exercise import make_demo_state, reduce_budget, run_on_demo


def _require_valid_state(state: State, n_cells: int) -> None:
    require(isinstance(state, State), f"it gives a {type(state).__name__}, not a State")
    require(
        state.clusters is not None and len(state.clusters) == n_cells, "not every cell has a label"
    )
    assert state.clusters is not None
    found = np.unique(state.clusters)
    require(np.array_equal(found, np.arange(len(found))), f"labels are {found}, not 0 … K−1")
    for name in ("embedding", "graph_embedding", "imputed"):
        value = getattr(state, name)
        finite = value is None or bool(np.isfinite(value).all())
        require(finite, f"{name} is not finite")


@register_check("pipeline")
def check_runs_on_demo_data(pipeline: Pipeline) -> None:
    """Forty simulated cells get labels 0 … K−1 and finite embeddings, and it says why it ended."""
    state = run_on_demo(reduce_budget(pipeline))
    _require_valid_state(state, make_demo_state().n_cells)
    require(state.stop_reason, "stopped is empty: say why the pipeline ended")


@register_check("pipeline")
def check_reports_stages(pipeline: Pipeline) -> None:
    """Every step that takes time goes through ``stages``."""
    stages = Stages()
    reduce_budget(pipeline)(make_demo_state(), stages, 1)
    require(stages.seconds, "no step went through stages")


def iter_slots(pipeline: Component) -> Iterator[tuple[str, type[Component], frozenset[str], bool]]:
    """Each field for a component: its name, its kind, what is known there, whether it is a list."""
    hints = typing.get_type_hints(type(pipeline))
    for field in dataclasses.fields(pipeline):  # type: ignore[arg-type]
        if "gives" in field.metadata:
            many = typing.get_origin(hints[field.name]) is tuple
            options = (*typing.get_args(hints[field.name]), hints[field.name])
            kind = next(o for o in options if isinstance(o, type) and issubclass(o, Component))
            yield field.name, kind, field.metadata["gives"], many


@register_check("pipeline", slow=True)
def check_slots_accept_all_components(pipeline: Pipeline) -> None:
    """Each slot runs with each registered component of its kind, or refuses it in a sentence."""
    failures = []
    for slot, kind, given, many in iter_slots(pipeline):
        for name in kind.names():
            part = kind.get(name)()
            if collect_requirements(part) - given:
                continue  # a recipe refuses it before any data is read
            try:
                _run_with_component(pipeline, slot, (part,) if many else part)
            except Exception as error:  # a stranger's component raises anything
                failures.append(f"{slot} {name}: {type(error).__name__}: {error}")
    require(not failures, "; ".join(failures))


def _run_with_component(pipeline: Pipeline, slot: str, component: Any) -> None:
    try:
        changed = dataclasses.replace(pipeline, **{slot: component})  # type: ignore[type-var]
    except ValueError as error:
        require(str(error), "refused without a word")
        return
    try:
        state = run_on_demo(reduce_budget(changed))
    except UserError:
        return  # one sentence: these data are not for it
    _require_valid_state(state, make_demo_state().n_cells)
