"""The page of a run."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from scgnn.plotting.alluvial import alluvial
from scgnn.plotting.curves import agreement_curve, loss_curves
from scgnn.plotting.formatting import number, score_name
from scgnn.plotting.scatter import cluster_picture
from scgnn.plotting.svg import Picture
from scgnn.recipe.recipe import to_yaml
from scgnn.report import imputation
from scgnn.report.run_data import Trace
from scgnn.report.template import rendered
from scgnn.report.wording import Sheet, method
from scgnn.runs.provenance import versions
from scgnn.runs.results import Result

log = logging.getLogger("scgnn")

NOT_SCORES = ("n_cells", "n_genes", "n_clusters", "iterations", "stopped_because")
LARGE = (430.0, 380.0)
DEAD = {"dead_units": "embedding units", "dead_genes": "genes"}


def run_page(result: Result) -> str:
    """``report.html`` of a run; one that cannot be made says so and is a warning in the log."""
    try:
        return rendered("run.html", _contents(result))
    except Exception as error:  # a page is not worth a run
        log.warning("report.html could not be written: %s: %s", type(error).__name__, error)
        log.debug("report", exc_info=error)
        return "<!doctype html><title>scgnn</title><p>This page could not be made; see the log."


def _contents(result: Result) -> dict[str, Any]:
    """What the template shows."""
    metrics, state, recipe = result.metrics, result.state, result.recipe
    trace = Trace.of(result)
    agreement = agreement_curve(trace.history)
    stream = alluvial(trace.rounds, "clusters by iteration")
    facts = [
        ("cells", f"{state.n_cells:,}"),
        ("genes", f"{state.n_genes:,}"),
        ("clusters", f"{metrics['n_clusters']:,}"),
        ("iterations", f"{metrics['iterations']:,}"),
    ]
    return {
        "name": recipe.pipeline.name,
        "method": method(recipe.pipeline),
        "seed": recipe.seed,
        "data": recipe.data.reader.name,
        "facts": facts + _main(metrics),
        "stopped": metrics["stopped_because"],
        "dead": [(metrics[name], word) for name, word in DEAD.items() if name in metrics],
        "imputed": state.imputed is not None,
        "scores": _scores(metrics),
        "pictures": _clusters(trace),
        "iterations": [each for each in (agreement, stream) if each is not None],
        "losses": loss_curves([trace.losses()], "this run"),
        "ltmg": _ltmg(state.signal),
        "imputation": imputation.of_run(metrics),
        "stages": _stages(metrics),
        "recipe": to_yaml(recipe),
        "versions": versions(),
    }


def _main(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    there = [name for name in ("ari", "silhouette") if metrics.get(name) is not None]
    return [(score_name(name), number(metrics[name], 0.04)) for name in there]


def _scores(metrics: dict[str, Any]) -> Sheet:
    """Every score of the clusters; those of imputation stand beside their controls."""
    flat = {k: v for k, v in metrics.items() if not isinstance(v, dict) and k not in NOT_SCORES}
    rows = [(score_name(name), number(value)) for name, value in flat.items() if name not in DEAD]
    return Sheet("Scores", ("score", "value"), tuple(rows))


def _clusters(trace: Trace) -> list[Picture]:
    """The clusters found. True labels are for scores alone, so they are not drawn."""
    if trace.embedding is None or trace.labels is None:
        return []
    return [cluster_picture(trace.embedding, trace.labels, "found", size=LARGE)]


def _ltmg(signal: Any) -> Sheet | None:
    """How many values, and how many genes at most, are in each LTMG state."""
    if signal is None:
        return None
    counts = np.bincount(signal.data.astype(int)) if signal.nnz else np.zeros(1, int)
    counts[0] = signal.shape[0] * signal.shape[1] - counts[1:].sum()
    highest = np.asarray(signal.max(axis=0).todense()).ravel().astype(int)
    genes = np.bincount(highest, minlength=len(counts))
    rows = [
        (
            f"{state}{'' if state else ', not expressed'}",
            f"{n / counts.sum():.1%}",
            f"{genes[state]:,}",
        )
        for state, n in enumerate(counts)
    ]
    return Sheet("LTMG", ("state", "share of values", "genes up to it"), tuple(rows))


def _stages(metrics: dict[str, Any]) -> Sheet:
    seconds, peaks = metrics["seconds"], metrics["peak_memory_mb_by_stage"]
    rows = [(name, number(seconds[name], 0.4), number(peaks[name], 9)) for name in seconds]
    rows.append(("all", number(sum(seconds.values()), 0.4), number(metrics["peak_memory_mb"], 9)))
    return Sheet("Stages", ("stage", "seconds", "peak MB"), tuple(rows))
