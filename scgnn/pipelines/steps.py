"""The other steps of pipelines. Each is a stage: a pure function of what it is given."""

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
    """LTMG state of every value, cells x genes."""
    try:
        return model.fit(x, seed).states
    except ValueError as error:
        raise InputError(str(error)) from error


@stage("cell graph")
def build_graph(
    builder: GraphBuilder, embedding: np.ndarray, seed: int, batch: np.ndarray | None = None
) -> sparse.csr_matrix:
    """The cell graph of an embedding, and of the batches for a builder that asks for them."""
    return builder(embedding, seed) if batch is None else builder(embedding, seed, batch)  # type: ignore[call-arg]


@stage("clustering")
def count_clusters(
    clusterer: GivenK, embedding: np.ndarray, graph: sparse.csr_matrix | None, seed: int
) -> int:
    """How many clusters a clusterer that has its k counted would look for."""
    return clusterer.resolve_n_clusters(embedding, graph, seed)


@stage("clustering")
def cluster(
    clusterer: Clusterer,
    embedding: np.ndarray,
    graph: sparse.csr_matrix | None,
    min_cluster_size: int,
    max_clusters: int,
    small_clusters: Literal["merge", "reassign"],
    seed: int,
) -> np.ndarray:
    """Labels 0 … K−1 by falling size; small and surplus clusters are made one, or join others."""
    labels = np.asarray(clusterer.fit_predict(embedding, graph, seed))
    if labels.shape != (len(embedding),) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"it gave labels of shape {labels.shape} and type {labels.dtype} for "
            f"{len(embedding)} cells; give a whole number for each"
        )
    if small_clusters == "reassign":
        return relabel_by_size(reassign_small(labels, embedding, min_cluster_size, max_clusters))
    return relabel_by_size(merge_small(labels, min_cluster_size, max_clusters))
