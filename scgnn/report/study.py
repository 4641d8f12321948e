"""The page of a study: what was asked, what came out, and everything to judge it by."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from scgnn.execution.files import write_text
from scgnn.plotting.critical_difference import rank_diagram, rank_words
from scgnn.plotting.forest import Forest, block_differences, each, forest, sign
from scgnn.plotting.formatting import counted, listed, number, score_name
from scgnn.recipe import diff
from scgnn.recipe.yaml_tree import write
from scgnn.registry.introspection import dump
from scgnn.report import imputation
from scgnn.report.gallery import Gallery
from scgnn.report.markdown_latex import write_tables
from scgnn.report.run_data import read_json
from scgnn.report.tables import effect_sheets, glance, named, score_sheets
from scgnn.report.template import rendered
from scgnn.report.wording import Sheet, main_score, question
from scgnn.runs.provenance import versions
from scgnn.stats.effects import direction
from scgnn.study.spec import Role
from scgnn.study.tables import over_factors

if TYPE_CHECKING:
    from scgnn.study.result import StudyResult

log = logging.getLogger("scgnn")


def write_report(result: StudyResult, *, umap: bool | None = None) -> Path:
    """Write ``report.html`` of a study, and its tables as ``effects`` and ``scores``, .md and .tex.

    What cannot be drawn is said on the page; a page that cannot be made is a warning in the log,
    for the study is done.

    Parameters
    ----------
    result
        The study; its folder is read and written.
    umap
        Draw UMAP besides PCA. Unless said, where the package is installed and the study computed
        for five minutes, since UMAP takes half a minute to start.
    """
    path = result.folder / "report.html"
    try:
        effects = named(result.answer.effects)
        sheets = _score_sheets(result)
        write_tables(result.folder, "effects", effect_sheets(effects))
        write_tables(result.folder, "scores", sheets)
        write_text(path, rendered("study.html", _contents(result, effects, sheets, umap)))
    except Exception as error:  # a page is not worth the hours of a study
        log.warning("%s could not be written: %s: %s", path, type(error).__name__, error)
        log.debug("report", exc_info=error)
    return path


def _contents(
    result: StudyResult, effects: pd.DataFrame, sheets: list[Sheet], umap: bool | None
) -> dict[str, Any]:
    """What the template shows."""
    answer, study, outcome = result.answer, result.study, result.outcome
    score = main_score(answer.scores)
    rankings = [(rank_diagram(r), rank_words(r)) for r in answer.rankings.values()]
    factors, together = named(answer.factors), named(answer.interactions)
    return {
        "name": study.name,
        "question": question(study),
        "done": len(outcome.finished),
        "failures": _failures(outcome.failed),
        "n_failed": len(outcome.failed),
        "score": score_name(score) if score else None,
        "headline": _headline(effects, score),
        "facts": _facts(result, score),
        "forests": _forests(result, effects, score),
        "glance": glance(effects),
        "effect_sheets": effect_sheets(effects),
        "factor_forests": _kept(
            forest(_of(factors, score), "Levels of the crossed settings, in the base"),
            forest(_of(together, score), "Two settings together, beyond the sum of both"),
        ),
        "factor_sheets": [*effect_sheets(factors), *effect_sheets(together)],
        "rankings": [(drawn, words) for drawn, words in rankings if drawn],
        "score_sheets": sheets,
        "imputation": imputation.of_study(answer.table),
        "gallery": Gallery(result, umap),
        "differences": _differences(result),
        "cost": result.cost(),
        "stages": _stages(result),
        "versions": read_json(result.folder / "versions.json") or versions(),
    }


def _score_sheets(result: StudyResult) -> list[Sheet]:
    answer = result.answer
    if not answer.scores:
        return []
    return score_sheets(answer.table, answer.scores, result.study.factors)


def _of(rows: pd.DataFrame, score: str | None) -> pd.DataFrame:
    return rows[rows["score"] == score] if len(rows) else rows


def _kept(*forests: Forest | None) -> list[Forest]:
    return [plot for plot in forests if plot is not None]


def _forests(result: StudyResult, effects: pd.DataFrame, score: str | None) -> list[Forest]:
    """Changes and controls on the main score, each on an axis of their own."""
    rows = _of(effects, score)
    if score is None or rows.empty:
        return []
    study, table = result.study, result.answer.table
    changes = table[table["role"] != "control"]
    blocks = block_differences(changes, score, [axis.name for axis in study.axes])
    blocks |= block_differences(over_factors(table, study, [score]), score, study.blocks)
    parts = {"change": "Changes against the base", "control": "Controls against the base"}
    found = []
    for role, title in parts.items():
        part = rows[rows["role"] == role]
        own = {name: blocks[name] for name in part["name"]}
        found.append(forest(part, title, own))
    return _kept(*found)


def _headline(effects: pd.DataFrame, score: str | None) -> str:
    """What the changes do to the main score, in a sentence."""
    every_row = _of(effects, score)
    rows = every_row[every_row["role"] == "change"] if len(every_row) else every_row
    if score is None or rows.empty:
        return ""
    floor = _floor(every_row)
    signs: dict[str, list[str]] = {}
    for row in each(rows):
        how = sign(row) if row.n_blocks else "without a block to compare"
        signs.setdefault(how, []).append(row.name)
    rest = signs.pop("none", [])
    parts = [f"{listed(names)} {how}" for how, names in signs.items()]
    if rest:
        parts.append(f"{listed(rest)} not told apart from the base")
    every = counted(len(rows), "change")
    if len(rest) == len(rows):
        which = f"none of {every} can" if len(rows) > 1 else "the change cannot"
        return f"On {score_name(score)}, {which} be told apart from the base.{floor}"
    return f"On {score_name(score)}, of {every}: {'; '.join(parts)}.{floor}"


def _floor(rows: pd.DataFrame) -> str:
    """The best control and the base, in a sentence."""
    controls = rows[(rows["role"] == "control") & (rows["n_blocks"] > 0)]
    way = direction(rows["score"].iloc[0])
    if controls.empty or not way:
        return ""
    best = max(each(controls), key=lambda row: way * row.mean_change)
    at = f"is at {number(best.mean_change)}, the base at {number(best.mean_base)}"
    return f" The best control, {best.name}, {at}."


def _facts(result: StudyResult, score: str | None) -> list[tuple[str, str]]:
    """A few numbers for the top of the page."""
    table = result.answer.table
    facts = [("runs done", f"{len(result.outcome.finished):,} of {len(table):,}")]
    blocks = table[list(result.study.blocks)].drop_duplicates()
    facts.append(("blocks", f"{len(blocks):,}"))
    facts.append(("data sets", f"{table['data'].nunique():,}"))
    if score is not None:
        values = table.loc[table["role"] == "base", score].astype(float)
        spread = f" ± {number(values.std(), 2 * values.std())}" if values.count() > 1 else ""
        mean = number(values.mean(), 2 * values.std())
        facts.append((f"{score_name(score)} of the base", mean + spread))
    return facts


def _failures(failed: dict[str, str]) -> list[tuple[str, list[str]]]:
    """Labels of the runs that failed, by reason, the most frequent first."""
    by_reason: dict[str, list[str]] = {}
    for label, reason in failed.items():
        by_reason.setdefault(reason, []).append(label)
    return sorted(by_reason.items(), key=lambda item: -len(item[1]))


def _differences(result: StudyResult) -> list[tuple[str, Role, list[tuple[str, str, str]]]]:
    """How the recipe of each variant differs from the base's: name, role, and settings."""
    runs = result.study.runs
    base = next(run for run in runs if run.role == "base")
    first = {run.variant: run for run in reversed(runs)}
    found: list[tuple[str, Role, list[tuple[str, str, str]]]] = []
    for name in result.study.variants:
        run = first[name]
        if run.role != "base":
            pairs = diff(base.recipe, run.recipe)
            rows = [(path, _yaml(left), _yaml(right)) for path, left, right in pairs]
            found.append((name, run.role, rows))
    return found


def _yaml(value: Any) -> str:
    return write(dump(value)).removesuffix("...\n").strip()


def _stages(result: StudyResult) -> Sheet:
    """Time and memory of the stages that were computed, each counted once."""
    different = {
        key: cost for run in result.outcome.finished.values() for key, cost in run.costs.items()
    }
    costs = pd.DataFrame(
        [cost[:3] for cost in different.values()], columns=["stage", "seconds", "peak"]
    )
    rows = [
        (
            str(stage),
            str(len(part)),
            number(part["seconds"].sum(), 1),
            number(part["peak"].max(), 9),
        )
        for stage, part in costs.groupby("stage", sort=False)
    ]
    return Sheet("Stages", ("stage", "computed", "seconds", "peak MB"), tuple(rows))
