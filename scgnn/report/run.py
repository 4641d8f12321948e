"""HTML report of a run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from scgnn.evaluation.scores import SCORES
from scgnn.execution.formatting import format_duration, format_number
from scgnn.plotting.alluvial import plot_alluvial
from scgnn.plotting.curves import plot_agreement, plot_loss_curves
from scgnn.plotting.formatting import GROUP_LABELS, format_score_name
from scgnn.plotting.scatter import plot_clusters
from scgnn.recipe.recipe import to_yaml
from scgnn.report.imputation import build_imputation_table
from scgnn.report.template import render
from scgnn.report.text_table import TextTable
from scgnn.report.wording import describe_data, describe_pipeline, describe_source
from scgnn.runs.provenance import collect_versions, describe_command, format_date
from scgnn.runs.results import RunResult
from scgnn.state import Record

log = logging.getLogger("scgnn")

LARGE_FIGURE_SIZE = (430.0, 380.0)
COUNTS = ("n_cells", "n_genes", "n_clusters", "iterations")
NON_SCORE_METRICS = ("n_clusters", "seconds", "peak_memory_mb", *GROUP_LABELS)
DEAD_METRIC_LABELS = {"dead_units": "embedding units", "dead_genes": "genes"}
MISSING_PAGE = "<!doctype html><title>scgnn</title><p>The report could not be written; see the log."


def render_run_page(result: RunResult) -> str:
    """Return ``report.html`` of a run; an error is logged and does not fail the run."""
    try:
        return render("run.html", _build_context(result))
    except Exception as error:
        log.warning("report.html could not be written: %s: %s", type(error).__name__, error)
        log.debug("report", exc_info=error)
        return MISSING_PAGE


def _build_context(result: RunResult) -> dict[str, Any]:
    metrics, state, recipe = result.metrics, result.state, result.recipe
    if not result.figures:  # which the baseline, added later, leaves as they are
        result.figures.update(_draw_figures(result))
    scores = [name for name in ("ari", "silhouette") if metrics.get(name) is not None]
    return {
        "title": f"{result.recipe_name} on {describe_data(recipe.data)}",
        "origin": [
            ("recipe", f"{result.recipe_name}: {describe_pipeline(recipe.pipeline)}"),
            ("data", describe_source(recipe.data)),
            ("date", format_date()),
            ("command", describe_command("scgnn.run in Python")),
        ],
        "seed": recipe.seed,
        "facts": [
            *((name.removeprefix("n_"), f"{metrics[name]:,}") for name in COUNTS),
            *((format_score_name(name), format_number(metrics[name], 0.04)) for name in scores),
        ],
        "stop_reason": metrics["stop_reason"],
        "dead": list_dead(metrics),
        "warnings": result.warnings,
        "baseline": build_baseline_table(result),
        "imputed": state.imputed is not None,
        "scores": build_score_table(metrics),
        **result.figures,
        "ltmg": _build_ltmg_table(state.ltmg_states),
        "imputation": build_imputation_table(metrics, "this run"),
        "stages": build_stage_table(metrics),
        "recipe": to_yaml(recipe),
        "versions": collect_versions(recipe),
    }


def _draw_figures(result: RunResult) -> dict[str, Any]:
    """Return the figures by section; true labels are used for scores only and not drawn."""
    state = result.state
    records = pd.DataFrame(state.history, columns=list(Record._fields))
    cluster_history = pd.DataFrame(dict(enumerate(state.cluster_history)))
    data = result.adata.obsm["X_scgnn"], pd.Series(state.clusters)
    return {
        "clusters": plot_clusters(*data, "embedding", size=LARGE_FIGURE_SIZE),
        "iterations": [
            plot_agreement(records),
            plot_alluvial(cluster_history, "clusters by iteration"),
        ],
        "losses": plot_loss_curves([records], "this run"),
    }


def build_score_table(metrics: Mapping[str, Any]) -> TextTable:
    """Build the table of clustering scores."""
    rows = [
        (format_score_name(name), format_number(value))
        for name, value in metrics.items()
        if name in SCORES and name not in NON_SCORE_METRICS
    ]
    return TextTable("Scores", ("score", "value"), tuple(rows))


def build_baseline_table(result: RunResult) -> TextTable | None:
    """Build the table of the scores of a run beside those of its baseline."""
    baseline = result.baseline
    if baseline is None:
        return None
    names = [name for name in baseline if name in SCORES and name != "seconds"]
    both = result.metrics, baseline
    rows = [(format_score_name(name), *(_format_score(m[name]) for m in both)) for name in names]
    header = ("baseline", "this run", str(baseline["recipe"]))
    return TextTable("Baseline", header, tuple(rows))


def _format_score(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else format_number(value, 0.04)


def build_stage_table(metrics: Mapping[str, Any]) -> TextTable:
    """Build the table of time and peak memory by stage."""
    seconds, peaks = metrics["seconds"], metrics["peak_memory_mb_by_stage"]
    costs = [(stage, seconds[stage], peaks[stage]) for stage in seconds]
    costs.append(("total", sum(seconds.values()), metrics["peak_memory_mb"]))
    rows = [(stage, format_duration(time), f"{peak:,.0f} MB") for stage, time, peak in costs]
    return TextTable("Time and memory", ("stage", "time", "peak memory"), tuple(rows))


def list_dead(metrics: Mapping[str, Any]) -> list[str]:
    """Return the numbers of embedding units and genes that are 0 in every cell."""
    return [
        f"{metrics[key]:,} {noun}" for key, noun in DEAD_METRIC_LABELS.items() if key in metrics
    ]


def _build_ltmg_table(ltmg_states: Any) -> TextTable | None:
    """Build the table of LTMG states: fraction of values, and genes by their highest state."""
    if ltmg_states is None:
        return None
    counts = np.bincount(ltmg_states.data.astype(int)) if ltmg_states.nnz else np.zeros(1, int)
    n_values = ltmg_states.shape[0] * ltmg_states.shape[1]
    counts[0] = n_values - counts[1:].sum()
    highest = np.asarray(ltmg_states.max(axis=0).todense()).ravel().astype(int)
    n_genes = np.bincount(highest, minlength=len(counts))
    rows = [
        (f"{state}{'' if state else ', not expressed'}", f"{n / n_values:.1%}", f"{genes:,}")
        for state, (n, genes) in enumerate(zip(counts, n_genes, strict=True))
    ]
    header = ("state", "fraction of values", "genes (highest state)")
    return TextTable("LTMG states", header, tuple(rows))
