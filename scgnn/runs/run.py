"""One run: read, check, transform, run the pipeline, score, and write."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scgnn.components.readers import Given
from scgnn.data.anndata_views import to_state, with_layer
from scgnn.data.validation import validated
from scgnn.errors import InputError
from scgnn.evaluation import (
    Answers,
    clustering,
    control_scores,
    imputed_scores,
    nested,
    with_answers,
)
from scgnn.execution.resources import PeakMemory
from scgnn.execution.stages import Stages, stage
from scgnn.recipe.recipe import Recipe
from scgnn.runs.cost_model import Size, size_of
from scgnn.runs.folder import absolute_paths
from scgnn.runs.preflight import foresee
from scgnn.runs.results import Result, annotate
from scgnn.seeding import seed_for
from scgnn.state import State, whole

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger("scgnn")


SCORE_MEMORY = 4  # MiB; without a limit a silhouette holds the distances of all pairs of cells


class Prepared(NamedTuple):
    """Data as the pipeline sees them, and what the scores need besides."""

    counts: AnnData  # validated, as read
    state: State
    truth: np.ndarray | None  # true label of each cell of ``state``
    answers: Answers  # true expression that imputation is scored by


def execute(
    recipe: Recipe,
    adata: AnnData | None = None,
    stages: Stages | None = None,
    force: bool = False,
) -> Result:
    """Run a complete recipe in memory, stage by stage; with ``force`` also what cannot fit."""
    if adata is not None and not hasattr(adata, "obs_names"):
        raise InputError(f"give an AnnData, cells x genes, not a {type(adata).__name__}")
    if adata is not None:
        recipe = _of_given_data(recipe)
    stages = stages or Stages()
    size = size_of(recipe) if adata is None else None
    if size is not None:
        foresee(recipe, size, force)
    with PeakMemory() as peak:
        prepared = prepare(recipe, adata)
        if size is None:
            cells, genes = prepared.counts.shape
            foresee(recipe, Size(cells, genes, int(prepared.counts.X.nnz)), force)
        state, scores = compute(recipe, prepared, stages)
        saved = absolute_paths(recipe)
        result = annotate(prepared.counts, state, saved, adata is not None)
    scores["peak_memory_mb"] = round(peak.megabytes, 1)
    return Result(result, state, scores, saved)


def prepare(recipe: Recipe, adata: AnnData | None = None) -> Prepared:
    """Read, check and transform the data of a recipe; true labels are taken away."""
    read = recipe.data.reader() if adata is None else adata
    truth = None
    if recipe.data.labels is not None:
        truth = clustering.true_labels(read, recipe.data.labels)
    source = "the AnnData given" if adata is not None else _source(recipe)
    if recipe.data.layer is not None:
        read = with_layer(read, recipe.data.layer)
    counts = validated(read, source)
    blind = counts.copy()
    if recipe.data.labels is not None:
        del blind.obs[recipe.data.labels]  # out of reach of everything that follows
    used, answers = with_answers(blind, recipe)
    state = to_state(used, _batches(used, recipe))
    if truth is not None:
        truth = truth[counts.obs_names.get_indexer(state.cells)]
        if not (truth != "").any():
            log.warning("labels: no cell that has one is left, so nothing is scored by them")
            truth = None
    return Prepared(counts, state, truth, answers)


def compute(recipe: Recipe, prepared: Prepared, stages: Stages) -> tuple[State, dict[str, Any]]:
    """The pipeline's last state, and its scores with the time and memory of its stages."""
    state = recipe.pipeline(prepared.state, stages, recipe.seed)
    scores = _scores(state, stages, recipe.seed)
    if prepared.truth is not None:
        scores |= clustering.label_scores(prepared.truth, state.labels)  # type: ignore[arg-type]
    scores |= _imputation_scores(prepared, state, stages, recipe.seed)
    scores["seconds"] = {name: round(value, 3) for name, value in stages.seconds.items()}
    scores["peak_memory_mb_by_stage"] = {
        name: round(value, 1) for name, value in stages.peak_memory_mb.items()
    }
    return state, scores


@stage("scores")
def internal_scores(
    embedding: np.ndarray, labels: np.ndarray, seed: int
) -> dict[str, float | None]:
    """Scores of clusters without a truth, in little memory."""
    from sklearn import config_context

    with config_context(working_memory=SCORE_MEMORY):
        return clustering.internal_scores(embedding, labels, seed)


def _imputation_scores(
    prepared: Prepared, state: State, stages: Stages, seed: int
) -> dict[str, Any]:
    """Scores by the true expression where there is any, those of the controls beside them."""
    answers, seen = prepared.answers, prepared.state.x
    if not answers:
        return {}
    if state.imputed is None:
        log.warning("expression was hidden to score its imputation, but nothing is imputed here")
        return {}
    found = stages(imputed_scores, whole(state.imputed), seen, answers)
    controls = stages(control_scores, seen, answers, seed_for(seed, "imputation_controls"))
    return nested(found) | {
        "imputation_controls": {name: nested(scores) for name, scores in controls.items()}
    }


def _scores(state: State, stages: Stages, seed: int) -> dict[str, Any]:
    """What is known of a run without any truth."""
    assert state.labels is not None
    args = (state.graph_embedding, state.labels, seed)
    internal = stages(internal_scores, *args, iteration=state.iterations)
    return {
        "n_cells": state.n_cells,
        "n_genes": state.n_genes,
        "n_clusters": int(state.labels.max()) + 1,
        "iterations": state.iterations,
        "stopped_because": state.stopped,
        **_last(state.history, "dead_units", "dead_genes"),
        **internal,
    }


def _of_given_data(recipe: Recipe) -> Recipe:
    """The recipe of a run whose data did not come from its reader."""
    return replace(recipe, data=replace(recipe.data, reader=Given()))


def _source(recipe: Recipe) -> str:
    return getattr(recipe.data.reader, "path", "") or recipe.data.reader.name


def _last(history: Any, *names: str) -> dict[str, int]:
    """The last value of some quantities of the feature autoencoder."""
    return {
        r.quantity: int(r.value)
        for r in history
        if r.quantity in names and r.stage == "feature autoencoder"
    }


def _batches(adata: AnnData, recipe: Recipe) -> np.ndarray | None:
    """The number of each cell's batch, where the recipe says which column of obs names it."""
    column = recipe.data.batch
    if column is None:
        return None
    if column not in adata.obs:
        known = ", ".join(adata.obs.columns) or "none"
        raise InputError(f"data.batch: obs has no column '{column}'; its columns: {known}")
    missing = int(adata.obs[column].isna().sum())
    if missing:
        raise InputError(f"data.batch: {missing:,} cells have no value in column '{column}' of obs")
    return np.unique(adata.obs[column].astype(str), return_inverse=True)[1]
