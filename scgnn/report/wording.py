"""Numbers and designs in words."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import NamedTuple

from scgnn.plotting.formatting import format_count, join_names
from scgnn.registry.component import Component
from scgnn.study.spec import Study

MAIN_SCORES = ("ari", "silhouette")


class TextTable(NamedTuple):
    """A table of text, its first column naming the rows; every format is made of it."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def select_main_score(scores: list[str]) -> str | None:
    """The score that a page is about: agreement with the truth, or else the silhouette."""
    return next((name for name in (*MAIN_SCORES, *scores) if name in scores), None)


def select_reported_scores(scores: list[str]) -> list[str]:
    """Scores without the times of single stages, which the .csv files have."""
    return [name for name in scores if not name.startswith("seconds.")]


def describe_pipeline(pipeline: Component) -> str:
    """A pipeline and the parts in its slots."""
    found = []
    for field in fields(pipeline):  # type: ignore[arg-type]
        value = getattr(pipeline, field.name)
        values = value if isinstance(value, tuple) else (value,)
        names = [part.name for part in values if isinstance(part, Component)]
        if names:
            found.append(f"{field.name.replace('_', ' ')} {' + '.join(names)}")
    return f"{pipeline.name} ({'; '.join(found)})" if found else pipeline.name


def describe_design(study: Study) -> list[tuple[str, str]]:
    """What a study asks, by part."""
    roles = {run.variant: run.role for run in study.runs}
    changes, controls = (
        [name for name, role in roles.items() if role == wanted] for wanted in ("change", "control")
    )
    base = next(run for run in study.runs if run.role == "base")
    lines = [("base", f"{study.base_name}: {describe_pipeline(base.recipe.pipeline)}")]
    lines.append(("changed, one at a time", join_names(changes) if changes else "nothing"))
    for axis in study.axes:
        levels = join_names([level.name for level in axis.levels])
        part = "repeated over" if axis.is_block else "crossed with"
        lines.append((part, f"{axis.name}: {levels}"))
    lines.append(("controls", join_names(controls) if controls else "none"))
    lines.append(("runs", _format_run_count(study, len(changes), len(controls))))
    return lines


def _format_run_count(study: Study, changes: int, controls: int) -> str:
    """How many runs, and why."""
    factors = [len(levels) for levels in study.factors.values()]
    blocks = math.prod(len(axis.levels) for axis in study.axes if axis.is_block)
    variants = " + ".join(
        ["1 base", *([format_count(changes, "change")] if changes else [])]
        + ([format_count(controls, "control")] if controls and not factors else [])
    )
    levels = "".join(f" × {n}" for n in factors)
    rest = f" + {format_count(controls, 'control')}" if controls and factors else ""
    left = f"({variants}){levels}"
    left = f"({left}{rest})" if rest else left
    return f"{len(study.runs):,} = {left} × {format_count(blocks, 'block')}"
