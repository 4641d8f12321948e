"""Summaries of finished runs and studies in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn.cli.streams import print_text

if TYPE_CHECKING:
    from scgnn.runs.results import RunResult
    from scgnn.study.result import StudyResult

SHOWN_BASELINES = ("unimputed", "diffusion")
SHOWN_COLUMNS = ("variant", "mean base", "difference", "95% interval", "verdict")


def print_run_summary(result: RunResult, files: Sequence[Path], out: Path) -> None:
    """Print the size and the scores of a run, time and memory by stage, its files, and warnings."""
    from scgnn.report.imputation import build_imputation_table
    from scgnn.report.run import (
        build_baseline_table,
        build_score_table,
        build_stage_table,
        list_dead,
    )

    metrics = result.metrics
    facts = [
        ("cells x genes", f"{metrics['n_cells']:,} x {metrics['n_genes']:,}"),
        ("clusters", f"{metrics['n_clusters']:,}"),
        ("iterations", f"{metrics['iterations']:,}, {metrics['stop_reason']}"),
    ]
    if dead := list_dead(metrics):
        facts.append(("always zero", ", ".join(dead)))
    print_columns([*facts, *build_score_table(metrics).rows])
    imputation = build_imputation_table(metrics, "this run", SHOWN_BASELINES)
    baseline = build_baseline_table(result)
    for table in filter(None, (baseline, imputation, build_stage_table(metrics))):
        print_text()
        print_columns([table.header, *table.rows])
    print_text(f"\nfiles in {out}: {', '.join(path.name for path in files)}")
    for warning in result.warnings:
        print_text(f"warning: {warning}")


def print_study_summary(result: StudyResult) -> None:
    """Print the answers, the effects on the main score, the failures and the files."""
    from scgnn.report.answers import describe_answers
    from scgnn.report.tables import add_row_names, build_effect_tables

    tables = result.tables
    for answer in describe_answers(result):
        print_text(f"{answer}\n")
    for effects in filter(len, (tables.effects, tables.main_effects)):
        rows = add_row_names(effects[effects["score"] == tables.main_score])
        if rows.empty:
            continue
        (table,) = build_effect_tables(rows)
        columns = [table.header.index(name) for name in SHOWN_COLUMNS]
        print_text(f"{table.title}\n")
        print_columns([[row[i] for i in columns] for row in (table.header, *table.rows)])
        print_text()
    for label, reason in result.outcome.failures.items():
        print_text(f"failed: {label}: {reason}")
    files = sorted(path.name for path in result.folder.iterdir() if path.is_file())
    print_text(f"files in {result.folder}: {', '.join(files)}")


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print_text("  ".join(cells).rstrip())
