"""What is done to labels after they are found."""

from __future__ import annotations

import numpy as np


def relabel_by_size(clusters: np.ndarray) -> np.ndarray:
    """The same partition as 0 … K−1 by falling size, ties by first cell."""
    _, first, inverse, sizes = np.unique(
        clusters, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[inverse]


def merge_small(clusters: np.ndarray, min_size: int, max_clusters: int) -> np.ndarray:
    """Clusters under ``min_size`` cells or numbered ``max_clusters`` and beyond, made one.

    Kept clusters keep their order as 0 … m−1; the merged one is m. Labels must be 0 … K−1
    (METHOD of scGNN, util_function.trimClustering, with its counting put right).
    """
    drop = _find_small_clusters(clusters, min_size, max_clusters)
    new = np.cumsum(~drop) - 1
    new[drop] = (~drop).sum()
    return new[clusters]


def reassign_small(
    clusters: np.ndarray, embedding: np.ndarray, min_size: int, max_clusters: int
) -> np.ndarray:
    """Cells of the clusters that :func:`merge_small` would make one, moved to those kept.

    Each goes to the cluster whose centroid in ``embedding``, cells x d, is nearest to it. Where
    none is kept all cells are one cluster. Kept clusters keep their order as 0 … m−1.
    """
    drop = _find_small_clusters(clusters, min_size, max_clusters)
    kept = np.flatnonzero(~drop)
    if len(kept) == 0:
        return np.zeros_like(clusters)
    points = np.asarray(embedding, dtype=np.float64)
    centroids = np.stack([points[clusters == cluster].mean(0) for cluster in kept])
    new = np.searchsorted(kept, clusters)
    for cell in np.flatnonzero(drop[clusters]):
        new[cell] = np.square(centroids - points[cell]).sum(1).argmin()
    return new


def reassign_noise(clusters: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Labels in which each cell of noise, -1, has the label of the nearest cell that has one."""
    from sklearn.neighbors import NearestNeighbors

    noise = clusters == -1
    if noise.all() or not noise.any():
        return clusters
    search = NearestNeighbors(n_neighbors=1).fit(points[~noise])
    nearest = search.kneighbors(points[noise], return_distance=False)[:, 0]
    joined = clusters.copy()
    joined[noise] = clusters[~noise][nearest]
    return joined


def _find_small_clusters(clusters: np.ndarray, min_size: int, max_clusters: int) -> np.ndarray:
    """Which clusters are too small or too many."""
    sizes = np.bincount(clusters)
    return (sizes < min_size) | (np.arange(len(sizes)) >= max_clusters)
