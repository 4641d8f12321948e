"""The other steps of pipelines. Every step is a stage, a pure function."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import sparse

from scgnn.components.clusterers import (
    Clusterer,
    GivenK,
    merge_small,
    reassign_small,
    relabel_by_size,
)
from scgnn.components.graph_builders import GraphBuilder
from scgnn.components.ltmg import LTMG
from scgnn.errors import InputError
from scgnn.execution.stages import stage
from scgnn.state import Matrix


@stage("LTMG")
def fit_ltmg_states(model: LTMG, x: Matrix, seed: int) -> sparse.csr_matrix:
    """Return the LTMG state of every value, cells x genes."""
    try:
        return model.fit(x, seed).states
    except ValueError as error:
        raise InputError(str(error)) from error


@stage("cell graph", "device")
def build_graph(
    builder: GraphBuilder, embedding: np.ndarray, seed: int, batch: np.ndarray | None = None
) -> sparse.csr_matrix:
    """Return the cell graph of an embedding; ``batch`` is for builders that require it."""
    return builder(embedding, seed) if batch is None else builder(embedding, seed, batch)  # type: ignore[call-arg]


@stage("clustering")
def count_clusters(
    clusterer: GivenK, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
) -> int:
    """Return the number of clusters that a clusterer determines."""
    return clusterer.resolve_n_clusters(embedding, graph, seed)


@stage("clustering")
def cluster(
    clusterer: Clusterer,
    embedding: np.ndarray,
    graph: sparse.csr_matrix | None,
    min_cluster_size: int,
    max_clusters: int | None,
    small_clusters: Literal["merge", "reassign"],
    seed: int,
) -> np.ndarray:
    """Return clusters 0 … K−1 by decreasing size, small and surplus ones merged or reassigned."""
    labels = np.asarray(clusterer.fit_predict(embedding, graph, seed))
    max_clusters = max_clusters or len(embedding)
    if labels.shape != (len(embedding),) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"fit_predict must return one integer for each of {len(embedding)} cells, got "
            f"{labels.dtype} of shape {labels.shape}"
        )
    if labels.min(initial=0) < 0:
        raise ValueError(f"fit_predict must return clusters 0, 1, …, got {labels.min()}")
    if labels.max(initial=0) >= len(labels):
        labels = np.unique(labels, return_inverse=True)[1]
    if small_clusters == "reassign":
        return relabel_by_size(reassign_small(labels, embedding, min_cluster_size, max_clusters))
    return relabel_by_size(merge_small(labels, min_cluster_size, max_clusters))
