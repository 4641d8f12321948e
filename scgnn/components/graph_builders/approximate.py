"""Neighbours among many cells: a graph of faiss, searched as finely as a recall asks."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np

from scgnn.components.graph_builders.exact import center, exact_kneighbors

RECALL_SAMPLE_SIZE = 1000  # cells whose exact neighbours say the recall
RECALL_SAMPLE_SEED = 0  # of the sample; not a run's, as it decides how exact, not what
HNSW_LINKS = 32  # of a cell in the index
MIN_EF_SEARCH, MAX_EF_SEARCH = 32, 1024  # candidates that a search keeps

log = logging.getLogger("scgnn")


def approximate_kneighbors(points: np.ndarray, n_neighbors: int, min_recall: float) -> np.ndarray:
    """The k nearest of all points to each of them, itself included, cells x k.

    A hierarchy of graphs leads a search to its neighbours (Malkov & Yashunin 2020, IEEE TPAMI
    42:824), by faiss. It keeps twice as many candidates until the neighbours of a sample of cells
    have the recall asked for: so many of them are no farther than the k-th exact one. The log says
    the recall that was reached. Where faiss is not installed or does not reach it, the search is
    exact.

    Parameters
    ----------
    points
        Cells x d; Euclidean distances count.
    k
        How many.
    floor
        The recall, a share of the exact neighbours.
    """
    try:
        faiss = _import_faiss()
    except ImportError:
        log.warning(
            f"neighbours of {len(points):,} cells are searched exactly, which takes long; "
            "'pip install scgnn[scale]' has an index for so many"
        )
        return exact_kneighbors(points, points, n_neighbors)
    rows = np.ascontiguousarray(center(np.float32, points)[0])
    rows /= max(rows.max(), -rows.min()) or 1  # squares of very small numbers are 0
    index = faiss.IndexHNSWFlat(rows.shape[1], HNSW_LINKS)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # several would build another graph each time
    index.add(rows)
    faiss.omp_set_num_threads(threads)
    sample = np.random.default_rng(RECALL_SAMPLE_SEED).choice(
        len(rows), min(RECALL_SAMPLE_SIZE, len(rows)), replace=False
    )
    last = exact_kneighbors(points[sample], points, n_neighbors)[:, n_neighbors - 1]
    farthest = np.square(rows[sample] - rows[last]).sum(1, keepdims=True) * (1 + 1e-4)
    kept, recall = MIN_EF_SEARCH // 2, 0.0
    while recall < min_recall and kept < MAX_EF_SEARCH:
        kept *= 2
        index.hnsw.efSearch = max(kept, n_neighbors)
        recall = float((index.search(rows[sample], n_neighbors)[0] <= farthest).mean())
    said = (
        f"neighbours of {len(points):,} cells: {recall:.1%} of the exact ones in a sample of "
        f"{len(sample):,}, by searches of {kept:,} candidates"
    )
    if recall < min_recall:
        log.warning(f"{said}; they are searched exactly, which takes long")
        return exact_kneighbors(points, points, n_neighbors)
    log.info(said)
    found = index.search(rows, n_neighbors)[1]
    short = np.flatnonzero((found < 0).any(axis=1))  # where the graph of the index led nowhere
    if len(short):
        found[short] = exact_kneighbors(points[short], points, n_neighbors)[:, :n_neighbors]
    return np.asarray(found)


def _import_faiss() -> Any:
    """The library, with as many threads as torch has."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what wraps it
        import faiss
    faiss.omp_set_num_threads(torch.get_num_threads())
    return faiss
