"""What is said of a recipe's time and memory before it runs, and what cannot fit is refused."""

from __future__ import annotations

import json
import logging
from bisect import bisect
from collections.abc import Iterable
from functools import partial
from typing import Any

from scgnn.errors import RecipeError, UserError
from scgnn.execution.formatting import format_duration
from scgnn.execution.resources import memory_limit
from scgnn.recipe.data import Data
from scgnn.recipe.load import load_recipe
from scgnn.recipe.recipe import Recipe
from scgnn.runs.cost_model import (
    REFERENCE_FLOPS,
    DatasetSize,
    StageEstimate,
    estimate_stages,
    get_dataset_size,
    measure_flops,
)

log = logging.getLogger("scgnn")

LONG_RUN_SECONDS = 6 * 3600  # seconds of a run before which another recipe is named
MEMORY_SAVING_CHANGES = {  # settings that take less memory, what they change least first
    "pipeline.imputation": None,
    "pipeline.graph_decoder": "inner_product_sampled",
    "pipeline.feature_training.batch_size": 512,
    "pipeline.iteration_training.batch_size": 512,
    "pipeline.cluster_training.batch_size": 512,
    "pipeline.max_iterations": 0,
}


def format_estimate(recipe: Recipe) -> str:
    """What a recipe will take, in lines; what has to be read first is not known."""
    size = get_dataset_size(recipe)
    if size is None:
        return "estimate    known once the data are read\n"
    found = estimate_stages(recipe, size, REFERENCE_FLOPS / measure_flops())
    if not found:
        return ""
    lines = [f"estimate    {summarize_estimate(found)}"]
    for stage, each in found.items():
        times = f"{each.n_repeats} x " if each.n_repeats > 1 else ""
        lines.append(
            f"  {stage:<25} {times}{format_duration(each.seconds)}, {each.peak_memory_mb:,.0f} MB"
        )
    if advice := _suggest_faster_recipe(found, size):
        lines.append(f"            {advice}")
    return "\n".join(lines) + "\n"


def summarize_estimate(estimates: dict[str, StageEstimate]) -> str:
    """Time and memory of all stages: ``roughly 3 min and 800 MB on one thread …``."""
    loops = any(each.n_repeats > 1 for each in estimates.values())
    every = " where every iteration runs" if loops else ""
    took, most = format_duration(total_seconds(estimates)), peak_memory_mb(estimates)
    return f"roughly {took} and {most:,.0f} MB on one thread{every}, reading and writing aside"


def total_seconds(estimates: dict[str, StageEstimate]) -> float:
    """Seconds of all stages."""
    return sum(each.n_repeats * each.seconds for each in estimates.values())


def peak_memory_mb(estimates: dict[str, StageEstimate]) -> float:
    """Megabytes of the stage that needs most."""
    return max((each.peak_memory_mb for each in estimates.values()), default=0.0)


def preflight(recipe: Recipe, size: DatasetSize, force: bool) -> None:
    """Say in the log what a run will take, and refuse what cannot fit unless it is forced.

    Raises
    ------
    UserError
        With the settings that would make it fit.
    """
    if not force:
        check_fits_memory(recipe, size)
    if found := estimate_stages(recipe, size, REFERENCE_FLOPS / measure_flops()):
        log.info(summarize_estimate(found))
        if advice := _suggest_faster_recipe(found, size):
            log.warning(advice)


def _suggest_faster_recipe(estimates: dict[str, StageEstimate], size: DatasetSize) -> str:
    """What takes most of a very long run, and the recipe for so many cells; else nothing."""
    if (seconds := total_seconds(estimates)) < LONG_RUN_SECONDS:
        return ""
    fast = total_seconds(
        estimate_stages(load_recipe("scgnn_fast"), size, REFERENCE_FLOPS / measure_flops())
    )
    if fast > seconds / 10:
        return ""
    stage, most = max(estimates.items(), key=lambda item: item[1].n_repeats * item[1].seconds)
    share = most.n_repeats * most.seconds / seconds
    return f"{stage} is {share:.0%} of that; scgnn_fast would take {format_duration(fast)} for all it does"


def check_all_fit_memory(recipes: Iterable[Recipe], n_workers: int = 1) -> None:
    """Refuse recipes of which one cannot fit, as far as the size of their data can be had.

    Raises
    ------
    UserError
        As :func:`refuse_too_large` does.
    """
    sizes: dict[Data, DatasetSize | None] = {}
    for recipe in recipes:
        if recipe.data not in sizes:
            sizes[recipe.data] = get_dataset_size(recipe)
        if (size := sizes[recipe.data]) is not None:
            check_fits_memory(recipe, size, n_workers)


def check_fits_memory(recipe: Recipe, size: DatasetSize, n_workers: int = 1) -> None:
    """Refuse what cannot fit into the memory of this machine, shared by so many workers.

    Raises
    ------
    UserError
        With the settings that would make it fit.
    """
    found, there_is = estimate_stages(recipe, size), memory_limit() / n_workers
    if peak_memory_mb(found) <= there_is:
        return
    worst = max(found, key=lambda stage: found[stage].peak_memory_mb)
    among = f" for each of {n_workers} workers" if n_workers > 1 else ""
    raise UserError(
        f"{size.n_cells:,} cells need roughly {peak_memory_mb(found):,.0f} MB ({worst}), but there are "
        f"{there_is:,.0f} MB{among}: {_suggest_settings(recipe, size, there_is)}; --force runs it anyhow"
    )


def _suggest_settings(recipe: Recipe, size: DatasetSize, limit_mb: float) -> str:
    """The settings that make a recipe fit, where there are any; as few of them as will do."""
    chosen: dict[str, Any] = {}
    asked = size.n_cells

    def needed(changes: dict[str, Any], of: DatasetSize = size) -> float:
        return peak_memory_mb(estimate_stages(load_recipe(recipe, changes), of))

    for path, value in MEMORY_SAVING_CHANGES.items():
        try:
            load_recipe(recipe, {**chosen, path: value})
        except RecipeError:
            continue  # this pipeline has no such setting
        chosen[path] = value
        if needed(chosen) <= limit_mb:
            break
    else:
        few = partial(_scale_size, size)
        fit = bisect(range(1, size.n_cells), limit_mb, key=lambda cells: needed(chosen, few(cells)))
        digits = 10 ** max(len(str(fit)) - 2, 0)
        size = few(fit // digits * digits)
    for path in list(chosen):
        without = {other: value for other, value in chosen.items() if other != path}
        if needed(without, size) <= limit_mb:
            chosen = without
    if size.n_cells < asked:
        where = f" with {_format_options(chosen)}" if chosen else ""
        fewer = (
            f" at most {size.n_cells:,} cells{where}, or fewer genes, or" if size.n_cells else ""
        )
        return f"take{fewer} a machine with more memory"
    return f"{_format_options(chosen)} makes it fit (roughly {needed(chosen):,.0f} MB)"


def _scale_size(size: DatasetSize, n_cells: int) -> DatasetSize:
    """Data like these of so many cells."""
    return size._replace(n_cells=n_cells, n_nonzeros=size.n_nonzeros * n_cells // size.n_cells)


def _format_options(changes: dict[str, Any]) -> str:
    """Changes as options of a command."""
    values = (v if isinstance(v, str) else json.dumps(v) for v in changes.values())
    return " ".join(f"--set {path}={value}" for path, value in zip(changes, values, strict=True))
