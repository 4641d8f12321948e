"""Ranks of variants within each block, and groups of variants that do not differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from scgnn.errors import InputError
from scgnn.stats.effects import ALPHA, pivot


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of variants on one score, best first.

    Parameters
    ----------
    score
        Score that is ranked.
    mean_ranks
        One per variant, ascending, 1 the best; equal scores share the mean of their ranks.
    n_blocks
        Blocks in which every variant has a score; only these are used.
    n_incomplete_blocks
        Blocks left out because a variant has no score.
    unscored_variants
        Variants left out because all of their runs failed.
    statistic, p
        Friedman's chi-square test that all variants rank alike; NaN for fewer than three.
    critical_difference
        Mean ranks that differ by more than this are significantly different (Nemenyi 1963).
    groups
        Variants that do not differ significantly: the longest runs of mean ranks within one
        critical difference, or all variants where Friedman's test is not significant.
    """

    score: str
    mean_ranks: pd.Series
    n_blocks: int
    n_incomplete_blocks: int
    unscored_variants: tuple[str, ...]
    statistic: float
    p: float
    critical_difference: float
    groups: tuple[tuple[str, ...], ...]


def rank_variants(
    table: pd.DataFrame,
    score: str,
    *,
    blocks: Sequence[str] = ("data", "seed"),
    alpha: float = ALPHA,
    direction: int = 1,
) -> Ranking:
    """Rank the variants of a study on one score, as Demšar (2006) compares classifiers.

    Parameters
    ----------
    table
        One row per run: ``variant``, blocks, scores.
    score
        Column of the score; NaN where a run failed.
    blocks
        Columns that identify a block.
    alpha
        Level of the critical difference and of Friedman's test.
    direction
        1 where the highest score is ranked first, -1 where the lowest is.

    Raises
    ------
    InputError
        No block has a score of every variant.
    """
    wide = pivot(table, score, blocks, ["variant"])
    unscored = wide.columns[wide.isna().all()]
    wide = wide.drop(columns=unscored)
    complete = wide.dropna()
    if complete.empty:
        raise InputError(f"no block in which every variant has '{score}': nothing to rank")
    values = (complete.to_numpy() * -direction).round(12)
    means = pd.Series(stats.rankdata(values, axis=1).mean(axis=0), complete.columns)
    mean_ranks = means.sort_values(kind="stable")
    statistic, p = friedman_test(values)
    critical = critical_difference(*values.shape, alpha)
    return Ranking(
        score=score,
        mean_ranks=mean_ranks,
        n_blocks=len(values),
        n_incomplete_blocks=len(wide) - len(complete),
        unscored_variants=tuple(unscored),
        statistic=statistic,
        p=p,
        critical_difference=critical,
        groups=group_ranks(mean_ranks, math.inf if p > alpha or len(means) < 2 else critical),
    )


def friedman_test(values: np.ndarray) -> tuple[float, float]:
    """Return Friedman's chi-square and its p-value, corrected for ties.

    ``values`` is blocks x variants; NaN for fewer than three variants.
    """
    if values.shape[1] < 3:
        return math.nan, math.nan
    if (values == values[:, :1]).all():
        return 0.0, 1.0
    result = stats.friedmanchisquare(*values.T)
    return float(result.statistic), float(result.pvalue)


def critical_difference(n_blocks: int, n_variants: int, alpha: float = ALPHA) -> float:
    """Return ``q / √2 · √(k (k + 1) / 6n)``, q the studentized range of k means (Nemenyi 1963).

    NaN for fewer than two variants.
    """
    if n_variants < 2:
        return math.nan
    q = stats.studentized_range.ppf(1 - alpha, n_variants, np.inf)
    return float(q / math.sqrt(2) * math.sqrt(n_variants * (n_variants + 1) / (6 * n_blocks)))


def group_ranks(mean_ranks: pd.Series, max_difference: float) -> tuple[tuple[str, ...], ...]:
    """Return the longest runs of ascending mean ranks that span at most ``max_difference``."""
    ends = [int((mean_ranks <= rank + max_difference + 1e-9).sum()) for rank in mean_ranks]
    starts = [i for i, end in enumerate(ends) if i == 0 or end > ends[i - 1]]
    return tuple(tuple(mean_ranks.index[i : ends[i]]) for i in starts)
