"""What a run leaves: an AnnData, and a folder of files, each written whole and then renamed."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scgnn.errors import InputError
from scgnn.execution.files import _write_csv, _write_text
from scgnn.recipe.recipe import Recipe, to_yaml
from scgnn.runs.provenance import collect_versions
from scgnn.state import State

if TYPE_CHECKING:
    from anndata import AnnData

OUTPUT_KEYS = {
    "layers": ("scgnn_imputed",),
    "obsm": ("X_scgnn", "X_scgnn_features"),
    "obsp": ("scgnn_connectivities", "scgnn_distances"),
    "uns": ("scgnn",),
}


EDGES_PER_BLOCK = 2**16  # whose lengths are computed together


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes
    ----------
    adata
        The cells and genes that were used, with everything that was found.
    state
        The pipeline's last state.
    metrics
        Scores, counts, time and memory.
    recipe
        Complete: it runs again to the same result.
    """

    adata: AnnData
    state: State
    metrics: dict[str, Any]
    recipe: Recipe


def annotate(counts: AnnData, state: State, recipe: Recipe, in_memory: bool) -> AnnData:
    """A new AnnData: the counts of the cells and genes used, and what the run found.

    X and every layer, column and key that came in stay as they are.
    """
    adata = counts[state.cells, state.genes].copy()
    for slot, keys in OUTPUT_KEYS.items():  # what an earlier run left is not this run's
        for key in keys:
            getattr(adata, slot).pop(key, None)
    adata.obs["scgnn"] = _to_categorical(state.clusters)
    adata.obsm["X_scgnn"] = state.graph_embedding
    adata.obsm["X_scgnn_features"] = state.embedding
    if state.imputed is not None:
        imputed: Any = state.imputed
        kept = imputed.to_dask() if hasattr(imputed, "to_dask") else imputed
        adata.layers["scgnn_imputed"] = kept
    entry: dict[str, Any] = {
        "recipe": to_yaml(recipe),
        "data": "an AnnData given in Python" if in_memory else f"read by {recipe.data.reader.name}",
        "versions": collect_versions(recipe),
        "stop_reason": state.stop_reason,
        "iterations": state.n_iterations,
        "history": {
            column: np.array([getattr(record, column) for record in state.history])
            for column in ("iteration", "stage", "quantity", "epoch", "value")
        },
    }
    if state.graph is not None:
        adata.obsp["scgnn_connectivities"] = state.graph
        adata.obsp["scgnn_distances"] = _compute_edge_lengths(state)
        entry |= {
            "connectivities_key": "scgnn_connectivities",
            "distances_key": "scgnn_distances",
            "params": {
                "method": "scgnn",
                "use_rep": "X_scgnn_features",
                "n_neighbors": getattr(recipe.pipeline.graph_builder, "n_neighbors", 0),  # type: ignore[attr-defined]
                "metric": "euclidean",
            },
        }
    adata.uns["scgnn"] = entry
    return adata


def _to_categorical(clusters: np.ndarray | None) -> Any:
    import pandas as pd

    assert clusters is not None
    names = [str(number) for number in range(int(clusters.max()) + 1)]
    return pd.Categorical.from_codes(clusters, categories=pd.Index(names))


def _compute_edge_lengths(state: State) -> sparse.csr_matrix:
    """Euclidean distances in the feature embedding, on the edges of the graph."""
    assert state.graph is not None and state.embedding is not None
    edges = state.graph.tocoo()
    lengths = np.empty(edges.nnz, state.embedding.dtype)
    for start in range(0, edges.nnz, EDGES_PER_BLOCK):
        some = slice(start, start + EDGES_PER_BLOCK)
        gaps = state.embedding[edges.row[some]] - state.embedding[edges.col[some]]
        lengths[some] = np.linalg.norm(gaps, axis=1)
    return sparse.csr_matrix((lengths, (edges.row, edges.col)), shape=edges.shape)


def check_h5ad_compatible(adata: AnnData) -> None:
    """Refuse annotation that a .h5ad file cannot hold, before anything is computed.

    Raises
    ------
    InputError
        Names the column of obs or var, or the key of uns, obsm, varm, layers, obsp or varp.
    """
    import h5py
    from anndata.io import write_elem

    parts: dict[str, Any] = {f"uns['{key}']": value for key, value in adata.uns.items()}
    for word in ("obs", "var"):
        frame = getattr(adata, word)
        parts |= {f"{word}['{column}']": frame[[column]] for column in frame}
    for word in ("obsm", "varm", "layers", "obsp", "varp"):
        entries = getattr(adata, word).items()
        parts |= {f"{word}['{key}']": value[:1] for key, value in entries}  # one row says it
    with warnings.catch_warnings(), h5py.File("x", "w", driver="core", backing_store=False) as file:
        warnings.simplefilter("ignore")
        for name, value in parts.items():
            try:
                write_elem(file, "part", value)
            except Exception as error:  # anndata raises whatever its writers do
                raise InputError(
                    f"the AnnData given: {name} cannot be written to a .h5ad file: make it text "
                    "or numbers, or drop it"
                ) from error


def build_text_writers(
    state: State, recipe: Recipe, metrics: dict[str, Any]
) -> dict[str, Callable[[Path], None]]:
    """The small files of a run: what writes each of them, by name."""
    assert state.clusters is not None
    cells = [("cell", "cluster"), *zip(state.cells, state.clusters, strict=True)]
    history = [("iteration", "stage", "quantity", "epoch", "value"), *state.history]
    return {
        "recipe.yaml": lambda part: _write_text(part, to_yaml(recipe)),
        "cells.csv": lambda part: _write_csv(part, cells),
        "history.csv": lambda part: _write_csv(part, history),
        "versions.json": lambda part: _write_text(
            part, json.dumps(collect_versions(recipe), indent=2) + "\n"
        ),
        "metrics.json": lambda part: _write_text(part, json.dumps(metrics, indent=2) + "\n"),
    }
