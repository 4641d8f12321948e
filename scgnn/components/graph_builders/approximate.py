"""Neighbours among many cells: an inverted file of faiss, searched as finely as a recall asks."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

RECALL = 0.95  # of the exact neighbours, at least
SAMPLE = 1000  # cells whose exact neighbours say the recall
SEED = 0  # of the index and of the sample; not a run's, as it decides how exact, not what

log = logging.getLogger("scgnn")
Exact = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def search(points: np.ndarray, k: int, exact: Exact) -> np.ndarray:
    """The k nearest of all points to each of them, itself included, cells x k.

    Cells are put into 4 √N lists by k-means, and the lists nearest to a cell are searched: twice as
    many until the neighbours of a sample of cells have a recall of 0.95 (Johnson, Douze, Jegou
    2021, IEEE Transactions on Big Data 7:535). The log says the recall that was reached.

    Parameters
    ----------
    points
        Cells x d; Euclidean distances count.
    k
        How many.
    exact
        ``exact(queries, points, k)``, nearest first, for the sample; for all cells where faiss is
        not installed.
    """
    try:
        faiss = _faiss()
    except ImportError:
        log.warning(
            f"neighbours of {len(points):,} cells are searched exactly, which takes long; "
            "'pip install scgnn[scale]' has an index for so many"
        )
        return exact(points, points, k)
    rows = np.ascontiguousarray(points, dtype=np.float32)
    n_lists = int(4 * np.sqrt(len(rows)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(rows.shape[1]), rows.shape[1], n_lists)
    index.cp.seed, index.cp.niter, index.cp.max_points_per_centroid = SEED + 1, 10, 64
    index.cp.min_points_per_centroid = 1
    index.train(rows)
    index.add(rows)
    sample = np.random.default_rng(SEED).choice(len(rows), min(SAMPLE, len(rows)), replace=False)
    true = exact(points[sample], points, k)[:, :k]
    index.nprobe, recall = 4, 0.0
    while recall < RECALL and index.nprobe < n_lists:
        index.nprobe = min(2 * index.nprobe, n_lists)
        found = index.search(rows[sample], k)[1]
        recall = float(np.mean([np.isin(*pair).mean() for pair in zip(true, found, strict=True)]))
    log.info(
        f"neighbours of {len(points):,} cells: {recall:.1%} of the exact ones in a sample of "
        f"{len(sample):,}, by searching {index.nprobe} of {n_lists:,} lists"
    )
    found = index.search(rows, k)[1]
    short = np.flatnonzero((found < 0).any(axis=1))  # too few cells in the lists searched
    if len(short):
        found[short] = exact(points[short], points, k)
    return np.asarray(found)


def _faiss() -> Any:
    """The library, with as many threads as torch has."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what wraps it
        import faiss
    faiss.omp_set_num_threads(torch.get_num_threads())
    return faiss
