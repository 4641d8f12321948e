"""Checks before a run: its time and memory are estimated, and what cannot fit is rejected."""

from __future__ import annotations

import json
import logging
from bisect import bisect
from collections.abc import Iterable, Iterator
from typing import Any

from scgnn.data.scale import describe_scale, looks_logarithmic
from scgnn.errors import RecipeError, UserError
from scgnn.execution.formatting import format_duration
from scgnn.execution.resources import memory_limit
from scgnn.field_types import DatasetSize, StageEstimate
from scgnn.interface import by_interface, format_removal
from scgnn.pipelines.autoencoders import check_integer_counts
from scgnn.recipe.data import Data
from scgnn.recipe.load import load_recipe
from scgnn.recipe.recipe import Recipe
from scgnn.runs.cost_model import (
    estimate_stages,
    get_dataset_size,
    measure_slowdown,
    peak_memory_mb,
    total_seconds,
)

log = logging.getLogger("scgnn")

LONG_RUN_SECONDS = 6 * 3600  # beyond, a faster recipe is suggested
MEMORY_SAVING_CHANGES = {  # those that change a result least come first
    "pipeline.imputation": None,
    "pipeline.graph_decoder": "inner_product_sampled",
    "pipeline.feature_training.batch_size": 512,
    "pipeline.iteration_training.batch_size": 512,
    "pipeline.cluster_training.batch_size": 512,
    "pipeline.max_iterations": 0,
}


def describe_counts(recipe: Recipe) -> str:
    """Return which matrix of a file is used, and what its values look like; "" if unknown.

    Raises
    ------
    InputError
        The pipeline cannot use these values.
    """
    peeked = recipe.data.reader.peek_counts(recipe.data.layer)
    if peeked is None:
        return ""
    layer, values = peeked
    decoder = getattr(recipe.pipeline, "feature_decoder", None)
    if decoder is not None and decoder.requires_counts:
        check_integer_counts(values)
    line = f"{layer}: {describe_scale(values)}"
    if looks_logarithmic(values) and any(t.name == "log1p" for t in recipe.data.transforms):
        line += f"; if they are, remove log1p ({format_removal('data.transforms.log1p')})"
    return line


def format_estimate(recipe: Recipe) -> str:
    """Return the estimate of a recipe and of its stages as lines of text."""
    size = get_dataset_size(recipe)
    if size is None:
        return "estimate    unknown until the data are read\n"
    slowdown = measure_slowdown()
    estimates = estimate_stages(recipe, size, slowdown)
    if not estimates:
        return ""
    lines = [f"estimate    {summarize_estimate(estimates)}"]
    for stage, (n, seconds, megabytes) in estimates.items():
        repeats = f"{n} x " if n > 1 else ""
        lines.append(f"  {stage:<25} {repeats}{format_duration(seconds)}, {megabytes:,.0f} MB")
    if hint := _suggest_faster_recipe(estimates, size, slowdown):
        lines.append(f"            {hint}")
    return "\n".join(lines) + "\n"


def summarize_estimate(estimates: dict[str, StageEstimate]) -> str:
    """Return the time and memory of all stages as ``roughly 3 min and 800 MB on …``."""
    duration, megabytes = format_duration(total_seconds(estimates)), peak_memory_mb(estimates)
    cost = f"roughly {duration} and {megabytes:,.0f} MB on one thread of an idle machine"
    has_iterations = any(stage.n_repeats > 1 for stage in estimates.values())
    condition = " if every iteration runs" if has_iterations else ""
    return f"{cost}{condition}"


def preflight(recipe: Recipe, size: DatasetSize, force: bool) -> None:
    """Log the estimate of a run and, unless forced, reject what cannot fit into memory.

    Raises
    ------
    UserError
        Suggests settings that fit.
    """
    if not force:
        check_fits_memory(recipe, size)
    slowdown = measure_slowdown()
    if estimates := estimate_stages(recipe, size, slowdown):
        log.info(summarize_estimate(estimates))
        if hint := _suggest_faster_recipe(estimates, size, slowdown):
            log.warning(hint)


def _suggest_faster_recipe(
    estimates: dict[str, StageEstimate], size: DatasetSize, slowdown: float
) -> str:
    """Return the slowest stage of a very long run and the time of scgnn_fast, or nothing."""
    if (seconds := total_seconds(estimates)) < LONG_RUN_SECONDS:
        return ""
    fast = total_seconds(estimate_stages(load_recipe("scgnn_fast"), size, slowdown))
    if fast > seconds / 10:
        return ""
    times = {name: stage.n_repeats * stage.seconds for name, stage in estimates.items()}
    slowest, longest = max(times.items(), key=lambda item: item[1])
    reason = f"{slowest} takes {longest / seconds:.0%} of it"
    return f"{reason}; the recipe scgnn_fast would take {format_duration(fast)} in total"


def check_all_fit_memory(recipes: Iterable[Recipe], n_workers: int = 1) -> None:
    """Check every recipe whose data size is known without reading; see check_fits_memory."""
    for recipe, size in _iter_known_sizes(recipes):
        check_fits_memory(recipe, size, n_workers)


def estimate_largest_memory(recipes: Iterable[Recipe]) -> float:
    """Return the largest memory of runs whose data size is known, in 10^6 bytes."""
    sizes = _iter_known_sizes(recipes)
    return max((peak_memory_mb(estimate_stages(*known)) for known in sizes), default=0.0)


def _iter_known_sizes(recipes: Iterable[Recipe]) -> Iterator[tuple[Recipe, DatasetSize]]:
    """Yield each recipe whose data size is known, and that size, looked up once for all."""
    sizes: dict[Data, DatasetSize | None] = {}
    for recipe in recipes:
        if recipe.data not in sizes:
            sizes[recipe.data] = get_dataset_size(recipe)
        if (size := sizes[recipe.data]) is not None:
            yield recipe, size


def check_fits_memory(recipe: Recipe, size: DatasetSize, n_workers: int = 1) -> None:
    """Check that a recipe fits into an equal part of the memory for each worker.

    Raises
    ------
    UserError
        Suggests settings that fit.
    """
    estimates, limit_mb = estimate_stages(recipe, size), memory_limit() / n_workers
    if (needed_mb := peak_memory_mb(estimates)) <= limit_mb:
        return
    largest = max(estimates, key=lambda stage: estimates[stage].peak_memory_mb)
    per_worker = f" for each of {n_workers} workers" if n_workers > 1 else ""
    needed = f"{size.n_cells:,} cells need roughly {needed_mb:,.0f} MB ({largest})"
    problem = f"{needed}, but only {limit_mb:,.0f} MB are available{per_worker}"
    force = f"{by_interface('--force', 'force=True')} runs it anyway"
    raise UserError(f"{problem}: {_suggest_settings(recipe, size, limit_mb)}; {force}")


def _suggest_settings(recipe: Recipe, size: DatasetSize, limit_mb: float) -> str:
    """Return the fewest settings with which a recipe fits, or the number of cells that fits."""
    changes: dict[str, Any] = {}

    def estimate(changes: dict[str, Any], n_cells: int = size.n_cells) -> float:
        n_nonzeros = size.n_nonzeros * n_cells // size.n_cells
        scaled = size._replace(n_cells=n_cells, n_nonzeros=n_nonzeros)
        return peak_memory_mb(estimate_stages(load_recipe(recipe, changes), scaled))

    n_cells = size.n_cells
    for path, value in MEMORY_SAVING_CHANGES.items():
        try:
            load_recipe(recipe, {**changes, path: value})
        except RecipeError:
            continue  # this pipeline has no such setting
        changes[path] = value
        if estimate(changes) <= limit_mb:
            break
    else:
        n_cells = bisect(range(1, n_cells), limit_mb, key=lambda n: estimate(changes, n))
        unit = 10 ** max(len(str(n_cells)) - 2, 0)
        n_cells = n_cells // unit * unit
    for path in list(changes):
        others = {other: value for other, value in changes.items() if other != path}
        if estimate(others, n_cells) <= limit_mb:
            changes = others
    if n_cells == size.n_cells:
        return f"{_format_options(changes)} makes it fit (roughly {estimate(changes):,.0f} MB)"
    options = f" with {_format_options(changes)}" if changes else ""
    fewer = f"at most {n_cells:,} cells{options}, fewer genes, or " if n_cells else ""
    return f"use {fewer}a machine with more memory"


def _format_options(changes: dict[str, Any]) -> str:
    """Return changes as options of the command, or as arguments of ``scgnn.run``."""
    values = (v if isinstance(v, str) else json.dumps(v) for v in changes.values())
    options = [f"--set {path}={value}" for path, value in zip(changes, values, strict=True)]
    arguments = [f"{path.replace('.', '__')}={value!r}" for path, value in changes.items()]
    return by_interface(" ".join(options), ", ".join(arguments))
