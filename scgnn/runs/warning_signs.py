"""Warnings about results that look bad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scgnn.execution.formatting import format_number
from scgnn.pipelines import Pipeline
from scgnn.state import State

MIN_BASELINE_ARI = 0.1  # below, the labels are not those of clusters


def list_warnings(metrics: Mapping[str, Any], state: State, pipeline: Pipeline) -> tuple[str, ...]:
    """Return a sentence for each sign that a run did not work.

    These are a trained embedding most of whose units are 0 in every cell, iterations that ended
    at their limit, and a single cluster.
    """
    warnings = []
    n_units = 0 if state.embedding is None else state.embedding.shape[1]
    # without a decoder, as with pca, nothing is trained: few genes or cells leave units empty
    is_trained = getattr(pipeline, "feature_decoder", None) is not None
    if is_trained and (n_dead := metrics.get("dead_units", 0)) > n_units / 2:
        warnings.append(
            f"{n_dead:,} of {n_units:,} units of the feature embedding are 0 in every cell: the "
            "clusters depend on few units; try the recipe scgnn_no_dead_units"
        )
    limit, stop = getattr(pipeline, "max_iterations", 0), getattr(pipeline, "stop", None)
    never_stops = stop is None or stop.name == "never"
    if limit and not never_stops and state.stop_reason.startswith("max_iterations"):
        warnings.append(
            f"the iterations ended at their limit, {limit:,}, without convergence: more of them "
            "may change the clusters; raise pipeline.max_iterations"
        )
    if metrics["n_clusters"] == 1:
        warnings.append(
            "all cells are in one cluster; check the counts and the settings of pipeline.clusterer"
        )
    return tuple(warnings)


def compare_with_baseline(metrics: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    """Return a sentence if the ARI is less than half of the baseline's, else nothing."""
    ari, reference = metrics.get("ari"), baseline.get("ari")
    if ari is None or reference is None or reference < MIN_BASELINE_ARI or ari >= reference / 2:
        return ""
    scores = f"{format_number(ari, 0.04)} is less than half of {format_number(reference, 0.04)}"
    return (
        f"the ARI of {scores}, that of the baseline {baseline['recipe']}: "
        "these clusters fit the labels badly; try another recipe"
    )
