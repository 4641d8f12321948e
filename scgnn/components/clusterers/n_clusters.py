"""Estimates of the number of clusters."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import sparse

from scgnn.seeding import generator

MAX_CLUSTERS = 30
MAX_SILHOUETTE_CELLS = 2000
MAX_DENSE_CELLS = 100  # of a connected component whose spectrum is computed in full


def scale_n_clusters(n_clusters: int, n_cells: int, factor: float | Literal["auto"]) -> int:
    """Return scGNN's number of clusters from Louvain's: ``max(2, int(K · factor))``.

    Parameters
    ----------
    n_clusters
        Number of clusters K that another clusterer found.
    n_cells
        Number of cells.
    factor
        Factor on K; auto is 0.8 below 2,000 cells and 0.5 from there on.
    """
    if factor == "auto":
        factor = 0.8 if n_cells < 2000 else 0.5
    return max(2, int(n_clusters * factor))


def select_n_clusters_by_silhouette(embedding: np.ndarray, seed: int) -> int:
    """Return the number of clusters, 2 … 30, with the largest mean silhouette of k-means.

    Parameters
    ----------
    embedding
        Embedding of the cells, cells x d; at most 2,000 cells, drawn at random, are used.
    seed
        Seed of the sample and of k-means.

    References
    ----------
    Rousseeuw (1987) Silhouettes: a graphical aid to the interpretation and validation of cluster
    analysis. Journal of Computational and Applied Mathematics 20:53.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import pairwise_distances, silhouette_score

    cells = generator(seed, "silhouette").permutation(len(embedding))[:MAX_SILHOUETTE_CELLS]
    sample = np.asarray(embedding[np.sort(cells)], dtype=np.float64)
    distances = pairwise_distances(sample)
    scores = []
    for k in range(2, min(MAX_CLUSTERS, len(np.unique(sample, axis=0)), len(sample) - 1) + 1):
        clusters = KMeans(n_clusters=k, n_init=10, random_state=seed).fit_predict(sample)
        scores.append(silhouette_score(distances, clusters, metric="precomputed"))
    return int(np.argmax(scores)) + 2 if scores else min(2, len(embedding))


def select_n_clusters_by_eigengap(graph: sparse.csr_matrix) -> int:
    """Return the number of clusters, 2 … 30, before the largest gap of the graph's spectrum.

    Parameters
    ----------
    graph
        Cell graph, cells x cells, symmetric; its normalized Laplacian is used.

    References
    ----------
    von Luxburg (2007) A tutorial on spectral clustering, section 8.3. Statistics and Computing
    17:395.
    """
    from scipy.sparse.csgraph import connected_components

    n_parts, part = connected_components(graph, directed=False)
    if n_parts > MAX_CLUSTERS:
        return MAX_CLUSTERS
    # each part has an eigenvalue 0, and Lanczos' method does not reliably find repeated ones
    spectra = []
    for i in range(n_parts):
        cells = np.flatnonzero(part == i)
        spectra.append(_compute_smallest_eigenvalues(graph[cells][:, cells]))
    values = np.sort(np.concatenate(spectra))
    gaps = np.diff(values[: MAX_CLUSTERS + 1])
    return int(np.argmax(gaps[1:])) + 2 if len(gaps) > 1 else len(values)


def _compute_smallest_eigenvalues(graph: sparse.csr_matrix) -> np.ndarray:
    """Return the smallest eigenvalues of the normalized Laplacian of a connected graph."""
    from scipy.sparse.linalg import eigsh

    n = graph.shape[0]
    if n == 1:
        return np.zeros(1)
    scale = sparse.diags(1 / np.sqrt(np.asarray(graph.sum(0), dtype=np.float64).ravel()))
    adjacency = scale @ graph.astype(np.float64) @ scale
    if n <= MAX_DENSE_CELLS:
        return 1 - np.linalg.eigvalsh(adjacency.toarray())
    v0 = np.random.default_rng(0).normal(size=n)
    k = MAX_CLUSTERS + 1
    return 1 - eigsh(adjacency, k, which="LA", v0=v0, ncv=80, return_eigenvectors=False)
