"""Checks of pipelines."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from scgnn.errors import UserError
from scgnn.execution.stages import Stages
from scgnn.pipelines import Pipeline
from scgnn.registry.annotations import classify, resolve_type_hints
from scgnn.registry.component import Component
from scgnn.registry.introspection import collect_requirements
from scgnn.state import State
from scgnn.testing.check import register_check, require, require_finite
from scgnn.testing.exercise import make_demo_state, reduce_budget, run_on_demo


def _run(pipeline: Pipeline) -> State:
    """Run a pipeline on simulated cells with a small budget and require a valid result."""
    state = run_on_demo(reduce_budget(pipeline))
    require(isinstance(state, State), f"it returns {type(state).__name__}, not State")
    n_clustered = 0 if state.clusters is None else len(state.clusters)
    require(n_clustered == make_demo_state().n_cells, "not every cell has a cluster")
    labels = np.unique(state.clusters)  # type: ignore[arg-type]
    require(np.array_equal(labels, np.arange(len(labels))), f"clusters are {labels}, not 0 … K−1")
    for name in ("embedding", "graph_embedding", "imputed"):
        if getattr(state, name) is not None:
            require_finite(getattr(state, name), name)
    return state


@register_check("pipeline")
def check_runs_on_demo_data(pipeline: Pipeline) -> None:
    """Check that it clusters 40 cells, with finite embeddings, and reports why it ended."""
    require(_run(pipeline).stop_reason, "stop_reason is empty; state why the pipeline ended")


@register_check("pipeline")
def check_reports_stages(pipeline: Pipeline) -> None:
    """Check that it computes through ``stages``."""
    stages = Stages()
    reduce_budget(pipeline)(make_demo_state(), stages, 1)
    require(stages.seconds, "nothing was computed through stages")


def iter_slots(pipeline: Component) -> Iterator[tuple[str, type[Component], frozenset[str], bool]]:
    """Yield each slot: its name, kind, available State fields and whether it holds a list."""
    cls: type = type(pipeline)
    for field in dataclasses.fields(cls):
        if "available" in field.metadata:
            field_type = classify(resolve_type_hints(cls)[field.name])
            kind = field_type.kind or classify(field_type.item).kind
            assert kind is not None
            yield field.name, kind, field.metadata["available"], field_type.kind is None


@register_check("pipeline", slow=True)
def check_slots_accept_all_components(pipeline: Pipeline) -> None:
    """Check that each slot accepts all components of its kind, or refuses them with a reason."""
    failures = []
    for slot, kind, available, is_list in iter_slots(pipeline):
        for name in kind.names():
            part = kind.get(name)()
            if collect_requirements(part) - available:
                continue  # refused when the recipe is loaded
            try:
                _run_with_component(pipeline, slot, (part,) if is_list else part)
            except Exception as error:  # third-party components can raise anything
                failures.append(f"{slot} {name}: {type(error).__name__}: {error}")
    require(not failures, "; ".join(failures))


def _run_with_component(pipeline: Pipeline, slot: str, component: Any) -> None:
    try:
        changed = dataclasses.replace(pipeline, **{slot: component})  # type: ignore[type-var]
    except ValueError as error:
        require(str(error), "it is refused without a reason")
        return
    with contextlib.suppress(UserError):  # data that the component refuses
        _run(changed)
