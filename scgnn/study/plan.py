"""What a study would do: its runs, and how many of their stages are shared.

Every recipe is carried out on a handful of simulated cells with one epoch, the keys of its stages
taken as if its budgets were whole. Two stages of the study are one where these keys are.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from scgnn.components.readers import Demo
from scgnn.components.stopping import NeverStop
from scgnn.errors import UserError
from scgnn.execution.fingerprint import digest
from scgnn.execution.stages import Cost, Obtained, Stages, label_of
from scgnn.recipe.recipe import Recipe, to_yaml
from scgnn.runs.cost_model import STANDARD, Estimate, estimate, size_of, speed
from scgnn.runs.preflight import duration
from scgnn.state import State
from scgnn.stats.effects import ALPHA
from scgnn.stats.paired import blocks_needed
from scgnn.study.spec import Run, Study
from scgnn.training.budget import Training

CELLS, GENES = 24, 16


class Rehearsal(Stages):
    """Stages with one epoch for each training; those of one key are computed once."""

    def __init__(self, known: dict[str, Any]) -> None:
        super().__init__()
        self.known = known

    def obtain(self, key: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Obtained:
        if key not in self.known:
            cheap = (
                replace(a, epochs=min(a.epochs, 1)) if isinstance(a, Training) else a for a in args
            )
            self.known[key] = function(*cheap)
        return Obtained(self.known[key], Cost(label_of(function), 0.0, 0.0), False)


class Foreseen(NamedTuple):
    """What the runs of one block ask for."""

    asked: Counter[str]  # how many runs ask for a stage, by its key
    labels: dict[str, tuple[Run, str]]  # the first run that asks for it, and its name there
    unforeseen: list[str]  # runs of which nothing is known


def stages_of(study: Study) -> Foreseen:
    """The stages of one block.

    Blocks share no stage, as their seeds or their data differ. The loop goes as far as it may, so
    real runs have as many stages or fewer.
    """
    found = Foreseen(Counter(), {}, [])
    known: dict[str, Any] = {}
    first = _block(study, study.runs[0])
    log = logging.getLogger("scgnn")
    level, threads = log.level, torch.get_num_threads()
    log.setLevel(logging.CRITICAL)
    try:
        for run in (run for run in study.runs if _block(study, run) == first):
            stages = Rehearsal(known)
            pipeline = run.recipe.pipeline
            if hasattr(pipeline, "stop"):
                pipeline = replace(pipeline, stop=NeverStop())  # type: ignore[type-var]
            try:
                pipeline(_few_cells(run.recipe), stages, run.recipe.seed)
            except UserError as error:
                found.unforeseen.append(f"{run.label} ({error})")
            except Exception as error:  # whatever a component makes of so few cells
                found.unforeseen.append(f"{run.label} ({type(error).__name__})")
            found.asked.update(stages.costs.keys())
            for key, cost in stages.costs.items():
                found.labels.setdefault(key, (run, cost.label))
    finally:
        log.setLevel(level)
        torch.set_num_threads(threads)
    return found


def _block(study: Study, run: Run) -> tuple[Any, ...]:
    return tuple(run.place[name] for name in study.blocks)


def _version(study: Study, run: Run) -> tuple[Any, ...]:
    """What tells a run from the others of its block."""
    factors = (str(level) for name, level in run.place.items() if name not in study.blocks)
    return run.variant, *factors


def _few_cells(recipe: Recipe) -> State:
    """Cells of their own for every way to prepare data."""
    data = to_yaml(replace(recipe, seed=1, pipeline=type(recipe.pipeline)()))
    hiding = str(recipe.seed) if recipe.data.drawn else ""
    seed = int(digest(data, hiding), 16) % 2**32
    cells = Demo(cells=CELLS, genes=GENES, groups=3, seed=seed)()
    x = np.asarray(cells.X.toarray(), dtype=np.float32)
    if not all(transform.selects for transform in recipe.data.transforms):
        x = np.log1p(x)
    batch = np.arange(CELLS) % 2 if recipe.data.batch is not None else None
    return State(x, np.asarray(cells.var_names), np.asarray(cells.obs_names), batch=batch)


def _cost(study: Study, labels: dict[str, tuple[Run, str]]) -> list[str]:
    """Time and memory of all blocks, each stage counted once."""
    seconds = megabytes = 0.0
    slowness = STANDARD / speed()
    sizes = {run.recipe.data: size_of(run.recipe) for run in study.runs}
    there = {(_block(study, run), _version(study, run)): run.recipe for run in study.runs}
    for block in {_block(study, run) for run in study.runs}:
        known: dict[str, dict[str, Estimate]] = {}
        for run, stage in labels.values():
            if run.label not in known:
                recipe = there[block, _version(study, run)]
                size = sizes[recipe.data]
                if size is None:
                    return ["estimate    known once the data are read"]
                known[run.label] = estimate(recipe, size, slowness)
            if stage in known[run.label]:
                seconds += known[run.label][stage].seconds
                megabytes = max(megabytes, known[run.label][stage].megabytes)
    return [
        f"estimate    roughly {duration(seconds)} of computing where every iteration runs, shared "
        f"among the workers, and {megabytes:,.0f} MB for each"
    ]


def describe_study(study: Study) -> str:
    """What a study will do, in lines."""
    asked, labels, unforeseen = stages_of(study)
    roles = Counter(run.role for run in study.runs)
    blocks = " x ".join(f"{len(a.levels)} {a.name}" for a in study.axes if a.is_block)
    lines = [
        f"study       {study.name}: {len(study.runs)} runs, all recipes are sound",
        f"            {roles['base']} of the base, {roles['change']} with changes, "
        f"{roles['control']} controls",
        f"blocks      {blocks}",
        *(f"factor      {name}: {', '.join(levels)}" for name, levels in study.factors.items()),
        f"variants    {', '.join(study.variants)}",
    ]
    n_blocks = len({_block(study, run) for run in study.runs})
    scores = len(study.runs)  # each run's own
    total, different = n_blocks * sum(asked.values()) + scores, n_blocks * len(asked) + scores
    lines.append(
        f"stages      at most {total:,} asked for, {different:,} different ones: "
        f"{total - different:,} are shared and run once"
    )
    lines += _cost(study, labels)
    lines += [f"            not counted, as {CELLS} cells break it: {run}" for run in unforeseen]
    compared = len(study.variants) - 1
    if compared and n_blocks < (needed := blocks_needed(ALPHA / compared)):
        lines.append(
            f"power       too few blocks ({n_blocks}) to tell any of {compared} comparisons from "
            f"noise after Holm's correction: that takes {needed}, by more data or seeds"
        )
    return "\n".join(lines) + "\n"
