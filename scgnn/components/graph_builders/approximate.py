"""Approximate nearest neighbors by an HNSW index of faiss, with a minimum recall."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np

from scgnn.components.graph_builders.exact import center_and_scale, exact_kneighbors

RECALL_SAMPLE_SIZE = 1000  # cells with exact neighbors to estimate the recall from
RECALL_SAMPLE_SEED = 0  # fixed, since it affects accuracy rather than the result's randomness
HNSW_LINKS = 32  # per cell
MIN_EF_SEARCH, MAX_EF_SEARCH = 32, 1024  # candidates kept during a search

log = logging.getLogger("scgnn")


def approximate_kneighbors(points: np.ndarray, n_neighbors: int, min_recall: float) -> np.ndarray:
    """Return the approximate nearest neighbors of each point.

    A hierarchical navigable small world graph (HNSW) of faiss is searched with twice as many
    candidates each time until the neighbors of a sample of cells have the recall: the fraction that
    is no farther than the exact k-th neighbor. The recall reached is logged. The search is exact if
    faiss is not installed or does not reach the recall.

    Parameters
    ----------
    points
        Coordinates, cells x d, compared by Euclidean distance.
    n_neighbors
        Number of neighbors k, including the cell itself.
    min_recall
        Minimum recall, 0 to 1.

    Returns
    -------
    ndarray
        Indices of the neighbors, cells x k; a few more where the search is exact.

    References
    ----------
    Malkov, Yashunin (2020) Efficient and robust approximate nearest neighbor search using
    hierarchical navigable small world graphs. IEEE TPAMI 42:824.
    """
    try:
        faiss = _import_faiss()
    except ImportError:
        log.warning(
            f"neighbors of {len(points):,} cells are searched exactly, which is slow; install "
            "faiss with 'pip install scgnn[scale]'"
        )
        return exact_kneighbors(points, points, n_neighbors)
    rows = np.ascontiguousarray(center_and_scale(points)[0])
    rows /= abs(rows).max() or 1
    index = faiss.IndexHNSWFlat(rows.shape[1], HNSW_LINKS)
    n_threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # with several threads the index is not reproducible
    index.add(rows)
    faiss.omp_set_num_threads(n_threads)
    rng = np.random.default_rng(RECALL_SAMPLE_SEED)
    sample = rng.choice(len(rows), min(RECALL_SAMPLE_SIZE, len(rows)), replace=False)
    kth = exact_kneighbors(points[sample], points, n_neighbors)[:, n_neighbors - 1]
    limits = np.square(rows[sample] - rows[kth]).sum(1, keepdims=True) * (1 + 1e-4)
    ef_search, recall = MIN_EF_SEARCH // 2, 0.0
    while recall < min_recall and ef_search < MAX_EF_SEARCH:
        ef_search *= 2
        index.hnsw.efSearch = max(ef_search, n_neighbors)
        recall = float((index.search(rows[sample], n_neighbors)[0] <= limits).mean())
    message = (
        f"neighbors of {len(points):,} cells: {recall:.1%} of the exact ones in a sample of "
        f"{len(sample):,}, with {ef_search:,} search candidates"
    )
    if recall < min_recall:
        log.warning(f"{message}; they are searched exactly, which is slow")
        return exact_kneighbors(points, points, n_neighbors)
    log.info(message)
    neighbors = index.search(rows, n_neighbors)[1]
    incomplete = np.flatnonzero((neighbors < 0).any(axis=1))  # dead ends of the index
    if len(incomplete):
        exact = exact_kneighbors(points[incomplete], points, n_neighbors)
        neighbors[incomplete] = exact[:, :n_neighbors]
    return neighbors


def _import_faiss() -> Any:
    """Import faiss, and limit it to torch's number of threads."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its SWIG wrapper
        import faiss
    faiss.omp_set_num_threads(torch.get_num_threads())
    return faiss
