"""Variants ranked within each block, and which of them the study cannot tell apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from scgnn.errors import InputError
from scgnn.stats.effects import ALPHA, get_direction, pivot


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of variants on one score, best first.

    Parameters
    ----------
    score
        What is ranked; 1 is the best rank, the highest value where no direction is known.
    mean_ranks
        One per variant, ascending; equal scores share the mean of their ranks.
    n_blocks
        Blocks in which every variant has a score; only these are used.
    n_incomplete
        Blocks left out because a variant has none.
    without_scores
        Variants left out because every run of theirs failed.
    statistic, p
        Friedman's test that all variants rank alike, by its chi-square; NaN for fewer than three.
    critical_difference
        Mean ranks that differ by more than this differ (Nemenyi 1963).
    groups
        Variants that cannot be told apart: the longest runs of mean ranks within one critical
        difference, or all of them where Friedman's test finds nothing.
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
    variants: Sequence[str] | None = None,
    blocks: Sequence[str] = ("data", "seed"),
    by: str | None = None,
    alpha: float = ALPHA,
) -> Ranking:
    """Rank the variants of a study on one score, as Demšar (2006) compares classifiers.

    Parameters
    ----------
    table
        One row per run: ``variant``, blocks, scores.
    score
        Column of the score; NaN where a run failed.
    variants
        Those to rank; all of the table unless said.
    blocks
        Columns that name a block.
    by
        One of ``blocks``: scores are averaged over its blocks first, complete ones alone. With
        ``by="data"`` each data set ranks once, as Demšar has it.
    alpha
        Level of the critical difference and of Friedman's test.
    """
    wide = pivot(table, score, blocks, ["variant"])
    if variants is not None:
        wide = wide[list(variants)]
    failed = wide.columns[wide.isna().all()]
    wide = wide.drop(columns=failed)
    complete = wide.dropna()
    if complete.empty:
        raise InputError(f"no block in which every variant has '{score}': nothing to rank")
    n_incomplete = len(wide) - len(complete)
    if by is not None:
        complete = complete.groupby(level=by).mean()
    values = complete.to_numpy() * -(get_direction(score) or 1)
    means = pd.Series(stats.rankdata(values.round(12), axis=1).mean(axis=0), complete.columns)
    mean_ranks = means.sort_values(kind="stable")
    statistic, p = friedman_test(values.round(12))
    critical = critical_difference(*values.shape, alpha)
    alike = p > alpha or len(means) < 2
    return Ranking(
        score=score,
        mean_ranks=mean_ranks,
        n_blocks=len(values),
        n_incomplete_blocks=n_incomplete,
        unscored_variants=tuple(failed),
        statistic=statistic,
        p=p,
        critical_difference=critical,
        groups=group_ranks(mean_ranks, math.inf if alike else critical),
    )


def friedman_test(values: np.ndarray) -> tuple[float, float]:
    """Friedman's chi-square and its p, corrected for ties; ``values`` is blocks x variants."""
    if values.shape[1] < 3:
        return math.nan, math.nan
    if (values == values[:, :1]).all():
        return 0.0, 1.0
    result = stats.friedmanchisquare(*values.T)
    return float(result.statistic), float(result.pvalue)


def critical_difference(n_blocks: int, n_variants: int, alpha: float = ALPHA) -> float:
    """``q / √2 · √(k (k + 1) / 6n)``, q the studentized range of k means (Nemenyi 1963).

    NaN for fewer than two variants.
    """
    if n_variants < 2:
        return math.nan
    q = stats.studentized_range.ppf(1 - alpha, n_variants, np.inf)
    return float(q / math.sqrt(2) * math.sqrt(n_variants * (n_variants + 1) / (6 * n_blocks)))


def group_ranks(mean_ranks: pd.Series, max_difference: float) -> tuple[tuple[str, ...], ...]:
    """Runs of ascending mean ranks no further apart than ``within``, none inside another."""
    ends = [int((mean_ranks <= rank + max_difference + 1e-9).sum()) for rank in mean_ranks]
    starts = [i for i, end in enumerate(ends) if i == 0 or end > ends[i - 1]]
    return tuple(tuple(mean_ranks.index[i : ends[i]]) for i in starts)
