"""Numbers and designs in words."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from typing import Any, NamedTuple

from scgnn.registry import Component
from scgnn.study.spec import Study

MAIN = ("ari", "silhouette")
NAMES = {
    "ari": "ARI",
    "ami": "AMI",
    "nmi": "NMI",
    "calinski_harabasz": "Calinski-Harabasz",
    "davies_bouldin": "Davies-Bouldin",
    "fowlkes_mallows": "Fowlkes-Mallows",
    "v_measure": "V measure",
    "n_clusters": "clusters",
    "peak_memory_mb": "peak memory (MB)",
}


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


def score_name(score: str) -> str:
    """A score as a reader knows it."""
    return NAMES.get(score, score.replace("_", " ").replace(".", ", "))


def number(value: Any, size: float | None = None, sign: bool = False) -> str:
    """With the digits that matter at ``size``, no zero before the point, as verdicts have it.

    An en dash where there is no number.
    """
    if value is None or not math.isfinite(value):
        return "∞" if value is not None and value == math.inf else "–"
    size = abs(value) / 10 if size is None or not math.isfinite(size) or not size else size
    most = 3 if abs(value) >= 1 else 6
    places = min(max(0, math.ceil(-math.log10(size / 4))) if size else 0, most)
    rounded = round(float(value), places) + 0.0
    text = f"{rounded:{'+' if sign and rounded else ''},.{places}f}".replace("-", "−")
    return re.sub(r"^([−+]?)0\.", r"\1.", text)


def p_value(p: float) -> str:
    """A p in a table."""
    if not math.isfinite(p):
        return "–"
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def listed(words: list[str], most: int = 12) -> str:
    """Words after one another, the last ones counted where there are many."""
    if len(words) > most:
        return f"{', '.join(words[: most - 1])} and {len(words) - most + 1} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def counted(n: int, thing: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


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
