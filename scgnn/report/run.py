"""The page of a run."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from scgnn.plotting.alluvial import plot_alluvial
from scgnn.plotting.curves import plot_agreement, plot_loss_curves
from scgnn.plotting.formatting import format_number, format_score_name
from scgnn.plotting.scatter import plot_clusters
from scgnn.plotting.svg import SvgFigure
from scgnn.recipe.recipe import to_yaml
from scgnn.report import imputation
from scgnn.report.run_data import RunHistory
from scgnn.report.template import render
from scgnn.report.wording import TextTable, describe_pipeline
from scgnn.runs.provenance import collect_versions
from scgnn.runs.results import RunResult

log = logging.getLogger("scgnn")

NON_SCORE_METRICS = ("n_cells", "n_genes", "n_clusters", "iterations", "stop_reason")
LARGE_FIGURE_SIZE = (430.0, 380.0)
DEAD_METRIC_NAMES = {"dead_units": "embedding units", "dead_genes": "genes"}


def render_run_page(result: RunResult) -> str:
    """``report.html`` of a run; one that cannot be made says so and is a warning in the log."""
    try:
        return render("run.html", _build_context(result))
    except Exception as error:  # a page is not worth a run
        log.warning("report.html could not be written: %s: %s", type(error).__name__, error)
        log.debug("report", exc_info=error)
        return "<!doctype html><title>scgnn</title><p>This page could not be made; see the log."


def _build_context(result: RunResult) -> dict[str, Any]:
    """What the template shows."""
    metrics, state, recipe = result.metrics, result.state, result.recipe
    trace = RunHistory.from_result(result)
    agreement = plot_agreement(trace.records)
    stream = plot_alluvial(trace.cluster_history, "clusters by iteration")
    facts = [
        ("cells", f"{state.n_cells:,}"),
        ("genes", f"{state.n_genes:,}"),
        ("clusters", f"{metrics['n_clusters']:,}"),
        ("iterations", f"{metrics['iterations']:,}"),
    ]
    return {
        "name": recipe.pipeline.name,
        "method": describe_pipeline(recipe.pipeline),
        "seed": recipe.seed,
        "data": recipe.data.reader.name,
        "facts": facts + _format_main_scores(metrics),
        "stopped": metrics["stop_reason"],
        "dead": [
            (metrics[name], word) for name, word in DEAD_METRIC_NAMES.items() if name in metrics
        ],
        "imputed": state.imputed is not None,
        "scores": _build_score_table(metrics),
        "pictures": _plot_clusters(trace),
        "iterations": [each for each in (agreement, stream) if each is not None],
        "losses": plot_loss_curves([trace.get_losses()], "this run"),
        "ltmg": _build_ltmg_table(state.ltmg_states),
        "imputation": imputation.tabulate_run(metrics),
        "stages": _build_stage_table(metrics),
        "recipe": to_yaml(recipe),
        "versions": collect_versions(),
    }


def _format_main_scores(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    there = [name for name in ("ari", "silhouette") if metrics.get(name) is not None]
    return [(format_score_name(name), format_number(metrics[name], 0.04)) for name in there]


def _build_score_table(metrics: dict[str, Any]) -> TextTable:
    """Every score of the clusters; those of imputation stand beside their controls."""
    flat = {
        k: v for k, v in metrics.items() if not isinstance(v, dict) and k not in NON_SCORE_METRICS
    }
    rows = [
        (format_score_name(name), format_number(value))
        for name, value in flat.items()
        if name not in DEAD_METRIC_NAMES
    ]
    return TextTable("Scores", ("score", "value"), tuple(rows))


def _plot_clusters(run_history: RunHistory) -> list[SvgFigure]:
    """The clusters found. True labels are for scores alone, so they are not drawn."""
    if run_history.embedding is None or run_history.clusters is None:
        return []
    return [
        plot_clusters(run_history.embedding, run_history.clusters, "found", size=LARGE_FIGURE_SIZE)
    ]


def _build_ltmg_table(ltmg_states: Any) -> TextTable | None:
    """How many values, and how many genes at most, are in each LTMG state."""
    if ltmg_states is None:
        return None
    counts = np.bincount(ltmg_states.data.astype(int)) if ltmg_states.nnz else np.zeros(1, int)
    counts[0] = ltmg_states.shape[0] * ltmg_states.shape[1] - counts[1:].sum()
    highest = np.asarray(ltmg_states.max(axis=0).todense()).ravel().astype(int)
    genes = np.bincount(highest, minlength=len(counts))
    rows = [
        (
            f"{state}{'' if state else ', not expressed'}",
            f"{n / counts.sum():.1%}",
            f"{genes[state]:,}",
        )
        for state, n in enumerate(counts)
    ]
    return TextTable("LTMG", ("state", "share of values", "genes up to it"), tuple(rows))


def _build_stage_table(metrics: dict[str, Any]) -> TextTable:
    seconds, peaks = metrics["seconds"], metrics["peak_memory_mb_by_stage"]
    rows = [
        (name, format_number(seconds[name], 0.4), format_number(peaks[name], 9)) for name in seconds
    ]
    rows.append(
        (
            "all",
            format_number(sum(seconds.values()), 0.4),
            format_number(metrics["peak_memory_mb"], 9),
        )
    )
    return TextTable("Stages", ("stage", "seconds", "peak MB"), tuple(rows))
