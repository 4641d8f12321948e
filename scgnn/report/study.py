"""The page of a study: what was asked, what came out, and everything to judge it by."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from scgnn.evaluation.scores import get_direction
from scgnn.execution.files import write_text
from scgnn.plotting.critical_difference import describe_ranking, plot_critical_difference
from scgnn.plotting.forest import (
    ForestPlot,
    build_forest_plot,
    classify_claim,
    compute_block_differences,
    iter_rows,
)
from scgnn.plotting.formatting import format_count, format_number, format_score_name, join_names
from scgnn.recipe import diff
from scgnn.recipe.yaml_tree import dump_yaml
from scgnn.registry.introspection import to_dict
from scgnn.report import imputation
from scgnn.report.gallery import StudyFigures
from scgnn.report.markdown_latex import write_tables
from scgnn.report.run_data import read_json_or_empty
from scgnn.report.tables import (
    add_row_names,
    build_effect_tables,
    build_score_tables,
    build_summary_table,
)
from scgnn.report.template import render
from scgnn.report.wording import TextTable, describe_design, select_main_score
from scgnn.runs.provenance import collect_versions
from scgnn.study.spec import Role
from scgnn.study.tables import average_over_factors

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
        effects = add_row_names(result.tables.effects)
        sheets = _build_score_tables(result)
        write_tables(result.folder, "effects", build_effect_tables(effects))
        write_tables(result.folder, "scores", sheets)
        write_text(path, render("study.html", _build_context(result, effects, sheets, umap)))
    except Exception as error:  # a page is not worth the hours of a study
        log.warning("%s could not be written: %s: %s", path, type(error).__name__, error)
        log.debug("report", exc_info=error)
    return path


def _build_context(
    result: StudyResult, effects: pd.DataFrame, score_tables: list[TextTable], umap: bool | None
) -> dict[str, Any]:
    """What the template shows."""
    answer, study, outcome = result.tables, result.study, result.outcome
    score = select_main_score(answer.scores)
    rankings = [
        (plot_critical_difference(r), describe_ranking(r)) for r in answer.rankings.values()
    ]
    factors, together = add_row_names(answer.main_effects), add_row_names(answer.interactions)
    return {
        "name": study.name,
        "question": describe_design(study),
        "done": len(outcome.summaries),
        "failures": _group_failures(outcome.failures),
        "n_failed": len(outcome.failures),
        "score": format_score_name(score) if score else None,
        "headline": _format_headline(effects, score),
        "facts": _list_facts(result, score),
        "forests": _build_forest_plots(result, effects, score),
        "glance": build_summary_table(effects),
        "effect_sheets": build_effect_tables(effects),
        "factor_forests": _drop_missing(
            build_forest_plot(
                _filter_by_score(factors, score), "Levels of the crossed settings, in the base"
            ),
            build_forest_plot(
                _filter_by_score(together, score), "Two settings together, beyond the sum of both"
            ),
        ),
        "factor_sheets": [*build_effect_tables(factors), *build_effect_tables(together)],
        "rankings": [(drawn, words) for drawn, words in rankings if drawn],
        "score_sheets": score_tables,
        "imputation": imputation.tabulate_study(answer.runs),
        "gallery": StudyFigures(result, umap),
        "differences": _list_differences(result),
        "cost": result.format_cost(),
        "stages": _build_stage_table(result),
        "versions": read_json_or_empty(result.folder / "versions.json") or collect_versions(),
    }


def _build_score_tables(result: StudyResult) -> list[TextTable]:
    answer = result.tables
    if not answer.scores:
        return []
    return build_score_tables(answer.runs, answer.scores, result.study.factors)


def _filter_by_score(rows: pd.DataFrame, score: str | None) -> pd.DataFrame:
    return rows[rows["score"] == score] if len(rows) else rows


def _drop_missing(*forests: ForestPlot | None) -> list[ForestPlot]:
    return [plot for plot in forests if plot is not None]


def _build_forest_plots(
    result: StudyResult, effects: pd.DataFrame, score: str | None
) -> list[ForestPlot]:
    """Changes and controls on the main score, each on an axis of their own."""
    rows = _filter_by_score(effects, score)
    if score is None or rows.empty:
        return []
    study, table = result.study, result.tables.runs
    changes = table[table["role"] != "control"]
    blocks = compute_block_differences(changes, score, [axis.name for axis in study.axes])
    blocks |= compute_block_differences(
        average_over_factors(table, study, [score]), score, study.blocks
    )
    parts = {"change": "Changes against the base", "control": "Controls against the base"}
    found = []
    for role, title in parts.items():
        part = rows[rows["role"] == role]
        own = {name: blocks[name] for name in part["name"]}
        found.append(build_forest_plot(part, title, own))
    return _drop_missing(*found)


def _format_headline(effects: pd.DataFrame, score: str | None) -> str:
    """What the changes do to the main score, in a sentence."""
    every_row = _filter_by_score(effects, score)
    rows = every_row[every_row["role"] == "change"] if len(every_row) else every_row
    if score is None or rows.empty:
        return ""
    floor = _format_best_control(every_row)
    signs: dict[str, list[str]] = {}
    for row in iter_rows(rows):
        how = classify_claim(row) if row.n_blocks else "without a block to compare"
        signs.setdefault(how, []).append(row.name)
    rest = signs.pop("none", [])
    parts = [f"{join_names(names)} {how}" for how, names in signs.items()]
    if rest:
        parts.append(f"{join_names(rest)} not told apart from the base")
    every = format_count(len(rows), "change")
    if len(rest) == len(rows):
        which = f"none of {every} can" if len(rows) > 1 else "the change cannot"
        return f"On {format_score_name(score)}, {which} be told apart from the base.{floor}"
    return f"On {format_score_name(score)}, of {every}: {'; '.join(parts)}.{floor}"


def _format_best_control(rows: pd.DataFrame) -> str:
    """The best control and the base, in a sentence."""
    controls = rows[(rows["role"] == "control") & (rows["n_blocks"] > 0)]
    way = get_direction(rows["score"].iloc[0])
    if controls.empty or not way:
        return ""
    best = max(iter_rows(controls), key=lambda row: way * row.mean_change)
    at = f"is at {format_number(best.mean_change)}, the base at {format_number(best.mean_base)}"
    return f" The best control, {best.name}, {at}."


def _list_facts(result: StudyResult, score: str | None) -> list[tuple[str, str]]:
    """A few numbers for the top of the page."""
    table = result.tables.runs
    facts = [("runs done", f"{len(result.outcome.summaries):,} of {len(table):,}")]
    blocks = table[list(result.study.blocks)].drop_duplicates()
    facts.append(("blocks", f"{len(blocks):,}"))
    facts.append(("data sets", f"{table['data'].nunique():,}"))
    if score is not None:
        values = table.loc[table["role"] == "base", score].astype(float)
        spread = f" ± {format_number(values.std(), 2 * values.std())}" if values.count() > 1 else ""
        mean = format_number(values.mean(), 2 * values.std())
        facts.append((f"{format_score_name(score)} of the base", mean + spread))
    return facts


def _group_failures(failures: dict[str, str]) -> list[tuple[str, list[str]]]:
    """Labels of the runs that failed, by reason, the most frequent first."""
    by_reason: dict[str, list[str]] = {}
    for label, reason in failures.items():
        by_reason.setdefault(reason, []).append(label)
    return sorted(by_reason.items(), key=lambda item: -len(item[1]))


def _list_differences(result: StudyResult) -> list[tuple[str, Role, list[tuple[str, str, str]]]]:
    """How the recipe of each variant differs from the base's: name, role, and settings."""
    runs = result.study.runs
    base = next(run for run in runs if run.role == "base")
    first = {run.variant: run for run in reversed(runs)}
    found: list[tuple[str, Role, list[tuple[str, str, str]]]] = []
    for name in result.study.variants:
        run = first[name]
        if run.role != "base":
            pairs = diff(base.recipe, run.recipe)
            rows = [(path, _format_yaml(left), _format_yaml(right)) for path, left, right in pairs]
            found.append((name, run.role, rows))
    return found


def _format_yaml(value: Any) -> str:
    return dump_yaml(to_dict(value)).removesuffix("...\n").strip()


def _build_stage_table(result: StudyResult) -> TextTable:
    """Time and memory of the stages that were computed, each counted once."""
    different = {
        key: cost for run in result.outcome.summaries.values() for key, cost in run.costs.items()
    }
    costs = pd.DataFrame(
        [cost[:3] for cost in different.values()], columns=["stage", "seconds", "peak"]
    )
    rows = [
        (
            str(stage),
            str(len(part)),
            format_number(part["seconds"].sum(), 1),
            format_number(part["peak"].max(), 9),
        )
        for stage, part in costs.groupby("stage", sort=False)
    ]
    return TextTable("Stages", ("stage", "computed", "seconds", "peak MB"), tuple(rows))
