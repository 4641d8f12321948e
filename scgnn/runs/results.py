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
from scgnn.execution.files import _csv, _text
from scgnn.recipe.recipe import Recipe, to_yaml
from scgnn.runs.provenance import versions
from scgnn.state import State

if TYPE_CHECKING:
    from anndata import AnnData

OWN = {
    "layers": ("scgnn_imputed",),
    "obsm": ("X_scgnn", "X_scgnn_features"),
    "obsp": ("scgnn_connectivities", "scgnn_distances"),
    "uns": ("scgnn",),
}


EDGES_AT_ONCE = 2**16  # whose lengths are computed together


@dataclass(frozen=True)
class Result:
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


def annotate(counts: AnnData, state: State, recipe: Recipe, given: bool) -> AnnData:
    """A new AnnData: the counts of the cells and genes used, and what the run found.

    X and every layer, column and key that came in stay as they are.
    """
    adata = counts[state.cells, state.genes].copy()
    for slot, keys in OWN.items():  # what an earlier run left is not this run's
        for key in keys:
            getattr(adata, slot).pop(key, None)
    adata.obs["scgnn"] = _categories(state.labels)
    adata.obsm["X_scgnn"] = state.graph_embedding
    adata.obsm["X_scgnn_features"] = state.embedding
    if state.imputed is not None:
        imputed: Any = state.imputed
        kept = imputed.to_dask() if hasattr(imputed, "to_dask") else imputed
        adata.layers["scgnn_imputed"] = kept
    entry: dict[str, Any] = {
        "recipe": to_yaml(recipe),
        "data": "an AnnData given in Python" if given else f"read by {recipe.data.reader.name}",
        "versions": versions(recipe),
        "stopped_because": state.stopped,
        "iterations": state.iterations,
        "history": {
            column: np.array([getattr(record, column) for record in state.history])
            for column in ("iteration", "stage", "quantity", "epoch", "value")
        },
    }
    if state.graph is not None:
        adata.obsp["scgnn_connectivities"] = state.graph
        adata.obsp["scgnn_distances"] = _edge_lengths(state)
        entry |= {
            "connectivities_key": "scgnn_connectivities",
            "distances_key": "scgnn_distances",
            "params": {
                "method": "scgnn",
                "use_rep": "X_scgnn_features",
                "n_neighbors": getattr(recipe.pipeline.graph_builder, "k", 0),  # type: ignore[attr-defined]
                "metric": "euclidean",
            },
        }
    adata.uns["scgnn"] = entry
    return adata


def _categories(labels: np.ndarray | None) -> Any:
    import pandas as pd

    assert labels is not None
    names = [str(number) for number in range(int(labels.max()) + 1)]
    return pd.Categorical.from_codes(labels, categories=pd.Index(names))


def _edge_lengths(state: State) -> sparse.csr_matrix:
    """Euclidean distances in the feature embedding, on the edges of the graph."""
    assert state.graph is not None and state.embedding is not None
    edges = state.graph.tocoo()
    lengths = np.empty(edges.nnz, state.embedding.dtype)
    for start in range(0, edges.nnz, EDGES_AT_ONCE):
        some = slice(start, start + EDGES_AT_ONCE)
        gaps = state.embedding[edges.row[some]] - state.embedding[edges.col[some]]
        lengths[some] = np.linalg.norm(gaps, axis=1)
    return sparse.csr_matrix((lengths, (edges.row, edges.col)), shape=edges.shape)


def refuse_unwritable(adata: AnnData) -> None:
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


def text_files(
    state: State, recipe: Recipe, metrics: dict[str, Any]
) -> dict[str, Callable[[Path], None]]:
    """The small files of a run: what writes each of them, by name."""
    assert state.labels is not None
    cells = [("cell", "cluster"), *zip(state.cells, state.labels, strict=True)]
    history = [("iteration", "stage", "quantity", "epoch", "value"), *state.history]
    return {
        "recipe.yaml": lambda part: _text(part, to_yaml(recipe)),
        "cells.csv": lambda part: _csv(part, cells),
        "history.csv": lambda part: _csv(part, history),
        "versions.json": lambda part: _text(part, json.dumps(versions(recipe), indent=2) + "\n"),
        "metrics.json": lambda part: _text(part, json.dumps(metrics, indent=2) + "\n"),
    }
