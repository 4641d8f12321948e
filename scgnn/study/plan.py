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
from scgnn.execution.formatting import format_duration
from scgnn.execution.stages import StageCost, StageResult, Stages, stage_label
from scgnn.recipe.recipe import Recipe, to_yaml
from scgnn.runs.cost_model import (
    REFERENCE_FLOPS,
    StageEstimate,
    estimate_stages,
    get_dataset_size,
    measure_flops,
)
from scgnn.state import State
from scgnn.stats.effects import ALPHA
from scgnn.stats.paired import minimum_blocks
from scgnn.study.spec import Run, Study
from scgnn.training.budget import Training

N_CELLS, N_GENES = 24, 16


class DryRunStages(Stages):
    """Stages with one epoch for each training; those of one key are computed once."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__()
        self.values = values

    def get_or_compute(
        self, key: str, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> StageResult:
        if key not in self.values:
            cheap = (
                replace(a, epochs=min(a.epochs, 1)) if isinstance(a, Training) else a for a in args
            )
            self.values[key] = function(*cheap)
        return StageResult(self.values[key], StageCost(stage_label(function), 0.0, 0.0), False)


class StagePlan(NamedTuple):
    """What the runs of one block ask for."""

    requests: Counter[str]  # how many runs ask for a stage, by its key
    first_requests: dict[str, tuple[Run, str]]  # the first run that asks for it, and its name there
    unplanned_runs: list[str]  # runs of which nothing is known


def plan_stages(study: Study) -> StagePlan:
    """The stages of one block.

    Blocks share no stage, as their seeds or their data differ. The loop goes as far as it may, so
    real runs have as many stages or fewer.
    """
    found = StagePlan(Counter(), {}, [])
    known: dict[str, Any] = {}
    first = _get_block(study, study.runs[0])
    log = logging.getLogger("scgnn")
    level, threads = log.level, torch.get_num_threads()
    log.setLevel(logging.CRITICAL)
    try:
        for run in (run for run in study.runs if _get_block(study, run) == first):
            stages = DryRunStages(known)
            pipeline = run.recipe.pipeline
            if hasattr(pipeline, "stop"):
                pipeline = replace(pipeline, stop=NeverStop())  # type: ignore[type-var]
            try:
                pipeline(_simulate_cells(run.recipe), stages, run.recipe.seed)
            except UserError as error:
                found.unplanned_runs.append(f"{run.label} ({error})")
            except Exception as error:  # whatever a component makes of so few cells
                found.unplanned_runs.append(f"{run.label} ({type(error).__name__})")
            found.requests.update(stages.costs.keys())
            for key, cost in stages.costs.items():
                found.first_requests.setdefault(key, (run, cost.label))
    finally:
        log.setLevel(level)
        torch.set_num_threads(threads)
    return found


def _get_block(study: Study, run: Run) -> tuple[Any, ...]:
    return tuple(run.levels[name] for name in study.blocks)


def _get_treatment(study: Study, run: Run) -> tuple[Any, ...]:
    """What tells a run from the others of its block."""
    factors = (str(level) for name, level in run.levels.items() if name not in study.blocks)
    return run.variant, *factors


def _simulate_cells(recipe: Recipe) -> State:
    """Cells of their own for every way to prepare data."""
    data = to_yaml(replace(recipe, seed=1, pipeline=type(recipe.pipeline)()))
    hiding = str(recipe.seed) if recipe.data.is_stochastic else ""
    seed = int(digest(data, hiding), 16) % 2**32
    cells = Demo(n_cells=N_CELLS, n_genes=N_GENES, n_groups=3, seed=seed)()
    x = np.asarray(cells.X.toarray(), dtype=np.float32)
    if not all(transform.drops_cells_or_genes for transform in recipe.data.transforms):
        x = np.log1p(x)
    batch = np.arange(N_CELLS) % 2 if recipe.data.batch_key is not None else None
    return State(x, np.asarray(cells.var_names), np.asarray(cells.obs_names), batch=batch)


def _format_estimate(study: Study, first_requests: dict[str, tuple[Run, str]]) -> list[str]:
    """Time and memory of all blocks, each stage counted once."""
    seconds = megabytes = 0.0
    slowness = REFERENCE_FLOPS / measure_flops()
    sizes = {run.recipe.data: get_dataset_size(run.recipe) for run in study.runs}
    there = {(_get_block(study, run), _get_treatment(study, run)): run.recipe for run in study.runs}
    for block in {_get_block(study, run) for run in study.runs}:
        known: dict[str, dict[str, StageEstimate]] = {}
        for run, stage in first_requests.values():
            if run.label not in known:
                recipe = there[block, _get_treatment(study, run)]
                size = sizes[recipe.data]
                if size is None:
                    return ["estimate    known once the data are read"]
                known[run.label] = estimate_stages(recipe, size, slowness)
            if stage in known[run.label]:
                seconds += known[run.label][stage].seconds
                megabytes = max(megabytes, known[run.label][stage].peak_memory_mb)
    return [
        f"estimate    roughly {format_duration(seconds)} of computing where every iteration runs, shared "
        f"among the workers, and {megabytes:,.0f} MB for each"
    ]


def describe_study(study: Study) -> str:
    """What a study will do, in lines."""
    asked, labels, unforeseen = plan_stages(study)
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
    n_blocks = len({_get_block(study, run) for run in study.runs})
    scores = len(study.runs)  # each run's own
    total, different = n_blocks * sum(asked.values()) + scores, n_blocks * len(asked) + scores
    lines.append(
        f"stages      at most {total:,} asked for, {different:,} different ones: "
        f"{total - different:,} are shared and run once"
    )
    lines += _format_estimate(study, labels)
    lines += [f"            not counted, as {N_CELLS} cells break it: {run}" for run in unforeseen]
    compared = len(study.variants) - 1
    if compared and n_blocks < (needed := minimum_blocks(ALPHA / compared)):
        lines.append(
            f"power       too few blocks ({n_blocks}) to tell any of {compared} comparisons from "
            f"noise after Holm's correction: that takes {needed}, by more data or seeds"
        )
    return "\n".join(lines) + "\n"
