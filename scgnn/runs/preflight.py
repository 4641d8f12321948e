"""What is said of a recipe's time and memory before it runs, and what cannot fit is refused."""

from __future__ import annotations

import json
import logging
from bisect import bisect
from collections.abc import Iterable
from functools import partial
from typing import Any

from scgnn.errors import RecipeError, UserError
from scgnn.execution.resources import memory_there_is
from scgnn.recipe.data import Data
from scgnn.recipe.load import load_recipe
from scgnn.recipe.recipe import Recipe
from scgnn.runs.cost_model import STANDARD, Estimate, Size, estimate, size_of, speed

log = logging.getLogger("scgnn")

LONG = 6 * 3600  # seconds of a run before which another recipe is named
SMALLER = {  # settings that take less memory, what they change least first
    "pipeline.impute": False,
    "pipeline.graph_decoder": "inner_product_sampled",
    "pipeline.feature_training.batch_size": 512,
    "pipeline.iteration_training.batch_size": 512,
    "pipeline.cluster_training.batch_size": 512,
    "pipeline.max_iterations": 0,
}


def expected(recipe: Recipe) -> str:
    """What a recipe will take, in lines; what has to be read first is not known."""
    size = size_of(recipe)
    if size is None:
        return "estimate    known once the data are read\n"
    found = estimate(recipe, size, STANDARD / speed())
    if not found:
        return ""
    lines = [f"estimate    {in_short(found)}"]
    for stage, each in found.items():
        times = f"{each.times} x " if each.times > 1 else ""
        lines.append(f"  {stage:<25} {times}{duration(each.seconds)}, {each.megabytes:,.0f} MB")
    if advice := _shorter(found, size):
        lines.append(f"            {advice}")
    return "\n".join(lines) + "\n"


def in_short(found: dict[str, Estimate]) -> str:
    """Time and memory of all stages: ``roughly 3 min and 800 MB on one thread …``."""
    loops = any(each.times > 1 for each in found.values())
    every = " where every iteration runs" if loops else ""
    took, most = duration(whole(found)), peak(found)
    return f"roughly {took} and {most:,.0f} MB on one thread{every}, reading and writing aside"


def whole(found: dict[str, Estimate]) -> float:
    """Seconds of all stages."""
    return sum(each.times * each.seconds for each in found.values())


def peak(found: dict[str, Estimate]) -> float:
    """Megabytes of the stage that needs most."""
    return max((each.megabytes for each in found.values()), default=0.0)


def foresee(recipe: Recipe, size: Size, force: bool) -> None:
    """Say in the log what a run will take, and refuse what cannot fit unless it is forced.

    Raises
    ------
    UserError
        With the settings that would make it fit.
    """
    if not force:
        refuse_too_large(recipe, size)
    if found := estimate(recipe, size, STANDARD / speed()):
        log.info(in_short(found))
        if advice := _shorter(found, size):
            log.warning(advice)


def _shorter(found: dict[str, Estimate], size: Size) -> str:
    """What takes most of a very long run, and the recipe for so many cells; else nothing."""
    if (seconds := whole(found)) < LONG:
        return ""
    fast = whole(estimate(load_recipe("scgnn_fast"), size, STANDARD / speed()))
    if fast > seconds / 10:
        return ""
    stage, most = max(found.items(), key=lambda item: item[1].times * item[1].seconds)
    share = most.times * most.seconds / seconds
    return f"{stage} is {share:.0%} of that; scgnn_fast would take {duration(fast)} for all it does"


def refuse_where_too_large(recipes: Iterable[Recipe], workers: int = 1) -> None:
    """Refuse recipes of which one cannot fit, as far as the size of their data can be had.

    Raises
    ------
    UserError
        As :func:`refuse_too_large` does.
    """
    sizes: dict[Data, Size | None] = {}
    for recipe in recipes:
        if recipe.data not in sizes:
            sizes[recipe.data] = size_of(recipe)
        if (size := sizes[recipe.data]) is not None:
            refuse_too_large(recipe, size, workers)


def refuse_too_large(recipe: Recipe, size: Size, workers: int = 1) -> None:
    """Refuse what cannot fit into the memory of this machine, shared by so many workers.

    Raises
    ------
    UserError
        With the settings that would make it fit.
    """
    found, there_is = estimate(recipe, size), memory_there_is() / workers
    if peak(found) <= there_is:
        return
    worst = max(found, key=lambda stage: found[stage].megabytes)
    among = f" for each of {workers} workers" if workers > 1 else ""
    raise UserError(
        f"{size.cells:,} cells need roughly {peak(found):,.0f} MB ({worst}), but there are "
        f"{there_is:,.0f} MB{among}: {_remedy(recipe, size, there_is)}; --force runs it anyhow"
    )


def _remedy(recipe: Recipe, size: Size, there_is: float) -> str:
    """The settings that make a recipe fit, where there are any; as few of them as will do."""
    chosen: dict[str, Any] = {}
    asked = size.cells

    def needed(changes: dict[str, Any], of: Size = size) -> float:
        return peak(estimate(load_recipe(recipe, changes), of))

    for path, value in SMALLER.items():
        try:
            load_recipe(recipe, {**chosen, path: value})
        except RecipeError:
            continue  # this pipeline has no such setting
        chosen[path] = value
        if needed(chosen) <= there_is:
            break
    else:
        few = partial(_with_cells, size)
        fit = bisect(range(1, size.cells), there_is, key=lambda cells: needed(chosen, few(cells)))
        digits = 10 ** max(len(str(fit)) - 2, 0)
        size = few(fit // digits * digits)
    for path in list(chosen):
        without = {other: value for other, value in chosen.items() if other != path}
        if needed(without, size) <= there_is:
            chosen = without
    if size.cells < asked:
        where = f" with {_words(chosen)}" if chosen else ""
        fewer = f" at most {size.cells:,} cells{where}, or fewer genes, or" if size.cells else ""
        return f"take{fewer} a machine with more memory"
    return f"{_words(chosen)} makes it fit (roughly {needed(chosen):,.0f} MB)"


def duration(seconds: float) -> str:
    """``3 s``, ``2 min``, ``1.5 h``, ``4 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else "under 1 s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:,.0f} days"


def _with_cells(size: Size, cells: int) -> Size:
    """Data like these of so many cells."""
    return size._replace(cells=cells, nonzeros=size.nonzeros * cells // size.cells)


def _words(changes: dict[str, Any]) -> str:
    """Changes as options of a command."""
    values = (v if isinstance(v, str) else json.dumps(v) for v in changes.values())
    return " ".join(f"--set {path}={value}" for path, value in zip(changes, values, strict=True))
