"""Plan of a study: its runs, and how many of their stages are shared.

Every recipe runs on a few simulated cells with one epoch per training, while the keys of its
stages are those of its real budgets. Stages with the same key are shared.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from scgnn.components.readers import Demo
from scgnn.components.stopping import NeverStop
from scgnn.errors import UserError
from scgnn.execution.cache import StageCost, StageResult
from scgnn.execution.fingerprint import digest
from scgnn.execution.formatting import format_count, format_duration
from scgnn.execution.stages import Stages, stage_label
from scgnn.recipe.recipe import Recipe, to_yaml
from scgnn.runs.cost_model import estimate_stages, get_dataset_size, measure_slowdown
from scgnn.state import State
from scgnn.stats.effects import ALPHA
from scgnn.stats.paired import minimum_blocks, minimum_p_value
from scgnn.study.spec import Axis, Run, Study
from scgnn.study.wording import describe_comparisons, describe_missing_scores
from scgnn.training.settings import Training

N_CELLS, N_GENES = 24, 16


class DryRunStages(Stages):
    """Stages with one epoch per training; those of one key are computed once."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__()
        self.values = values
        self.new_labels: list[str] = []  # of stages that no run before this one needed

    def get_or_compute(
        self, key: str, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> StageResult:
        """Return the value of a stage at a reduced budget."""
        label = stage_label(function)
        if key not in self.values:
            self.values[key] = function(*map(_reduce_budget, args))
            self.new_labels.append(label)
        return StageResult(self.values[key], StageCost(label, 0.0, 0.0), False)


def _reduce_budget(value: Any) -> Any:
    return replace(value, epochs=min(value.epochs, 1)) if isinstance(value, Training) else value


class StagePlan(NamedTuple):
    """Stages of the runs of one block.

    Attributes
    ----------
    n_requests
        Number of stages of each run, by treatment.
    new_labels
        Labels of the stages that no run before needs, by treatment.
    unplanned_runs
        Runs that failed on the simulated cells, with the reason.
    """

    n_requests: dict[tuple[str, ...], int]
    new_labels: dict[tuple[str, ...], list[str]]
    unplanned_runs: list[str]


def plan_stages(study: Study) -> StagePlan:
    """Return the stages of one block.

    Blocks share no stage, as their seeds or data differ. No stopping rule is applied, so that
    real runs have as many stages or fewer.
    """
    plan = StagePlan({}, {}, [])
    values: dict[str, Any] = {}
    first_block = _get_block(study, study.runs[0])
    log = logging.getLogger("scgnn")
    level, threads = log.level, torch.get_num_threads()
    log.setLevel(logging.CRITICAL)
    try:
        for run in study.runs:
            if _get_block(study, run) != first_block:
                continue
            stages, pipeline = DryRunStages(values), run.recipe.pipeline
            if hasattr(pipeline, "stop"):
                pipeline = replace(pipeline, stop=NeverStop())  # type: ignore[type-var]
            try:
                pipeline(_simulate_cells(run.recipe), stages, run.recipe.seed)
            except Exception as error:  # a component may fail on so few cells
                reason = str(error) if isinstance(error, UserError) else type(error).__name__
                plan.unplanned_runs.append(f"{run.label} ({reason})")
            treatment = _get_treatment(study, run)
            plan.n_requests[treatment] = len(stages.costs)
            plan.new_labels[treatment] = stages.new_labels
    finally:
        log.setLevel(level)
        torch.set_num_threads(threads)
    return plan


def _get_block(study: Study, run: Run) -> tuple[Any, ...]:
    return tuple(run.levels[name] for name in study.blocks)


def _get_treatment(study: Study, run: Run) -> tuple[str, ...]:
    """Return what distinguishes a run from the others of its block."""
    factors = (str(level) for name, level in run.levels.items() if name not in study.blocks)
    return run.variant, *factors


def _simulate_cells(recipe: Recipe) -> State:
    """Return cells that are the same for recipes that prepare their data in the same way."""
    data = to_yaml(replace(recipe, seed=1, pipeline=type(recipe.pipeline)()))
    seed = digest(data, str(recipe.seed) if recipe.data.is_stochastic else "")
    cells = Demo(n_cells=N_CELLS, n_genes=N_GENES, n_groups=3, seed=int(seed, 16) % 2**32)()
    x = np.asarray(cells.X.toarray(), dtype=np.float32)
    if not all(transform.drops_cells_or_genes for transform in recipe.data.transforms):
        x = np.log1p(x)
    batch = np.arange(N_CELLS) % 2 if recipe.data.batch_key is not None else None
    return State(x, np.asarray(cells.var_names), np.asarray(cells.obs_names), batch=batch)


def _format_estimate(study: Study, plan: StagePlan) -> str:
    """Return the time and memory of all blocks, each stage counted once."""
    seconds = megabytes = 0.0
    slowness = measure_slowdown()
    sizes = {run.recipe.data: get_dataset_size(run.recipe) for run in study.runs}
    for run in study.runs:
        size, labels = sizes[run.recipe.data], plan.new_labels[_get_treatment(study, run)]
        if size is None:
            return "known once the data are read"
        estimates = estimate_stages(run.recipe, size, slowness) if labels else {}
        for estimate in (estimates[label] for label in labels if label in estimates):
            seconds += estimate.seconds
            megabytes = max(megabytes, estimate.peak_memory_mb)
    return (
        f"roughly {format_duration(seconds)} of computing if every iteration runs, divided among "
        f"the workers, and {megabytes:,.0f} MB for each"
    )


def _list_data(study: Study) -> list[str]:
    return next([level.name for level in axis.levels] for axis in study.axes if axis.name == "data")


def _count_levels(axis: Axis) -> str:
    """Return the number of levels of an axis with its name, such as '2 data sets'."""
    n, noun = len(axis.levels), {"data": "data set", "seed": "seed"}.get(axis.name)
    return f"{n} {axis.name}" if noun is None else f"{n} {noun}{'' if n == 1 else 's'}"


def describe_study(study: Study) -> str:
    """Return the runs, stages and expected cost of a study, one line each."""
    plan = plan_stages(study)
    n_blocks = _count_blocks(study)
    # each run has its scores, which no other run shares
    n_stages = n_blocks * sum(plan.n_requests.values()) + len(study.runs)
    n_unique = n_blocks * sum(map(len, plan.new_labels.values())) + len(study.runs)
    lines = [
        f"study       {study.name}: {len(study.runs)} runs, all recipes are valid",
        f"            {describe_roles(study)}",
        f"blocks      {' x '.join(_count_levels(axis) for axis in study.axes if axis.is_block)}",
        f"data        {', '.join(_list_data(study))}",
        *(f"factor      {name}: {', '.join(levels)}" for name, levels in study.factors.items()),
        f"variants    {', '.join(study.variants)}",
        f"comparisons {describe_comparisons(study.comparisons)}",
        f"stages      at most {n_stages:,}, {n_unique:,} of them unique: {n_stages - n_unique:,} "
        "are shared and run once",
        f"estimate    {_format_estimate(study, plan)}",
        *(
            f"            not included, as it fails on {N_CELLS} simulated cells: {run}"
            for run in plan.unplanned_runs
        ),
    ]
    lines += [f"{topic:<12}{problem}" for topic, problem in list_design_problems(study)]
    return "\n".join(lines) + "\n"


def describe_roles(study: Study) -> str:
    """Return the number of runs of the base, with changes and of controls."""
    roles = Counter(run.role for run in study.runs)
    controls = format_count(roles["control"], "control")
    return f"{roles['base']} of the base, {roles['change']} with changes, {controls}"


def list_design_problems(study: Study) -> list[tuple[str, str]]:
    """Return why a study cannot answer its questions, however its runs end, each with its topic."""
    problems = []
    n_blocks = _count_blocks(study)
    # as in the results, a change is compared at every level of the factors
    n_levels = math.prod(len(levels) for levels in study.factors.values())
    for kind, n_pairs in (("change", n_blocks * n_levels), ("main effect", n_blocks)):
        if problem := describe_power_problem(n_pairs, study.comparisons.get(kind, 0), kind):
            problems.append(("power", problem))
    if problem := describe_missing_scores(study):
        problems.append(("scores", problem))
    return problems


def _count_blocks(study: Study) -> int:
    return len({_get_block(study, run) for run in study.runs})


def describe_power_problem(n_blocks: int, n_changes: int, kind: str = "change") -> str:
    """Return why no change can be significant, and what to do; "" if one can be."""
    level = ALPHA / max(n_changes, 1)
    if not n_changes or minimum_p_value(n_blocks) <= level:
        return ""
    changes = f"any of {format_count(n_changes, kind)} to be significant after Holm's correction"
    changes = changes if n_changes > 1 else f"the {kind} to be significant"
    n_needed = minimum_blocks(level)
    if minimum_p_value(n_needed) > level:
        limit = f"at most {ALPHA / minimum_p_value(n_needed):,.0f} can be with any number of blocks"
        return f"too many {kind}s for {changes}: {limit}; divide them among several studies"
    blocks = f"{n_blocks} block{' is' if n_blocks == 1 else 's are'}"
    return f"{blocks} too few for {changes}: {n_needed} are needed; add data sets or seeds"
