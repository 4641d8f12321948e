"""Results of a run: an AnnData and the contents of its files."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy import sparse

from scgnn.execution.files import FileContent
from scgnn.recipe.recipe import Recipe, to_yaml
from scgnn.runs.prepared_data import PreparedData
from scgnn.runs.provenance import collect_versions
from scgnn.state import Record, State

if TYPE_CHECKING:
    from anndata import AnnData

EDGES_PER_BLOCK = 2**16  # whose lengths are computed at a time
Metrics: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class RunResult:
    """Result of a run.

    Attributes
    ----------
    adata
        The cells and genes used, with the results.
    state
        Last state of the pipeline.
    metrics
        Scores, counts, time and memory.
    recipe
        Recipe with all defaults and absolute paths, which reproduces the run.
    warnings
        Sentences about results that look bad.
    data
        Data of the run, for the baseline; None if there is to be none.
    recipe_name
        Name of the recipe.
    baseline
        Recipe, number of clusters and scores of the baseline.
    figures
        Figures of the report by section, once they are drawn.
    """

    adata: AnnData
    state: State
    metrics: Metrics
    recipe: Recipe
    warnings: tuple[str, ...] = ()
    data: PreparedData | None = None
    recipe_name: str = ""
    baseline: Metrics | None = None
    figures: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


def annotate(
    original: AnnData,
    counts: AnnData,
    state: State,
    recipe: Recipe,
    in_memory: bool,
) -> AnnData:
    """Return the cells and genes used as they came, with the results of a run.

    Matrices, columns and keys of the input keep their values and types, but for the results of an
    earlier run. Names are unique.

    Parameters
    ----------
    original
        Data with the genes of the counts, cells x genes; not modified.
    counts
        Their validated counts, whose names are unique.
    state
        Last state of the pipeline.
    recipe
        Recipe of the run.
    in_memory
        Whether the data came from Python rather than from the recipe's reader.
    """
    import pandas as pd

    assert state.clusters is not None
    cells = counts.obs_names.get_indexer(state.cells)
    genes = counts.var_names.get_indexer(state.genes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are not unique
        adata = original[cells, genes].copy()
    adata.obs_names, adata.var_names = state.cells, state.genes
    adata.uns["scgnn_input"] = counts.uns["scgnn_input"]
    adata.layers.pop("scgnn_imputed", None)  # of an earlier run, as the next ones
    adata.obsp.pop("scgnn_connectivities", None)
    adata.obsp.pop("scgnn_distances", None)
    names = pd.Index([str(cluster) for cluster in range(int(state.clusters.max()) + 1)])
    adata.obs["scgnn"] = pd.Categorical.from_codes(state.clusters, categories=names)
    adata.obsm["X_scgnn"] = state.graph_embedding
    adata.obsm["X_scgnn_features"] = state.embedding
    if state.imputed is not None:
        imputed: Any = state.imputed
        is_lazy = hasattr(imputed, "to_dask")
        adata.layers["scgnn_imputed"] = imputed.to_dask() if is_lazy else imputed
    uns: dict[str, Any] = {
        "recipe": to_yaml(recipe),
        "data": "AnnData in memory" if in_memory else f"reader {recipe.data.reader.name}",
        "versions": collect_versions(recipe),
        "stop_reason": state.stop_reason,
        "iterations": state.n_iterations,
        "history": {
            column: np.array([getattr(record, column) for record in state.history])
            for column in Record._fields
        },
    }
    if state.graph is not None:
        adata.obsp["scgnn_connectivities"] = state.graph
        adata.obsp["scgnn_distances"] = _compute_edge_lengths(state)
        uns |= {  # as scanpy's neighbors
            "connectivities_key": "scgnn_connectivities",
            "distances_key": "scgnn_distances",
            "params": {
                "method": "scgnn",
                "use_rep": "X_scgnn_features",
                "n_neighbors": getattr(recipe.pipeline.graph_builder, "n_neighbors", 0),  # type: ignore[attr-defined]
                "metric": "euclidean",
            },
        }
    adata.uns["scgnn"] = uns
    return adata


def _compute_edge_lengths(state: State) -> sparse.csr_matrix:
    """Return the Euclidean distances in the feature embedding on the edges, cells x cells."""
    assert state.graph is not None and state.embedding is not None
    edges = state.graph.tocoo()
    lengths = np.empty(edges.nnz, state.embedding.dtype)
    for start in range(0, edges.nnz, EDGES_PER_BLOCK):
        block = slice(start, start + EDGES_PER_BLOCK)
        differences = state.embedding[edges.row[block]] - state.embedding[edges.col[block]]
        lengths[block] = np.linalg.norm(differences, axis=1)
    return sparse.csr_matrix((lengths, (edges.row, edges.col)), shape=edges.shape)


def build_text_files(state: State, recipe: Recipe, metrics: Metrics) -> dict[str, FileContent]:
    """Return the contents of the text files of a run, by name; ``metrics.json`` is the last."""
    assert state.clusters is not None
    return {
        "recipe.yaml": to_yaml(recipe),
        "cells.csv": [("cell", "cluster"), *zip(state.cells, state.clusters, strict=True)],
        "history.csv": [Record._fields, *state.history],
        "versions.json": format_json(collect_versions(recipe)),
        "metrics.json": format_json(metrics),
    }


def list_metrics(result: RunResult) -> Metrics:
    """Return the contents of ``metrics.json``: recipe, metrics, baseline and warnings."""
    baseline = {"baseline": result.baseline} if result.baseline else {}
    metrics = {"recipe": result.recipe_name} | result.metrics | baseline
    return metrics | {"warnings": list(result.warnings)}


def format_json(value: Any) -> str:
    """Return a value as indented JSON with a final newline."""
    return json.dumps(value, indent=2) + "\n"
