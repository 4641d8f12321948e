"""One run: data, pipeline and scores, in memory."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from scgnn.arguments import check_anndata
from scgnn.components.readers import InMemory
from scgnn.data.anndata_views import to_state
from scgnn.data.h5ad_compatibility import make_h5ad_compatible
from scgnn.data.layers import find_counts, keep_genes_of_counts, select_counts
from scgnn.data.sparse_structure import check_matrices
from scgnn.data.validation import format_unknown_column, validate
from scgnn.errors import InputError, UserError
from scgnn.evaluation import (
    clustering,
    prepare_imputation_targets,
    score_baselines,
    score_imputation,
    unflatten_scores,
)
from scgnn.execution.formatting import format_count
from scgnn.execution.progress import NOT_ON_CONSOLE
from scgnn.execution.resources import PeakMemory, hold_threads
from scgnn.execution.stages import Stages, stage
from scgnn.field_types import DatasetSize
from scgnn.recipe.recipe import Recipe
from scgnn.registry.introspection import has_third_party
from scgnn.runs.cost_model import get_dataset_size
from scgnn.runs.folder import make_paths_absolute
from scgnn.runs.preflight import preflight
from scgnn.runs.prepared_data import PreparedData
from scgnn.runs.results import Metrics, RunResult, annotate
from scgnn.runs.warning_signs import list_warnings
from scgnn.seeding import isolate_third_party_code, seed_for
from scgnn.state import State, to_dense
from scgnn.training.collectives import communicator

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger("scgnn")

FEATURE_STAGES = ("feature autoencoder", "feature embedding")
MIN_CELLS = 3
MAX_BASELINE_CELLS = 50_000  # beyond, the baseline would take minutes
WORKING_MEMORY_MIB = 4  # of scikit-learn; else a silhouette stores all pairwise distances


def execute(
    recipe: Recipe,
    adata: AnnData | None = None,
    stages: Stages | None = None,
    force: bool = False,
    to_file: bool = False,
) -> RunResult:
    """Run a recipe in memory.

    Parameters
    ----------
    recipe
        Recipe with all defaults.
    adata
        Counts, cells x genes, in place of the recipe's reader; not modified.
    stages
        Executor of the stages; by default without a cache.
    force
        Whether to run what is estimated not to fit into memory.
    to_file
        Whether the result is for an .h5ad file, which its annotation is converted for.
    """
    if adata is not None:
        check_anndata(adata)
        recipe = read_from_memory(recipe)
    with hold_threads():
        return _execute(recipe, adata, stages or Stages(), force, to_file)


def _execute(
    recipe: Recipe, adata: AnnData | None, stages: Stages, force: bool, to_file: bool
) -> RunResult:
    size = get_dataset_size(recipe) if adata is None else None
    if size is not None:
        preflight(recipe, size, force)
    with PeakMemory() as peak:
        with stages.measure("reading"):
            data = prepare(recipe, adata)
        if to_file:
            source = data.counts.uns["scgnn_input"]["source"]
            data = data._replace(original=make_h5ad_compatible(data.original, source))
        if size is None:
            n_cells, n_genes = data.counts.shape
            preflight(recipe, DatasetSize(n_cells, n_genes, data.counts.X.nnz), force)
        state, metrics = compute(recipe, data, stages)
        recipe = make_paths_absolute(recipe)
        result = annotate(data.original, data.counts, state, recipe, adata is not None)
    metrics["peak_memory_mb"] = round(peak.megabytes, 1)
    warnings = log_warnings(metrics, state, recipe)
    has_baseline = to_file and state.n_cells <= MAX_BASELINE_CELLS
    return RunResult(result, state, metrics, recipe, warnings, data if has_baseline else None)


def log_warnings(metrics: Metrics, state: State, recipe: Recipe) -> tuple[str, ...]:
    """Log and return the warnings about the results of a run."""
    warnings = list_warnings(metrics, state, recipe.pipeline)
    for warning in warnings:
        log.warning(warning, extra=NOT_ON_CONSOLE)  # the summary prints it
    return warnings


def read_from_memory(recipe: Recipe) -> Recipe:
    """Return the recipe for data that are given in Python."""
    return replace(recipe, data=replace(recipe.data, reader=InMemory()))


def prepare(recipe: Recipe, adata: AnnData | None = None) -> PreparedData:
    """Read, validate and transform the data of a recipe, and separate the true labels."""
    with isolate_third_party_code() if has_third_party(recipe.data) else nullcontext():
        return _prepare(recipe, adata)


def _prepare(recipe: Recipe, adata: AnnData | None) -> PreparedData:
    data = recipe.data
    if adata is None:
        source = getattr(data.reader, "path", "") or data.reader.name
        adata, layer = data.reader.read_counts(data.layer)
    else:
        source = "the given AnnData"
        check_matrices(adata, source)
        adata = adata.to_memory() if adata.isbacked else adata
        layer = find_counts(adata, data.layer, source)
    labels = None
    if data.labels_key is not None or data.labels_file is not None:
        labels = clustering.get_true_labels(adata, data.labels_key, data.labels_file)
    original = keep_genes_of_counts(adata, layer, source)
    counts = validate(select_counts(adata, layer, source), source)
    if data.labels_key in counts.obs:
        del counts.obs[data.labels_key]  # out of reach of everything that follows
    transformed, targets = prepare_imputation_targets(counts, recipe)
    n_cells = communicator().all_reduce_sum(transformed.n_obs)
    if n_cells < MIN_CELLS:
        problem = f"{source}: {n_cells} of {counts.n_obs:,} cells remain after filtering"
        raise InputError(f"{problem}: at least {MIN_CELLS} are required; keep more cells")
    state = to_state(transformed, _encode_batches(transformed, data.batch_key))
    if labels is not None:
        labels = labels[counts.obs_names.get_indexer(state.cells)]
        if not (labels != "").any():
            log.warning("data.labels_key: no labeled cell remains; label-based metrics are skipped")
            labels = None
    return PreparedData(original, counts, state, labels, targets)


def compute(recipe: Recipe, data: PreparedData, stages: Stages) -> tuple[State, Metrics]:
    """Run the pipeline; return its last state and the metrics, time and memory included."""
    state = recipe.pipeline(data.state, stages, recipe.seed)
    for name in ("clusters", "graph_embedding"):
        if getattr(state, name) is None:
            problem = f"the pipeline returned no {name}"
            raise UserError(f"pipeline: {recipe.pipeline.name}: {problem}; set State.{name}")
    metrics = _compute_run_metrics(state, stages, recipe.seed)
    if data.labels is not None:
        metrics |= clustering.score_against_labels(data.labels, state.clusters)  # type: ignore[arg-type]
    metrics |= _score_imputation(data, state, stages, recipe.seed)
    return state, add_costs(metrics, stages)


def add_costs(metrics: Metrics, stages: Stages) -> Metrics:
    """Return the metrics with the time and memory of stages, besides those that they have."""
    seconds = {stage: round(t, 3) for stage, t in stages.seconds.items()}
    peaks = {stage: round(mb, 1) for stage, mb in stages.peak_memory_mb.items()}
    costs = {"seconds": seconds, "peak_memory_mb_by_stage": peaks}
    costs = {name: metrics.get(name, {}) | values for name, values in costs.items()}
    if "peak_memory_mb" in metrics:
        costs["peak_memory_mb"] = max(metrics["peak_memory_mb"], *peaks.values())
    return metrics | costs


@stage("scores")
def score_separation(
    embedding: np.ndarray, clusters: np.ndarray, seed: int
) -> dict[str, float | None]:
    """Return the scores of clusters without true labels, in little memory."""
    from sklearn import config_context

    with config_context(working_memory=WORKING_MEMORY_MIB):
        return clustering.score_separation(embedding, clusters, seed)


def _score_imputation(data: PreparedData, state: State, stages: Stages, seed: int) -> Metrics:
    """Return the scores of the imputed expression and of the baselines, where it is known."""
    targets, x = data.imputation_targets, data.state.x
    if not targets:
        return {}
    if state.imputed is None:
        log.warning("expression was hidden to score its imputation, but nothing is imputed here")
        return {}
    scores = stages(score_imputation, to_dense(state.imputed), x, targets)
    baselines = stages(score_baselines, x, targets, seed_for(seed, "imputation_controls"))
    by_name = {name: unflatten_scores(values) for name, values in baselines.items()}
    return unflatten_scores(scores) | {"imputation_baselines": by_name}


def _compute_run_metrics(state: State, stages: Stages, seed: int) -> Metrics:
    """Return the metrics that need no truth."""
    assert state.clusters is not None
    args = (state.graph_embedding, state.clusters, seed)
    separation = stages(score_separation, *args, iteration=state.n_iterations)
    records = [record for record in state.history if record.stage in FEATURE_STAGES]
    records = [record for record in records if record.quantity in ("dead_units", "dead_genes")]
    return {
        "n_cells": state.n_cells,
        "n_genes": state.n_genes,
        "n_clusters": int(state.clusters.max()) + 1,
        "iterations": state.n_iterations,
        "stop_reason": state.stop_reason,
        **{record.quantity: int(record.value) for record in records},  # the last one of each
        **separation,
    }


def _encode_batches(adata: AnnData, batch_key: str | None) -> np.ndarray | None:
    """Return the number of each cell's batch [cells], from a column of ``obs``."""
    if batch_key is None:
        return None
    if batch_key not in adata.obs:
        problem = format_unknown_column(batch_key, adata.obs.columns)
        raise InputError(f"data.batch_key: {problem}")
    if n_missing := int(adata.obs[batch_key].isna().sum()):
        cells = format_count(n_missing, "cell")
        problem = f"{cells} without a value in column '{batch_key}' of obs"
        raise InputError(f"data.batch_key: {problem}")
    return np.unique(adata.obs[batch_key].astype(str), return_inverse=True)[1]
