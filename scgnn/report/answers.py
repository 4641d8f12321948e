"""Answers of a study in sentences: what changes, factors and controls do to the main score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import pandas as pd

from scgnn.execution.formatting import format_count, format_decimals, join_names
from scgnn.plotting.forest import classify_claim
from scgnn.plotting.formatting import format_score_name
from scgnn.report.tables import add_row_names, count_mean_decimals
from scgnn.stats.effects import ALPHA
from scgnn.study.wording import describe_missing_scores

if TYPE_CHECKING:
    from scgnn.study.result import StudyResult

MAX_CLAIMS = 3  # of levels or interactions that are listed


def describe_answers(result: StudyResult) -> list[str]:
    """Return what the changes and the factors do to the main score, a sentence or two for each."""
    tables, study = result.tables, result.study
    score = tables.main_score
    if not tables.scores:
        names = ", ".join(study.scores)
        return [f"No run has a score that this study lists ({names})."] if study.scores else []
    if score is None:
        problem = describe_missing_scores(study) or "nothing comparable is scored"
        return [f"{problem[0].upper()}{problem[1:]}."] if study.comparisons else []
    reference = f"the base ({study.base_name})" if "compare" in study.source else "the base"
    answers = []
    effects = tables.effects
    if len(effects):
        effects = add_row_names(effects[effects["score"] == score])
        answers.append(_describe_changes(effects, reference))
    factors = tables.main_effects
    if len(factors):
        factors = factors[factors["score"] == score]
        for axis, levels in study.factors.items():
            answers.append(describe_factor(factors[factors["axis"] == axis], levels))
        answers += _describe_combinations(result, score)
    if len(effects):
        noun = "base, averaged over the factors" if study.factors else "base"
        answers.append(_describe_best_control(effects, noun))
    return list(filter(None, answers))


def _describe_changes(effects: pd.DataFrame, reference: str) -> str:
    """Return which changes differ from the base, in a sentence; "" without changes."""
    rows = effects[effects["role"] == "change"]
    if rows.empty:
        return ""
    claims: dict[str, list[str]] = {}
    for row in rows.itertuples():
        claim = classify_claim(row) if row.n_blocks else "not comparable (no completed block)"
        claims.setdefault(claim, []).append(str(row.name))
    unclear = claims.pop("none", [])
    score = format_score_name(rows["score"].iloc[0])
    if len(unclear) == len(rows):
        subject = f"none of {len(rows)} changes" if len(rows) > 1 else f"{unclear[0]} does not"
        verb = "differs" if len(rows) > 1 else "differ"
        return f"{score}: {subject} {verb} significantly from {reference}."
    parts = [f"{join_names(names)} {claim}" for claim, names in claims.items()]
    if unclear:
        parts.append(f"{join_names(unclear)} not significantly different")
    count = format_count(len(rows), "change")
    return f"{score} of {count} compared with {reference}: {'; '.join(parts)}."


def _describe_best_control(effects: pd.DataFrame, noun: str) -> str:
    """Return the means of the best control and of the base, in a sentence."""
    controls = effects[(effects["role"] == "control") & (effects["n_blocks"] > 0)]
    if controls.empty or not controls["direction"].iloc[0]:
        return ""
    best = controls.iloc[int((controls["direction"] * controls["mean_change"]).argmax())]
    means = pd.Series([best["mean_change"], best["mean_base"]])
    control, base = (format_decimals(mean, count_mean_decimals(means)) for mean in means)
    return f"Best control: {best['name']} with {control} ({noun}: {base})."


def describe_factor(rows: pd.DataFrame, levels: Sequence[str]) -> str:
    """Return the best level of a factor, what differs from the first, and the trend of numbers.

    Parameters
    ----------
    rows
        Main effects of the factor on one score, as in ``factors.csv``.
    levels
        All levels, the one that others are compared with first.
    """
    rows = rows[rows["n_blocks"] > 0]
    if rows.empty:
        return ""
    first, axis, direction = levels[0], rows["axis"].iloc[0], rows["direction"].iloc[0]
    subject = f"{format_score_name(rows['score'].iloc[0])} by {axis}"
    differences = {first: 0.0} | dict(zip(rows["level"], rows["difference"], strict=True))
    best = max(differences, key=lambda level: (direction or 1) * differences[level])
    claimed = rows[rows["p_holm"] <= ALPHA]
    if claimed.empty:
        if len(rows) == 1:
            return f"{subject}: {rows['level'].iloc[0]} compared with {first}: {_verdict(rows)}."
        text = f"no level differs significantly from {first}"
        reasons = rows["verdict"].unique()
        return f"{subject}: {text}{f' ({reasons[0]})' if len(reasons) == 1 else ''}."
    noun = "best" if direction else "highest"
    if best in claimed["level"].tolist():
        verdict = _verdict(claimed[claimed["level"] == best])
        parts = [f"{noun} {best}, {verdict} than {first}"]
    elif best == first:
        parts = [f"{noun} {first}", _list_verdicts(claimed, first)]
    else:
        parts = ["no level is significantly the " + noun, _list_verdicts(claimed, first)]
    if trend := _describe_trend(claimed, differences, first):
        parts.append(f"{format_score_name(rows['score'].iloc[0])} {trend} {axis}")
    return f"{subject}: {'; '.join(parts)}."


def _verdict(rows: pd.DataFrame) -> str:
    return str(rows["verdict"].iloc[0])


def _list_verdicts(rows: pd.DataFrame, first: str) -> str:
    texts = [f"{row.level} {row.verdict}" for row in rows.head(MAX_CLAIMS).itertuples()]
    rest = f" and {len(rows) - MAX_CLAIMS} more" if len(rows) > MAX_CLAIMS else ""
    return f"{', '.join(texts)}{rest} than {first}"


def _describe_trend(claimed: pd.DataFrame, differences: dict[str, float], first: str) -> str:
    """Return ``rises with`` or ``falls with`` where the means of all numbers are ordered.

    The highest and the lowest number must differ significantly from the first level, unless they
    are it.
    """
    try:
        numbers = sorted(differences, key=float)
    except ValueError:
        return ""
    steps = [differences[b] - differences[a] for a, b in pairwise(numbers)]
    ends = {numbers[0], numbers[-1]} - {first}
    is_ordered = all(step > 0 for step in steps) or all(step < 0 for step in steps)
    sure = claimed[~((claimed["ci_low"] <= 0) & (claimed["ci_high"] >= 0))]
    if not is_ordered or not ends <= set(sure["level"]):
        return ""
    return "rises with" if steps[0] > 0 else "falls with"


def _describe_combinations(result: StudyResult, score: str) -> Iterator[str]:
    """Yield the best combination of several factors, and their significant interactions."""
    tables, factors = result.tables, list(result.study.factors)
    if tables.interactions.empty:  # as fewer than two factors have several levels
        return
    base = tables.runs[(tables.runs["role"] == "base") & tables.runs[score].notna()]
    means = base.groupby(factors, sort=False)[score].agg(["mean", "count"])
    means = means[means["count"] == means["count"].max()]["mean"]
    rows = tables.interactions[tables.interactions["score"] == score]
    claimed = add_row_names(rows[rows["p_holm"] <= ALPHA])
    main_effects = tables.main_effects[tables.main_effects["score"] == score]
    is_any_claimed = len(claimed) or (main_effects["p_holm"] <= ALPHA).any()
    direction = main_effects["direction"].iloc[0]
    if len(means) > 1 and direction and is_any_claimed:
        n = count_mean_decimals(means)
        best = (direction * means).idxmax()
        names = ", ".join(f"{axis}={level}" for axis, level in zip(factors, best, strict=True))
        label = format_score_name(score)
        first = tuple(levels[0] for levels in result.study.factors.values())
        has_reference = first in means and first != best
        reference = f" (first levels: {format_decimals(means[first], n)})" if has_reference else ""
        mean = format_decimals(means[best], n)
        extreme = "Highest" if direction > 0 else "Lowest"
        yield f"{extreme} mean {label}: {names} with {mean}{reference}."
    if len(claimed):
        texts = [f"{row.name} {row.verdict}" for row in claimed.head(MAX_CLAIMS).itertuples()]
        rest = f"; and {len(claimed) - MAX_CLAIMS} more" if len(claimed) > MAX_CLAIMS else ""
        yield f"Interactions: {'; '.join(texts)}{rest}."
