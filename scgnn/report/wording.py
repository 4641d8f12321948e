"""Numbers and designs in words."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import NamedTuple

from scgnn.plotting.formatting import counted, listed
from scgnn.registry.component import Component
from scgnn.study.spec import Study

MAIN = ("ari", "silhouette")


class Sheet(NamedTuple):
    """A table of text, its first column naming the rows; every format is made of it."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def main_score(scores: list[str]) -> str | None:
    """The score that a page is about: agreement with the truth, or else the silhouette."""
    return next((name for name in (*MAIN, *scores) if name in scores), None)


def reported(scores: list[str]) -> list[str]:
    """Scores without the times of single stages, which the .csv files have."""
    return [name for name in scores if not name.startswith("seconds.")]


def method(pipeline: Component) -> str:
    """A pipeline and the parts in its slots."""
    found = []
    for field in fields(pipeline):  # type: ignore[arg-type]
        value = getattr(pipeline, field.name)
        values = value if isinstance(value, tuple) else (value,)
        names = [part.name for part in values if isinstance(part, Component)]
        if names:
            found.append(f"{field.name.replace('_', ' ')} {' + '.join(names)}")
    return f"{pipeline.name} ({'; '.join(found)})" if found else pipeline.name


def question(study: Study) -> list[tuple[str, str]]:
    """What a study asks, by part."""
    roles = {run.variant: run.role for run in study.runs}
    changes, controls = (
        [name for name, role in roles.items() if role == wanted] for wanted in ("change", "control")
    )
    base = next(run for run in study.runs if run.role == "base")
    lines = [("base", f"{study.base}: {method(base.recipe.pipeline)}")]
    lines.append(("changed, one at a time", listed(changes) if changes else "nothing"))
    for axis in study.axes:
        levels = listed([level.name for level in axis.levels])
        part = "repeated over" if axis.is_block else "crossed with"
        lines.append((part, f"{axis.name}: {levels}"))
    lines.append(("controls", listed(controls) if controls else "none"))
    lines.append(("runs", _product(study, len(changes), len(controls))))
    return lines


def _product(study: Study, changes: int, controls: int) -> str:
    """How many runs, and why."""
    factors = [len(levels) for levels in study.factors.values()]
    blocks = math.prod(len(axis.levels) for axis in study.axes if axis.is_block)
    variants = " + ".join(
        ["1 base", *([counted(changes, "change")] if changes else [])]
        + ([counted(controls, "control")] if controls and not factors else [])
    )
    levels = "".join(f" × {n}" for n in factors)
    rest = f" + {counted(controls, 'control')}" if controls and factors else ""
    left = f"({variants}){levels}"
    left = f"({left}{rest})" if rest else left
    return f"{len(study.runs):,} = {left} × {counted(blocks, 'block')}"
