"""Numbering of clusters, and reassignment of small clusters and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def relabel_by_size(clusters: ArrayLike) -> np.ndarray:
    """Renumber clusters as 0 … K−1 by decreasing size, ties by first cell."""
    _, first, inverse, sizes = np.unique(
        clusters, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[inverse]


def merge_small(clusters: np.ndarray, min_size: int, max_clusters: int) -> np.ndarray:
    """Merge all small and surplus clusters into one.

    Corresponds to ``util_function.trimClustering`` of the published scGNN code, whose counting
    of clusters is corrected.

    Parameters
    ----------
    clusters
        Integers 0 … K−1 [cells].
    min_size
        Cells below which a cluster is small.
    max_clusters
        Number from which on clusters are surplus.

    Returns
    -------
    ndarray
        The other clusters in their order as 0 … m−1, the merged one as m [cells].
    """
    drop = _is_small(clusters, min_size, max_clusters)
    new = np.cumsum(~drop) - 1
    new[drop] = (~drop).sum()
    return new[clusters]


def reassign_small(
    clusters: np.ndarray, embedding: np.ndarray, min_size: int, max_clusters: int
) -> np.ndarray:
    """Reassign the cells of small and surplus clusters to the cluster with the nearest centroid.

    Parameters
    ----------
    clusters, min_size, max_clusters
        As for :func:`merge_small`.
    embedding
        Space of the centroids, cells x d.

    Returns
    -------
    ndarray
        The other clusters in their order as 0 … m−1 [cells]; all 0 where there are none.
    """
    drop = _is_small(clusters, min_size, max_clusters)
    large = np.flatnonzero(~drop)
    if len(large) == 0:
        return np.zeros_like(clusters)
    points = np.asarray(embedding, dtype=np.float64)
    centroids = np.stack([points[clusters == cluster].mean(0) for cluster in large])
    new = np.searchsorted(large, clusters)
    for cell in np.flatnonzero(drop[clusters]):
        new[cell] = np.square(centroids - points[cell]).sum(1).argmin()
    return new


def reassign_noise(clusters: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Reassign each noise cell, -1, to the cluster of the nearest cell that is not noise."""
    from sklearn.neighbors import NearestNeighbors

    noise = clusters == -1
    if noise.all() or not noise.any():
        return clusters
    search = NearestNeighbors(n_neighbors=1).fit(points[~noise])
    nearest = search.kneighbors(points[noise], return_distance=False)[:, 0]
    new = clusters.copy()
    new[noise] = clusters[~noise][nearest]
    return new


def _is_small(clusters: np.ndarray, min_size: int, max_clusters: int) -> np.ndarray:
    """Return a mask [clusters] of the small and surplus ones."""
    sizes = np.bincount(clusters)
    return (sizes < min_size) | (np.arange(len(sizes)) >= max_clusters)
