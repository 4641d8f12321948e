"""Effects of the changes of a study: paired differences, tests and verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scgnn.errors import InputError
from scgnn.execution.formatting import count_decimals, format_count, format_decimals
from scgnn.stats.paired import (
    FloatArray,
    compare_blocks,
    holm_correction,
    minimum_blocks,
    minimum_detectable_effect,
)

ALPHA = 0.05  # level of the claims
NO_DIRECTIONS: Mapping[str, int] = MappingProxyType({})


def estimate_effects(
    table: pd.DataFrame,
    scores: Sequence[str],
    *,
    base: str = "base",
    blocks: Sequence[str] = ("data", "seed"),
    by: str | None = None,
    alpha: float = ALPHA,
    seed: int = 0,
    directions: Mapping[str, int] = NO_DIRECTIONS,
) -> pd.DataFrame:
    """Estimate the effect of each change and control on each score, paired by block.

    Blocks (data set, seed) tell whether a change makes a difference on the data sets of this
    study, whose seeds are repeats. Whether it would on other data sets is tested with
    ``by="data"``, one value per data set, since seeds of one data set are not independent data
    sets (Demšar 2006).

    Parameters
    ----------
    table
        One row per run: ``variant``, ``role`` (base, change, control), blocks, scores.
    scores
        Columns of scores; the pair of a failed run (NaN) is left out.
    base
        Variant that all others are compared with.
    blocks
        Columns that identify a block; every column that the study crosses.
    by
        One of ``blocks``: differences are averaged over its other blocks first.
    alpha
        One minus the confidence level of the intervals, and level of the claims after correction.
    seed
        Seed of the bootstrap and of random sign patterns.
    directions
        1 where a higher score is better, -1 where a lower one is; other scores have no direction.

    Returns
    -------
    One row per variant and score, in the order of the table:

    - ``n_blocks``, ``n_data``: blocks, and data sets, in which both runs succeeded
    - ``mean_base``, ``mean_change``, ``difference``: means over these blocks
    - ``ci_low``, ``ci_high``: interval of the mean difference, not corrected for the number of
      changes
    - ``p``, ``p_holm``: sign-flip test, and corrected (Holm 1979) over the changes within one
      score. Controls are a family of their own, so that they cost the changes no power
    - ``effect_size``: matched-pairs rank-biserial correlation
    - ``sd_difference``: standard deviation of the differences
    - ``minimum_detectable_effect``: true difference detected with 80% power at ``alpha`` over the
      number of changes, given this standard deviation; infinite with too few blocks
    - ``min_blocks``: fewest blocks with which any difference can be significant at that level
    - ``direction``: that of the score
    - ``verdict``: text; "perhaps" where the test is significant but the interval includes 0

    Raises
    ------
    InputError
        The base is missing, or two runs belong to one block.
    """
    roles = table.drop_duplicates("variant").set_index("variant")["role"]
    if base not in roles:
        raise InputError(f"the study has no variant '{base}' to compare with")
    rows = []
    for score in scores:
        wide = pivot(table, score, blocks, ["variant"])
        for variant, role in roles.drop(base).items():
            pair = wide[[variant]].to_numpy(), wide[[base]].to_numpy()
            result = compare_pairs(*pair, wide.index, by, alpha, seed)
            rows.append({"variant": variant, "role": role, "score": score} | result)
    return add_verdicts(pd.DataFrame(rows), ["role", "score"], alpha, directions)


def pivot(
    table: pd.DataFrame, score: str, blocks: Sequence[str], columns: Sequence[str]
) -> pd.DataFrame:
    """Return one score with a row per block and a column per value of ``columns``.

    Raises
    ------
    InputError
        Two runs have the same row and column.
    """
    keys = [*blocks, *columns]
    duplicated = table.duplicated(keys)
    if duplicated.any():
        run = ", ".join(f"{key} {table.loc[duplicated, key].iloc[0]}" for key in keys)
        raise InputError(f"two runs of one block ({run}): add every crossed column to blocks")
    column = table.set_index(keys)[score].astype(float)
    wide = column.where(np.isfinite(column)).unstack(list(columns))
    assert isinstance(wide, pd.DataFrame)
    return wide.sort_index()


def compare_pairs(
    change: FloatArray, base: FloatArray, index: pd.Index, by: str | None, alpha: float, seed: int
) -> dict[str, Any]:
    """Compare over blocks, each the mean of its complete pairs (blocks x pairs, NaN missing)."""
    complete = np.isfinite(change) & np.isfinite(base)
    used: NDArray[np.bool_] = np.asarray(complete.any(axis=1))
    n_pairs = complete[used].sum(axis=1)
    means = pd.DataFrame(
        {
            name: np.where(complete, values, 0)[used].sum(axis=1) / n_pairs
            for name, values in (("change", change), ("base", base))
        },
        index=index[used],
    )
    n_data = {"n_data": means.index.unique("data").size} if "data" in index.names else {}
    if by is not None:
        means = means.groupby(level=by).mean()
    result = compare_blocks(means["change"].to_numpy(), means["base"].to_numpy(), alpha, seed)
    return {"n_blocks": result.n_blocks} | n_data | result._asdict()


def add_verdicts(
    rows: pd.DataFrame,
    family: list[str],
    alpha: float,
    directions: Mapping[str, int],
    *,
    claim_template: str = "{how} by {size}",
    noun: str = "difference",
) -> pd.DataFrame:
    """Add corrected p-values, detectable effects and verdicts to compared rows.

    Rows with equal values in the columns ``family`` are one family of tests.
    """
    if rows.empty:
        return rows
    parts = []
    for _, part in rows.groupby(family, sort=False):
        level = alpha / max(part["p"].notna().sum(), 1)
        detectable = [
            effect * sd if math.isfinite(effect := minimum_detectable_effect(n, level)) else effect
            for n, sd in zip(part["n_blocks"], part["sd_difference"], strict=True)
        ]
        parts.append(
            part.assign(
                p_holm=holm_correction(part["p"].to_numpy()),
                minimum_detectable_effect=detectable,
                min_blocks=minimum_blocks(level),
            )
        )
    rows = pd.concat(parts).sort_index()
    rows = rows.assign(direction=[directions.get(str(score), 0) for score in rows["score"]])
    return format_verdicts(rows, alpha, claim_template=claim_template, noun=noun)


def format_verdicts(
    rows: pd.DataFrame,
    alpha: float = ALPHA,
    *,
    claim_template: str = "{how} by {size}",
    noun: str = "difference",
) -> pd.DataFrame:
    """Write verdicts with the same number of decimals for all rows of a score."""
    decimals = {
        str(score): count_decimals(part["difference"], interval_widths(part))
        for score, part in rows.groupby("score")
    }
    verdicts = [
        format_verdict(row, alpha, decimals[str(row.score)], claim_template, noun)
        for row in rows.itertuples()
    ]
    return rows.assign(verdict=verdicts)


def interval_widths(rows: pd.DataFrame) -> pd.Series:
    """Return the width of each interval; the size of a difference whose interval is a point."""
    width = rows["ci_high"] - rows["ci_low"]
    return width.where(width > 0, rows["difference"].abs())


def format_verdict(row: Any, alpha: float, decimals: int, claim_template: str, noun: str) -> str:
    """Return what a row shows, or what it could not have shown, as text."""
    if not row.n_blocks:
        return "nothing to compare: no block in which both runs have this score"
    count = format_count(row.n_blocks, "block")
    if row.p_holm <= alpha:
        return _format_claim(row, decimals, claim_template)
    if row.difference == 0 and not row.sd_difference > 0:
        return f"no {noun} in any of {count}"
    if row.n_blocks < row.min_blocks:
        return f"too few blocks to tell: at least {row.min_blocks} are needed"
    if math.isinf(row.minimum_detectable_effect):  # no p of random sign patterns is that small
        return "too many comparisons for any of them to be significant at this level"
    limit = format_decimals(row.minimum_detectable_effect, decimals)
    return f"no {noun} detected with {count}; {noun}s below {limit} could not have been detected"


def _format_claim(row: Any, decimals: int, claim_template: str) -> str:
    sign = 1 if row.difference > 0 else -1
    up, down = ("better", "worse") if row.direction else ("higher", "lower")
    low, high = sorted((sign * row.ci_low, sign * row.ci_high))
    size, start, end = (format_decimals(x, decimals) for x in (abs(row.difference), low, high))
    claim = claim_template.format(
        how=up if sign == (row.direction or 1) else down, size=f"{size} ({start} to {end})"
    )
    return f"perhaps {claim}" if low <= 0 else claim
