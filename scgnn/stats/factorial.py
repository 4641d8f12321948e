"""Studies that cross axes: what each level does on its own, and what two do together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from scgnn.stats.effects import ALPHA, add_verdicts, compare_pairs, pivot
from scgnn.stats.paired import FloatArray

LevelValue = str | int | float | bool
AxisLevels = Mapping[str, Sequence[LevelValue]]


def estimate_main_effects(
    table: pd.DataFrame,
    scores: Sequence[str],
    axes: AxisLevels,
    *,
    blocks: Sequence[str] = ("data", "seed"),
    by: str | None = None,
    alpha: float = ALPHA,
    seed: int = 0,
) -> pd.DataFrame:
    """Each level of each axis against the first of its axis, averaged over the other axes.

    Within a block: the mean of ``level − first`` over the combinations of the other axes in which
    both runs succeeded (Montgomery 2017, chapter 5). Over blocks as in :func:`effects`, whose
    columns these are, with ``axis``, ``level`` and ``reference`` for the variant. All main effects
    on one score are one family of tests.

    Parameters
    ----------
    table
        One row per run: axes, blocks and scores. Runs outside the axes are passed over.
    scores
        Columns of scores.
    axes
        Column of each crossed axis and its levels; the first is what others are compared with.
        ``variant`` can be one.
    blocks
        Columns that name a block.
    by
        One of ``blocks``, as in :func:`effects`.
    alpha
        Level of the intervals and, after correction, of the claims.
    seed
        Of the bootstrap, and of the test's random sign patterns.
    """
    rows = []
    for score in scores:
        index, grid = _build_grid(table, score, axes, blocks)
        for at, (axis, levels) in enumerate(axes.items(), start=1):
            first = _flatten_grid(np.take(grid, 0, at))
            for i, level in enumerate(levels[1:], start=1):
                found = compare_pairs(
                    _flatten_grid(np.take(grid, i, at)), first, index, by, alpha, seed
                )
                place = {"axis": axis, "level": level, "reference": levels[0], "score": score}
                rows.append(place | found)
    return add_verdicts(pd.DataFrame(rows), ["score"], alpha)


def estimate_interactions(
    table: pd.DataFrame,
    scores: Sequence[str],
    axes: AxisLevels,
    *,
    blocks: Sequence[str] = ("data", "seed"),
    by: str | None = None,
    alpha: float = ALPHA,
    seed: int = 0,
) -> pd.DataFrame:
    """What two levels of two axes do together beyond the sum of what each does alone.

    Within a block the difference of differences ``(ab − a₀b) − (ab₀ − a₀b₀)``, with a₀ and b₀ the
    first levels, averaged over the other axes where all four runs succeeded; over blocks and with
    parameters as in :func:`main_effects`. All pairs on one score are a family of tests of their
    own, for there are many, and main effects should not pay for them.
    """
    rows = []
    for score in scores:
        index, grid = _build_grid(table, score, axes, blocks)
        for (at, one), (other_at, other) in combinations(enumerate(axes, start=1), 2):
            # other_at > at, so that taking it first leaves `at` where it is
            corner = {
                (i, j): _flatten_grid(np.take(np.take(grid, j, other_at), i, at))
                for i in range(len(axes[one]))
                for j in range(len(axes[other]))
            }
            for i, level in enumerate(axes[one][1:], start=1):
                for j, other_level in enumerate(axes[other][1:], start=1):
                    together = corner[i, j] + corner[0, 0]
                    apart = corner[i, 0] + corner[0, j]
                    found = compare_pairs(together, apart, index, by, alpha, seed)
                    place = {"axis": one, "level": level, "with_axis": other}
                    rows.append(place | {"with_level": other_level, "score": score} | found)
    return add_verdicts(
        pd.DataFrame(rows).drop(columns=["mean_base", "mean_change"], errors="ignore"),
        ["score"],
        alpha,
        claim_template="together {how} by {size} than the sum of both",
        noun="interaction",
    )


def _build_grid(
    table: pd.DataFrame, score: str, axes: AxisLevels, blocks: Sequence[str]
) -> tuple[pd.Index, FloatArray]:
    """One score as blocks x levels of the first axis x levels of the second x …"""
    inside = np.logical_and.reduce([table[axis].isin(levels) for axis, levels in axes.items()])
    wide = pivot(table[inside], score, blocks, list(axes))
    every = pd.MultiIndex.from_product(list(axes.values()), names=list(axes))
    columns = every if len(axes) > 1 else every.get_level_values(0)
    shape = (len(wide), *map(len, axes.values()))
    return wide.index, wide.reindex(columns=columns).to_numpy().reshape(shape)


def _flatten_grid(grid: FloatArray) -> FloatArray:
    """Blocks x combinations of the axes that are left."""
    return grid.reshape(len(grid), -1)
