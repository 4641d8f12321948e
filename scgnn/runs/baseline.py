"""The baseline of a run: the recipe pca_leiden on the cells that the run clustered."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scgnn.components.transforms import Filter
from scgnn.data.anndata_views import to_state
from scgnn.evaluation import ImputationTargets, prepare_imputation_targets
from scgnn.evaluation.scores import SCORES
from scgnn.execution.cache import StageCache
from scgnn.execution.formatting import format_count, format_number
from scgnn.execution.progress import NOT_ON_CONSOLE, ProgressListener, use_progress
from scgnn.execution.stages import Stages
from scgnn.recipe.load import load_recipe
from scgnn.recipe.recipe import Recipe
from scgnn.runs.prepared_data import PreparedData
from scgnn.runs.results import RunResult
from scgnn.runs.run import compute
from scgnn.runs.warning_signs import compare_with_baseline

log = logging.getLogger("scgnn")

BASELINE = "pca_leiden"
COMPARED_SCORES = ("n_clusters", "ari", "ami", "nmi")
NO_TARGETS = ImputationTargets(None, None, None, None, "other")


def has_baseline(result: RunResult) -> bool:
    """Return whether a run is compared with the baseline: not if it clusters PCA's embedding."""
    pipeline = result.recipe.pipeline
    encoder = getattr(pipeline, "feature_encoder", None)
    is_pca = getattr(encoder, "name", "") == "pca"
    return result.data is not None and not (is_pca and pipeline.graph_encoder is None)  # type: ignore[attr-defined]


def compute_baseline(result: RunResult, cache: StageCache) -> RunResult:
    """Return the result of a run with its baseline, and the warning if that is far better."""
    stages = Stages()
    with stages.measure(f"baseline {BASELINE}"), use_progress(ProgressListener()):
        recipe, data = _prepare(result)
        _, metrics = compute(recipe, data, Stages(cache))
    baseline = {name: metrics[name] for name in COMPARED_SCORES if name in metrics}
    baseline = {"recipe": BASELINE} | baseline | {"seconds": round(sum(stages.seconds.values()), 3)}
    log.info(f"{_describe(baseline)}; this run: {_describe(result.metrics)}", extra=NOT_ON_CONSOLE)
    warnings = result.warnings
    if warning := compare_with_baseline(result.metrics, baseline):
        log.warning(warning, extra=NOT_ON_CONSOLE)
        warnings += (warning,)
    return replace(result, baseline=baseline, warnings=warnings)


def _prepare(result: RunResult) -> tuple[Recipe, PreparedData]:
    """Return the recipe of the baseline and its data: the cells and hidden counts of the run."""
    assert result.data is not None
    counts, labels, cells = result.data.counts, result.data.labels, result.state.cells
    counts = counts[counts.obs_names.get_indexer(cells)].copy()
    baseline = load_recipe(BASELINE)
    transforms = tuple(
        replace(transform, min_gene_fraction=0.0) if isinstance(transform, Filter) else transform
        for transform in baseline.data.transforms
    )
    data = replace(result.recipe.data, transforms=transforms, truth_path=None)
    recipe = replace(baseline, seed=result.recipe.seed, data=data)
    state = to_state(prepare_imputation_targets(counts, recipe)[0], None)
    if labels is not None:
        labels = labels[counts.obs_names.get_indexer(state.cells)]
    return recipe, PreparedData(counts, counts, state, labels, NO_TARGETS)


def _describe(metrics: Mapping[str, Any]) -> str:
    """Return the number of clusters and the ARI of a run or of the baseline as text."""
    prefix = f"baseline {metrics['recipe']}: " if "recipe" in metrics else ""
    clusters = format_count(metrics["n_clusters"], "cluster")
    ari = f", {SCORES['ari'].label} {format_number(metrics['ari'])}" if "ari" in metrics else ""
    return f"{prefix}{clusters}{ari}"
