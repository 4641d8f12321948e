"""How many clusters there are."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import sparse

from scgnn.seeding import generator

MAX_CLUSTERS = 30
MAX_SILHOUETTE_CELLS = 2000  # cells of whom silhouettes are taken
MAX_DENSE_CELLS = 100  # cells of a part of the graph whose eigenvalues are taken all at once


def scale_n_clusters(n_clusters: int, n_cells: int, factor: float | Literal["auto"]) -> int:
    """scGNN's number of clusters from Louvain's: ``int(K · f)``, at least 2."""
    if factor == "auto":
        factor = 0.8 if n_cells < 2000 else 0.5
    return max(2, int(n_clusters * factor))


def select_n_clusters_by_silhouette(embedding: np.ndarray, seed: int) -> int:
    """The number of clusters, 2 … 30, by which k-means has the best mean silhouette.

    Rousseeuw 1987; clusters and silhouettes are those of 2,000 cells drawn at random.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import pairwise_distances, silhouette_score

    cells = np.sort(
        generator(seed, "silhouette").permutation(len(embedding))[:MAX_SILHOUETTE_CELLS]
    )
    sample = np.asarray(embedding[cells], dtype=np.float64)
    distances = pairwise_distances(sample)
    most = min(MAX_CLUSTERS, len(np.unique(sample, axis=0)), len(sample) - 1)
    scores = [
        silhouette_score(
            distances,
            KMeans(n_clusters=k, n_init=10, random_state=seed).fit_predict(sample),
            metric="precomputed",
        )
        for k in range(2, most + 1)
    ]
    return int(np.argmax(scores)) + 2 if scores else min(2, len(embedding))


def select_n_clusters_by_eigengap(graph: sparse.csr_matrix) -> int:
    """The number of clusters, 2 … 30, after which the graph's eigenvalues rise the most.

    Those of the normalised Laplacian (von Luxburg 2007, section 8.3).
    """
    from scipy.sparse.csgraph import connected_components

    n_parts, part = connected_components(graph, directed=False)
    if n_parts > MAX_CLUSTERS:
        return MAX_CLUSTERS
    # part by part, as a part gives an eigenvalue 0 and Lanczos finds equal ones by luck alone
    each = [np.flatnonzero(part == number) for number in range(n_parts)]
    values = np.sort(
        np.concatenate([_compute_smallest_eigenvalues(graph[cells][:, cells]) for cells in each])
    )
    gaps = np.diff(values[: MAX_CLUSTERS + 1])
    return int(np.argmax(gaps[1:])) + 2 if len(gaps) > 1 else len(values)


def _compute_smallest_eigenvalues(graph: sparse.csr_matrix) -> np.ndarray:
    """The smallest eigenvalues of the normalised Laplacian of a connected graph."""
    from scipy.sparse.linalg import eigsh

    n = graph.shape[0]
    if n == 1:
        return np.zeros(1)
    scale = sparse.diags(1 / np.sqrt(np.asarray(graph.sum(0), dtype=np.float64).ravel()))
    adjacency = scale @ graph.astype(np.float64) @ scale
    if n <= MAX_DENSE_CELLS:
        return 1 - np.linalg.eigvalsh(adjacency.toarray())
    start = np.random.default_rng(0).normal(size=n)
    found = eigsh(
        adjacency, MAX_CLUSTERS + 1, which="LA", v0=start, ncv=80, return_eigenvectors=False
    )
    return np.asarray(1 - found)
