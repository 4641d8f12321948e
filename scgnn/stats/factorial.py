"""Main effects and interactions of the axes that a study crosses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product

import numpy as np
import pandas as pd

from scgnn.stats.effects import ALPHA, NO_DIRECTIONS, add_verdicts, compare_pairs, pivot
from scgnn.stats.paired import FloatArray

AxisLevels = Mapping[str, Sequence[str | int | float | bool]]


def estimate_main_effects(
    table: pd.DataFrame,
    scores: Sequence[str],
    axes: AxisLevels,
    *,
    blocks: Sequence[str] = ("data", "seed"),
    alpha: float = ALPHA,
    seed: int = 0,
    directions: Mapping[str, int] = NO_DIRECTIONS,
) -> pd.DataFrame:
    """Compare each level of each axis with the first of its axis, averaged over the other axes.

    Within a block: the mean of ``level − first`` over the combinations of the other axes in which
    both runs succeeded (Montgomery 2017, chapter 5). All main effects on one score are one family
    of tests.

    Parameters
    ----------
    table
        One row per run: axes, blocks and scores. Runs outside the axes are ignored.
    scores
        Columns of scores.
    axes
        Column of each crossed axis and its levels, the reference level first. ``variant`` can be
        one.
    blocks, alpha, seed, directions
        As in :func:`scgnn.stats.effects.estimate_effects`.

    Returns
    -------
    The columns of :func:`scgnn.stats.effects.estimate_effects`, with ``axis``, ``level`` and
    ``reference`` instead of the variant.
    """
    rows = []
    for score in scores:
        index, grid = _build_grid(table, score, axes, blocks)
        for i, (axis, levels) in enumerate(axes.items(), start=1):
            first, *others = map(_flatten, np.moveaxis(grid, i, 0))
            for level, values in zip(levels[1:], others, strict=True):
                row = {"axis": axis, "level": level, "reference": levels[0], "score": score}
                rows.append(row | compare_pairs(values, first, index, None, alpha, seed))
    return add_verdicts(pd.DataFrame(rows), ["score"], alpha, directions)


def estimate_interactions(
    table: pd.DataFrame,
    scores: Sequence[str],
    axes: AxisLevels,
    *,
    blocks: Sequence[str] = ("data", "seed"),
    alpha: float = ALPHA,
    seed: int = 0,
    directions: Mapping[str, int] = NO_DIRECTIONS,
) -> pd.DataFrame:
    """Estimate the effect of two levels of two axes together beyond the sum of their own.

    Within a block the difference of differences ``(ab − a₀b) − (ab₀ − a₀b₀)``, with a₀ and b₀ the
    first levels, averaged over the other axes where all four runs succeeded. Parameters as in
    :func:`estimate_main_effects`. All pairs on one score are a family of tests of their own, so
    that they cost the main effects no power.
    """
    rows = []
    for score in scores:
        index, grid = _build_grid(table, score, axes, blocks)
        for (i, a), (j, b) in combinations(enumerate(axes, start=1), 2):
            cells = np.moveaxis(grid, (i, j), (0, 1))  # levels of a x levels of b x blocks x …
            for k, m in product(range(1, len(axes[a])), range(1, len(axes[b]))):
                together = _flatten(cells[k, m]) + _flatten(cells[0, 0])
                apart = _flatten(cells[k, 0]) + _flatten(cells[0, m])
                row = {"axis": a, "level": axes[a][k], "with_axis": b, "with_level": axes[b][m]}
                result = compare_pairs(together, apart, index, None, alpha, seed)
                rows.append(row | {"score": score} | result)
    return add_verdicts(
        pd.DataFrame(rows).drop(columns=["mean_base", "mean_change"], errors="ignore"),
        ["score"],
        alpha,
        directions,
        claim_template="together {how} by {size} than the sum of both",
        noun="interaction",
    )


def _build_grid(
    table: pd.DataFrame, score: str, axes: AxisLevels, blocks: Sequence[str]
) -> tuple[pd.Index, FloatArray]:
    """Return one score as an array: blocks x levels of the first axis x levels of the next."""
    inside = np.logical_and.reduce([table[axis].isin(levels) for axis, levels in axes.items()])
    wide = pivot(table[inside], score, blocks, list(axes))
    levels = pd.MultiIndex.from_product(list(axes.values()), names=list(axes))
    columns = levels if len(axes) > 1 else levels.get_level_values(0)
    shape = (len(wide), *map(len, axes.values()))
    return wide.index, wide.reindex(columns=columns).to_numpy().reshape(shape)


def _flatten(grid: FloatArray) -> FloatArray:
    """Return blocks x combinations of the other axes, contiguous."""
    return np.ascontiguousarray(grid.reshape(len(grid), -1))
