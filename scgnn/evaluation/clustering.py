"""Clustering metrics. Only this module and the runner read true labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scgnn.errors import InputError
from scgnn.registry.component import format_unknown_name
from scgnn.seeding import generator

if TYPE_CHECKING:
    from anndata import AnnData

Scores = dict[str, float | None]

MAX_SILHOUETTE_CELLS = 10_000  # its cost is quadratic


def get_true_labels(adata: AnnData, labels_key: str) -> np.ndarray:
    """Return the true label of each cell as text [cells], "" where it is missing.

    Raises
    ------
    InputError
        If ``obs`` has no such column, or it has no labels.
    """
    if labels_key not in adata.obs:
        problem = format_unknown_name("column", labels_key, [str(c) for c in adata.obs.columns])
        raise InputError(f"data.labels_key: {problem} (columns of obs)")
    values = adata.obs[labels_key]
    try:
        labels = np.where(values.isna(), "", values.astype(str))
    except UnicodeDecodeError:
        problem = f"column '{labels_key}' of obs holds bytes that are not text in UTF-8"
        raise InputError(f"data.labels_key: {problem}") from None
    if not (labels != "").any():
        raise InputError(f"data.labels_key: column '{labels_key}' of obs is empty")
    return labels


def score_separation(embedding: np.ndarray, clusters: np.ndarray, seed: int) -> Scores:
    """Return internal metrics of clusters, which need no labels; implemented by scikit-learn.

    Parameters
    ----------
    embedding
        Embedding of the cells, cells x d.
    clusters
        Cluster of each cell [cells].
    seed
        Seed of the sample of at most 10,000 cells for the silhouette.

    Returns
    -------
    dict
        ``silhouette``, ``calinski_harabasz`` and ``davies_bouldin``; None where undefined, for one
        cluster or one cell per cluster.
    """
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

    n = len(clusters)
    if not 1 < len(np.unique(clusters)) < n:
        return dict.fromkeys(("silhouette", "calinski_harabasz", "davies_bouldin"))
    sample = np.arange(n)
    if n > MAX_SILHOUETTE_CELLS:
        sample = np.sort(generator(seed, "silhouette").permutation(n)[:MAX_SILHOUETTE_CELLS])
    silhouette = None
    if 1 < len(np.unique(clusters[sample])) < len(sample):
        silhouette = float(silhouette_score(embedding[sample], clusters[sample]))
    return {
        "silhouette": silhouette,
        "calinski_harabasz": float(calinski_harabasz_score(embedding, clusters)),
        "davies_bouldin": float(davies_bouldin_score(embedding, clusters)),
    }


def score_against_labels(true_labels: np.ndarray, clusters: np.ndarray) -> Scores:
    """Return external metrics of clusters, over the cells with a label.

    Parameters
    ----------
    true_labels
        True label of each cell [cells], "" where it is missing.
    clusters
        Cluster of each cell [cells].

    Returns
    -------
    dict
        ``ari``, ``ami``, ``nmi`` (arithmetic mean), ``completeness``, ``fowlkes_mallows``,
        ``v_measure`` and ``homogeneity`` of scikit-learn.
    """
    from sklearn import metrics

    labeled = true_labels != ""
    functions = {
        "ari": metrics.adjusted_rand_score,
        "ami": metrics.adjusted_mutual_info_score,
        "nmi": metrics.normalized_mutual_info_score,
        "completeness": metrics.completeness_score,
        "fowlkes_mallows": metrics.fowlkes_mallows_score,
        "v_measure": metrics.v_measure_score,
        "homogeneity": metrics.homogeneity_score,
    }
    return {k: float(f(true_labels[labeled], clusters[labeled])) for k, f in functions.items()}
