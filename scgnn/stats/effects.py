"""What a study's table says of each change: paired effects, tests, and a verdict in words."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scgnn.errors import InputError
from scgnn.stats.paired import (
    FloatArray,
    compare_blocks,
    holm_correction,
    minimum_blocks,
    minimum_detectable_effect,
)

ALPHA = 0.05  # of the claims
HIGHER_IS_BETTER = (
    "ari",
    "ami",
    "nmi",
    "completeness",
    "fowlkes_mallows",
    "v_measure",
    "homogeneity",
    "silhouette",
    "calinski_harabasz",
    "cosine",
    "pearson",
    "gene_correlation",
    "cell_correlation",
)
LOWER_IS_BETTER = (
    "davies_bouldin",
    "median_l1",
    "mean_l1",
    "min_l1",
    "max_l1",
    "mse",
    "poisson",
    "false_signal",
    "seconds",
    "peak_memory_mb",
    "peak_memory_mb_by_stage",
)
DIRECTIONS = dict.fromkeys(HIGHER_IS_BETTER, 1) | dict.fromkeys(LOWER_IS_BETTER, -1)


def get_direction(score: str) -> int:
    """1 where higher is better, −1 where lower is, 0 where that is not known.

    Parts count: ``seconds.cluster`` is a ``seconds``, ``imputation.cosine`` a ``cosine``.
    """
    return next((DIRECTIONS[part] for part in re.split(r"[./]", score) if part in DIRECTIONS), 0)


def estimate_effects(
    table: pd.DataFrame,
    scores: Sequence[str],
    *,
    base: str = "base",
    blocks: Sequence[str] = ("data", "seed"),
    by: str | None = None,
    alpha: float = ALPHA,
    seed: int = 0,
) -> pd.DataFrame:
    """What each change and each control does to each score, over blocks that have it and the base.

    Blocks (data set, seed) answer whether a change makes a difference on the data sets of this
    study, whose seeds are repeats of them. Whether it would on others is asked with ``by="data"``,
    one value per data set, since seeds of one data set are no independent data sets (Demšar
    2006); where effects differ among data sets, blocks of both claim too much of them.

    Parameters
    ----------
    table
        One row per run: ``variant``, ``role`` (base, change, control), blocks, scores.
    scores
        Columns of scores; a run that failed has NaN, and its pair is left out.
    base
        The variant that all others are compared with.
    blocks
        Columns that name a block; every column that the study crosses.
    by
        One of ``blocks``: the differences of its blocks are averaged before anything is computed.
    alpha
        Level of the intervals, and of the claims after correction.
    seed
        Of the bootstrap, and of the test's random sign patterns.

    Returns
    -------
    One row per variant and score, in the order of the table:

    - ``n_blocks``, ``n_data``: blocks, and data sets, in which both succeeded
    - ``mean_base``, ``mean_change``, ``difference``: over these blocks
    - ``low``, ``high``: interval of the mean difference, bootstrap-t or Student's where that is
      wider; not corrected for the number of changes
    - ``p``, ``p_holm``: sign-flip test, and corrected (Holm 1979) over the changes within one
      score. Controls are a family of their own: they ask whether the base is worth its effort,
      which should cost the changes no power
    - ``effect_size``: matched-pairs rank-biserial correlation
    - ``spread``: standard deviation of the differences
    - ``minimum_detectable_effect``: the true difference found with 80 % power at ``alpha`` over the
      number of changes, the spread being what it is; infinite with too few blocks
    - ``min_blocks``: fewest with which any difference can be found at that level
    - ``verdict``: in words. "Perhaps" where the test finds what the interval does not exclude.
    """
    roles = table.drop_duplicates("variant").set_index("variant")["role"]
    if base not in roles:
        raise InputError(f"the study has no variant '{base}' to compare with")
    rows = []
    for score in scores:
        wide = pivot(table, score, blocks, ["variant"])
        for variant, role in roles.drop(base).items():
            pair = (wide[[variant]].to_numpy(), wide[[base]].to_numpy())
            found = compare_pairs(*pair, wide.index, by, alpha, seed)
            rows.append({"variant": variant, "role": role, "score": score} | found)
    return add_verdicts(pd.DataFrame(rows), ["role", "score"], alpha)


def pivot(
    table: pd.DataFrame, score: str, blocks: Sequence[str], columns: Sequence[str]
) -> pd.DataFrame:
    """One score with a row per block and a column per value of ``across``, NaN where none is.

    Raises
    ------
    InputError
        Two runs have the same place.
    """
    keys = [*blocks, *columns]
    twice = table.duplicated(keys)
    if twice.any():
        place = ", ".join(f"{key} {table.loc[twice, key].iloc[0]}" for key in keys)
        raise InputError(f"two runs of one block ({place}): name all that is crossed as a block")
    column = table.set_index(keys)[score].astype(float)
    wide = column.where(np.isfinite(column)).unstack(list(columns))
    assert isinstance(wide, pd.DataFrame)
    return wide.sort_index()


def compare_pairs(
    change: FloatArray, base: FloatArray, index: pd.Index, by: str | None, alpha: float, seed: int
) -> dict[str, Any]:
    """Paired over blocks, each the mean of its pairs (blocks x pairs) of which none is missing."""
    there = np.isfinite(change) & np.isfinite(base)
    some: NDArray[np.bool_] = np.asarray(there.any(axis=1))
    pairs = there[some].sum(axis=1)
    means = pd.DataFrame(
        {
            "change": np.where(there, change, 0)[some].sum(axis=1) / pairs,
            "base": np.where(there, base, 0)[some].sum(axis=1) / pairs,
        },
        index=index[some],
    )
    n_data = {"n_data": means.index.unique("data").size} if "data" in index.names else {}
    if by is not None:
        means = means.groupby(level=by).mean()
    result = compare_blocks(
        means["change"].to_numpy(), means["base"].to_numpy(), alpha, seed
    )._asdict()
    return {"n_blocks": result.pop("n_blocks")} | n_data | result


def add_verdicts(
    rows: pd.DataFrame,
    family: list[str],
    alpha: float,
    *,
    claim_template: str = "{how} by {size}",
    noun: str = "difference",
) -> pd.DataFrame:
    """Compared rows with their corrected p, what they could have shown, and the verdict.

    ``family`` names the columns whose equal values make one family of tests.
    """
    if rows.empty:
        return rows
    parts = []
    for _, part in rows.groupby(family, sort=False):
        level = alpha / max(part["p"].notna().sum(), 1)
        parts.append(
            part.assign(
                p_holm=holm_correction(part["p"].to_numpy()),
                minimum_detectable_effect=[
                    math.inf
                    if math.isinf(least := minimum_detectable_effect(n, level))
                    else least * spread
                    for n, spread in zip(part["n_blocks"], part["sd_difference"], strict=True)
                ],
                min_blocks=minimum_blocks(level),
            )
        )
    whole = pd.concat(parts).sort_index()
    verdicts = [format_verdict(row, alpha, claim_template, noun) for _, row in whole.iterrows()]
    return whole.assign(verdict=verdicts)


def format_verdict(row: pd.Series, alpha: float, claim_template: str, noun: str) -> str:
    """One row in words: what it shows, or what it could not have shown."""
    if not row.n_blocks:
        return "nothing to compare: no block in which both runs have this score"
    count = f"{row.n_blocks} block{'s' if row.n_blocks > 1 else ''}"
    if row.p_holm <= alpha:
        return _format_claim(row, claim_template)
    if row.difference == 0 and not row.sd_difference > 0:
        return f"no {noun} in any of {count}"
    if row.n_blocks < row.min_blocks:
        return f"too few blocks to tell: at least {row.min_blocks} are needed"
    if math.isinf(row.minimum_detectable_effect):  # no p of random sign patterns is that small
        return "too many changes to tell any from the base at this level"
    hidden = _format_number(row.minimum_detectable_effect, row.minimum_detectable_effect)
    return f"no {noun} detectable with {count}; one of {hidden} could have hidden"


def _format_claim(row: pd.Series, claim_template: str) -> str:
    sign = 1 if row.difference > 0 else -1
    known = get_direction(row.score)
    up, down = ("better", "worse") if known else ("higher", "lower")
    how = up if sign == (known or 1) else down
    low, high = sorted((sign * row.ci_low, sign * row.ci_high))
    width = (high - low) or abs(row.difference)
    shown = [_format_number(value, width) for value in (abs(row.difference), low, high)]
    size = f"{shown[0]} ({shown[1]} to {shown[2]})"
    return ("perhaps " if low <= 0 else "") + claim_template.format(how=how, size=size)


def _format_number(value: float, uncertainty: float) -> str:
    """With the digits that matter at ``size``, no zero before the point: .05, −1.5, 120."""
    places = max(0, math.ceil(-math.log10(uncertainty / 4))) if uncertainty else 0
    text = f"{round(value, places) + 0.0:.{places}f}".replace("-", "−")
    return re.sub(r"^(−?)0\.", r"\1.", text)
