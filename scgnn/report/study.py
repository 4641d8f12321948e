"""HTML report of a study, and its tables for papers."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from scgnn.execution.files import write_atomic
from scgnn.execution.formatting import format_duration, join_names
from scgnn.plotting.critical_difference import describe_ranking, plot_critical_difference
from scgnn.plotting.forest import (
    ForestPlot,
    build_forest_plot,
    compute_block_differences,
)
from scgnn.plotting.formatting import format_score_name
from scgnn.recipe import diff_recipes
from scgnn.recipe.yaml_tree import dump_yaml
from scgnn.registry.introspection import to_dict
from scgnn.report.answers import describe_answers
from scgnn.report.imputation import build_imputation_table
from scgnn.report.study_figures import StudyFigures
from scgnn.report.tables import (
    add_row_names,
    build_effect_tables,
    build_narrow_table,
    build_score_tables,
    build_summary_table,
    format_mean_sd,
)
from scgnn.report.template import render
from scgnn.report.text_table import TextTable, write_narrow_table, write_tables
from scgnn.report.wording import describe_design, describe_source
from scgnn.runs.provenance import collect_versions, describe_command, format_date
from scgnn.study.spec import Role, Study
from scgnn.study.tables import average_over_factors
from scgnn.study.wording import describe_comparisons

if TYPE_CHECKING:
    from scgnn.study.result import StudyResult

log = logging.getLogger("scgnn")


def write_report(result: StudyResult, *, umap: bool | None = None) -> Path:
    """Write ``report.html``, the tables ``effects`` and ``scores`` as .md and .tex.

    ``summary.tex`` is a table of the main score that fits a column of a page.

    An error is logged as a warning and does not fail the study.

    Parameters
    ----------
    result
        The study; its folder is read and written.
    umap
        Whether to draw UMAP besides PCA; by default, if umap-learn is installed and the study
        computed for at least five minutes (UMAP takes half a minute to start).
    """
    path = result.folder / "report.html"
    try:
        tables = result.tables
        effects = add_row_names(tables.effects)
        scores = []
        if tables.scores:
            scores = build_score_tables(tables.runs, tables.scores, result.study.factors)
        write_tables(result.folder, "effects", build_effect_tables(effects))
        write_tables(result.folder, "scores", scores)
        if len(rows := _select_main_effects(result)):
            title = f"Difference in {format_score_name(str(tables.main_score))} [95% interval]"
            narrow = build_narrow_table(title, rows)
            write_narrow_table(result.folder / "summary.tex", narrow, result.study.name)
        write_atomic(path, render("study.html", _build_context(result, effects, scores, umap)))
    except Exception as error:
        log.warning("%s could not be written: %s: %s", path, type(error).__name__, error)
        log.debug("report", exc_info=error)
    return path


def _select_main_effects(result: StudyResult) -> pd.DataFrame:
    """Return the effects of variants and levels of factors on the main score."""
    tables = result.tables
    frames = [add_row_names(frame) for frame in (tables.effects, tables.main_effects) if len(frame)]
    rows = pd.concat(frames) if frames else pd.DataFrame(columns=["score"])
    return rows[rows["score"] == tables.main_score]


def _build_context(
    result: StudyResult, effects: pd.DataFrame, score_tables: list[TextTable], umap: bool | None
) -> dict[str, Any]:
    tables, study, outcome = result.tables, result.study, result.outcome
    score = tables.main_score
    main_effects, interactions = map(add_row_names, (tables.main_effects, tables.interactions))
    base_means = tables.runs[tables.runs["role"] == "base"].mean(numeric_only=True)
    return {
        "name": study.name,
        "design": [*describe_design(study), *_describe_origin(study)],
        "failures": _group_failures(outcome.failures),
        "n_failed": len(outcome.failures),
        "n_runs": len(study.runs),
        "has_scores": bool(tables.scores),
        "answers": describe_answers(result),
        "is_compared": score is not None,
        "comparisons": _describe_tested(result),
        "facts": _list_facts(result, score or next(iter(tables.scores), None)),
        "forests": _build_effect_forests(result, effects[effects["score"] == score], score),
        "summary": build_summary_table(effects),
        "effect_tables": build_effect_tables(effects),
        "factor_forests": [
            build_forest_plot(rows, title)
            for frame, title in ((main_effects, "main effect"), (interactions, "interaction"))
            if len(rows := frame[frame["score"] == score])
        ],
        "factor_tables": [*build_effect_tables(main_effects), *build_effect_tables(interactions)],
        "ranking": plot_critical_difference(tables.ranking) if tables.ranking else None,
        "ranking_legend": describe_ranking(tables.ranking) if tables.ranking else None,
        "score_tables": score_tables,
        "imputes": any(getattr(run.recipe.pipeline, "imputation", None) for run in study.runs),
        "imputation": build_imputation_table(base_means.to_dict(), "base"),
        "figures": StudyFigures(result, umap),
        "differences": _list_differences(result),
        "cost": result.format_cost(),
        "stages": _build_stage_table(result),
        "versions": collect_versions(*(run.recipe for run in study.runs)),
    }


def _describe_tested(result: StudyResult) -> str:
    """Return the number of comparisons, and how many of them have no result."""
    tables, text = result.tables, describe_comparisons(result.study.comparisons)
    frames = [f for f in (tables.effects, tables.main_effects, tables.interactions) if len(f)]
    n_empty = sum(
        int((frame[frame["score"] == tables.main_score]["n_blocks"] == 0).sum()) for frame in frames
    )
    return f"{text}, less {n_empty} without a completed block" if n_empty else text


def _build_effect_forests(
    result: StudyResult, rows: pd.DataFrame, score: str | None
) -> list[ForestPlot]:
    """Build the forest plots of changes and of controls on the main score."""
    if score is None or rows.empty:
        return []
    study, runs = result.study, result.tables.runs
    changes = runs[runs["role"] != "control"]
    blocks = compute_block_differences(changes, score, [axis.name for axis in study.axes])
    averaged = average_over_factors(runs, study, [score])
    blocks |= compute_block_differences(averaged, score, study.blocks)
    return [
        build_forest_plot(part, role, {name: blocks[name] for name in part["name"]})
        for role in ("change", "control")
        if len(part := rows[rows["role"] == role])
    ]


def _list_facts(result: StudyResult, score: str | None) -> list[tuple[str, str]]:
    runs = result.tables.runs
    n_blocks = len(runs[list(result.study.blocks)].drop_duplicates())
    facts = [
        ("finished runs", f"{len(result.outcome.summaries):,} of {len(runs):,}"),
        ("blocks", f"{n_blocks:,}"),
        ("data sets", f"{runs['data'].nunique():,}"),
    ]
    if score is not None:
        values = runs.loc[runs["role"] == "base", score]
        facts.append((f"{format_score_name(score)} of the base", format_mean_sd(values)))
    return facts


def _describe_origin(study: Study) -> list[tuple[str, str]]:
    """Return the data, date and command of a study, each with a label."""
    sources = dict.fromkeys(describe_source(run.recipe.data) for run in study.runs)
    return [
        ("data", join_names(list(sources))),
        ("date", format_date()),
        ("command", describe_command("scgnn.run_study in Python")),
    ]


def _group_failures(failures: dict[str, str]) -> list[tuple[str, list[str]]]:
    """Return the labels of failed runs by reason, most frequent reason first."""
    by_reason: dict[str, list[str]] = {}
    for label, reason in failures.items():
        by_reason.setdefault(reason, []).append(label)
    return sorted(by_reason.items(), key=lambda item: -len(item[1]))


def _list_differences(result: StudyResult) -> list[tuple[str, Role, list[tuple[str, str, str]]]]:
    """Return name, role and settings that differ from the base for each variant."""
    first = {run.variant: run for run in reversed(result.study.runs)}
    base = next(run for run in first.values() if run.role == "base")
    return [
        (
            name,
            first[name].role,
            [
                (path, _format_yaml(left), _format_yaml(right))
                for path, left, right in diff_recipes(base.recipe, first[name].recipe)
            ],
        )
        for name in result.study.variants
        if first[name].role != "base"
    ]


def _format_yaml(value: Any) -> str:
    return dump_yaml(to_dict(value)).removesuffix("...\n").strip()


def _build_stage_table(result: StudyResult) -> TextTable:
    """Build the table of time and memory by stage; a shared stage counts once."""
    costs = list(dict(result.outcome.list_costs()).values())
    frame = pd.DataFrame(costs, columns=["stage", "seconds", "peak_memory_mb"])
    rows = [
        (
            str(stage),
            f"{len(part):,}",
            format_duration(part["seconds"].sum()),
            f"{part['peak_memory_mb'].max():,.0f} MB",
        )
        for stage, part in frame.groupby("stage", sort=False)
    ]
    return TextTable("Time and memory", ("stage", "computed", "time", "peak memory"), tuple(rows))
