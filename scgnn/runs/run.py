"""One run: read, check, transform, run the pipeline, score, and write."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scgnn.components.readers import InMemory
from scgnn.data.anndata_views import select_layer, to_state
from scgnn.data.validation import validate
from scgnn.errors import InputError
from scgnn.evaluation import (
    ImputationTargets,
    clustering,
    prepare_imputation_targets,
    score_baselines,
    score_imputation,
    unflatten_scores,
)
from scgnn.execution.resources import PeakMemory
from scgnn.execution.stages import Stages, stage
from scgnn.recipe.recipe import Recipe
from scgnn.runs.cost_model import DatasetSize, get_dataset_size
from scgnn.runs.folder import make_paths_absolute
from scgnn.runs.preflight import preflight
from scgnn.runs.results import RunResult, annotate
from scgnn.seeding import seed_for
from scgnn.state import State, to_dense

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger("scgnn")


WORKING_MEMORY_MIB = (
    4  # MiB; without a limit a silhouette holds the distances of all pairs of cells
)


class PreparedData(NamedTuple):
    """Data as the pipeline sees them, and what the scores need besides."""

    counts: AnnData  # validated, as read
    state: State
    labels: np.ndarray | None  # true label of each cell of ``state``
    imputation_targets: ImputationTargets  # true expression that imputation is scored by


def execute(
    recipe: Recipe,
    adata: AnnData | None = None,
    stages: Stages | None = None,
    force: bool = False,
) -> RunResult:
    """Run a complete recipe in memory, stage by stage; with ``force`` also what cannot fit."""
    if adata is not None and not hasattr(adata, "obs_names"):
        raise InputError(f"give an AnnData, cells x genes, not a {type(adata).__name__}")
    if adata is not None:
        recipe = _set_in_memory_reader(recipe)
    stages = stages or Stages()
    size = get_dataset_size(recipe) if adata is None else None
    if size is not None:
        preflight(recipe, size, force)
    with PeakMemory() as peak:
        prepared = prepare(recipe, adata)
        if size is None:
            cells, genes = prepared.counts.shape
            preflight(recipe, DatasetSize(cells, genes, int(prepared.counts.X.nnz)), force)
        state, scores = compute(recipe, prepared, stages)
        saved = make_paths_absolute(recipe)
        result = annotate(prepared.counts, state, saved, adata is not None)
    scores["peak_memory_mb"] = round(peak.megabytes, 1)
    return RunResult(result, state, scores, saved)


def prepare(recipe: Recipe, adata: AnnData | None = None) -> PreparedData:
    """Read, check and transform the data of a recipe; true labels are taken away."""
    read = recipe.data.reader() if adata is None else adata
    truth = None
    if recipe.data.labels_key is not None:
        truth = clustering.get_true_labels(read, recipe.data.labels_key)
    source = "the AnnData given" if adata is not None else _describe_source(recipe)
    if recipe.data.layer is not None:
        read = select_layer(read, recipe.data.layer)
    counts = validate(read, source)
    blind = counts.copy()
    if recipe.data.labels_key is not None:
        del blind.obs[recipe.data.labels_key]  # out of reach of everything that follows
    used, answers = prepare_imputation_targets(blind, recipe)
    state = to_state(used, _encode_batches(used, recipe))
    if truth is not None:
        truth = truth[counts.obs_names.get_indexer(state.cells)]
        if not (truth != "").any():
            log.warning(
                "data.labels_key: no cell that has one is left, so nothing is scored by them"
            )
            truth = None
    return PreparedData(counts, state, truth, answers)


def compute(recipe: Recipe, data: PreparedData, stages: Stages) -> tuple[State, dict[str, Any]]:
    """The pipeline's last state, and its scores with the time and memory of its stages."""
    state = recipe.pipeline(data.state, stages, recipe.seed)
    scores = _compute_run_metrics(state, stages, recipe.seed)
    if data.labels is not None:
        scores |= clustering.score_against_labels(data.labels, state.clusters)  # type: ignore[arg-type]
    scores |= _score_imputation(data, state, stages, recipe.seed)
    scores["seconds"] = {name: round(value, 3) for name, value in stages.seconds.items()}
    scores["peak_memory_mb_by_stage"] = {
        name: round(value, 1) for name, value in stages.peak_memory_mb.items()
    }
    return state, scores


@stage("scores")
def score_separation(
    embedding: np.ndarray, clusters: np.ndarray, seed: int
) -> dict[str, float | None]:
    """Scores of clusters without a truth, in little memory."""
    from sklearn import config_context

    with config_context(working_memory=WORKING_MEMORY_MIB):
        return clustering.score_separation(embedding, clusters, seed)


def _score_imputation(
    data: PreparedData, state: State, stages: Stages, seed: int
) -> dict[str, Any]:
    """Scores by the true expression where there is any, those of the controls beside them."""
    answers, seen = data.imputation_targets, data.state.x
    if not answers:
        return {}
    if state.imputed is None:
        log.warning("expression was hidden to score its imputation, but nothing is imputed here")
        return {}
    found = stages(score_imputation, to_dense(state.imputed), seen, answers)
    controls = stages(score_baselines, seen, answers, seed_for(seed, "imputation_controls"))
    return unflatten_scores(found) | {
        "imputation_baselines": {
            name: unflatten_scores(scores) for name, scores in controls.items()
        }
    }


def _compute_run_metrics(state: State, stages: Stages, seed: int) -> dict[str, Any]:
    """What is known of a run without any truth."""
    assert state.clusters is not None
    args = (state.graph_embedding, state.clusters, seed)
    internal = stages(score_separation, *args, iteration=state.n_iterations)
    return {
        "n_cells": state.n_cells,
        "n_genes": state.n_genes,
        "n_clusters": int(state.clusters.max()) + 1,
        "iterations": state.n_iterations,
        "stop_reason": state.stop_reason,
        **_get_last_values(state.history, "dead_units", "dead_genes"),
        **internal,
    }


def _set_in_memory_reader(recipe: Recipe) -> Recipe:
    """The recipe of a run whose data did not come from its reader."""
    return replace(recipe, data=replace(recipe.data, reader=InMemory()))


def _describe_source(recipe: Recipe) -> str:
    return getattr(recipe.data.reader, "path", "") or recipe.data.reader.name


def _get_last_values(history: Any, *names: str) -> dict[str, int]:
    """The last value of some quantities of the feature autoencoder."""
    return {
        r.quantity: int(r.value)
        for r in history
        if r.quantity in names and r.stage == "feature autoencoder"
    }


def _encode_batches(adata: AnnData, recipe: Recipe) -> np.ndarray | None:
    """The number of each cell's batch, where the recipe says which column of obs names it."""
    column = recipe.data.batch_key
    if column is None:
        return None
    if column not in adata.obs:
        known = ", ".join(adata.obs.columns) or "none"
        raise InputError(f"data.batch_key: obs has no column '{column}'; its columns: {known}")
    missing = int(adata.obs[column].isna().sum())
    if missing:
        raise InputError(
            f"data.batch_key: {missing:,} cells have no value in column '{column}' of obs"
        )
    return np.unique(adata.obs[column].astype(str), return_inverse=True)[1]
