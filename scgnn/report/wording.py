"""Descriptions of pipelines and of the design of a study."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn.arguments import to_text
from scgnn.execution.formatting import format_count, join_names
from scgnn.recipe.data import Data
from scgnn.registry.component import Component
from scgnn.study.wording import describe_comparisons

if TYPE_CHECKING:
    from scgnn.study.spec import Study

DATA_WITHOUT_FILE = {"demo": "simulated counts", "in_memory": "AnnData in memory"}  # by reader


def describe_pipeline(pipeline: Component) -> str:
    """Return a pipeline with the components in its slots."""
    slots = []
    for field in fields(pipeline):  # type: ignore[arg-type]
        value = getattr(pipeline, field.name)
        values = value if isinstance(value, tuple) else (value,)
        if names := [part.name for part in values if isinstance(part, Component)]:
            slots.append(f"{field.name.replace('_', ' ')} {' + '.join(names)}")
    return f"{pipeline.name} ({'; '.join(slots)})" if slots else pipeline.name


def describe_source(data: Data) -> str:
    """Return the path of data, or what they are."""
    name = data.reader.name
    return to_text(getattr(data.reader, "path", "") or DATA_WITHOUT_FILE.get(name, name))


def describe_data(data: Data) -> str:
    """Return the name of the file or folder of data, or what they are."""
    return Path(describe_source(data)).name


def describe_design(study: Study) -> list[tuple[str, str]]:
    """Return the parts of a study's design, each with a label."""
    roles = {run.variant: run.role for run in study.runs}
    changes = [name for name, role in roles.items() if role == "change"]
    controls = [name for name, role in roles.items() if role == "control"]
    base = next(run for run in study.runs if run.role == "base")
    axes = [
        (
            "block" if axis.is_block else "factor",
            f"{axis.name}: {join_names([level.name for level in axis.levels])}",
        )
        for axis in study.axes
    ]
    return [
        ("base", f"{study.base_name}: {describe_pipeline(base.recipe.pipeline)}"),
        ("changes, one at a time", join_names(changes) or "none"),
        *axes,
        ("controls", join_names(controls) or "none"),
        ("comparisons", describe_comparisons(study.comparisons)),
        ("runs", _format_run_count(study, len(changes), len(controls))),
    ]


def _format_run_count(study: Study, n_changes: int, n_controls: int) -> str:
    """Return the number of runs as a product of the numbers of variants, levels and blocks."""
    n_blocks = math.prod(len(axis.levels) for axis in study.axes if axis.is_block)
    variants = "1 base"
    if n_changes:
        variants += f" + {format_count(n_changes, 'change')}"
    controls = f" + {format_count(n_controls, 'control')}" if n_controls else ""
    if study.factors:
        levels = "".join(f" × {len(levels)}" for levels in study.factors.values())
        product = f"({variants}){levels}"
        product = f"({product}{controls})" if controls else product
    else:
        product = f"({variants}{controls})"
    return f"{len(study.runs):,} = {product} × {format_count(n_blocks, 'block')}"
