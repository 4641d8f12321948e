"""Scores: pure functions of arrays. The only place, besides the runner, that sees true labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scgnn.errors import InputError
from scgnn.registry.component import format_unknown_name
from scgnn.seeding import generator

if TYPE_CHECKING:
    from anndata import AnnData

Scores = dict[str, float | None]


MAX_SILHOUETTE_CELLS = 10_000  # a silhouette compares every pair of these


def get_true_labels(adata: AnnData, labels_key: str) -> np.ndarray:
    """The true label of each cell as text, "" where there is none.

    Raises
    ------
    InputError
        The column is not there, or holds no label at all.
    """
    if labels_key not in adata.obs:
        known = format_unknown_name("column", labels_key, [str(name) for name in adata.obs.columns])
        raise InputError(f"data.labels_key: {known} (columns of obs)")
    values = adata.obs[labels_key]
    labels = np.where(values.isna(), "", values.astype(str))
    if not (labels != "").any():
        raise InputError(f"data.labels_key: column '{labels_key}' of obs is empty")
    return labels


def score_separation(embedding: np.ndarray, clusters: np.ndarray, seed: int) -> Scores:
    """How separate clusters are in an embedding, without any truth.

    Silhouette (on at most 10,000 cells, drawn by ``seed``), Calinski-Harabasz, Davies-Bouldin;
    scikit-learn. None where they are not defined: one cluster, or one cell in each.
    """
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

    names = ("silhouette", "calinski_harabasz", "davies_bouldin")
    if not 1 < len(np.unique(clusters)) < len(clusters):
        return dict.fromkeys(names)
    few = np.arange(len(clusters))
    if len(clusters) > MAX_SILHOUETTE_CELLS:
        few = np.sort(
            generator(seed, "silhouette").permutation(len(clusters))[:MAX_SILHOUETTE_CELLS]
        )
    enough = 1 < len(np.unique(clusters[few])) < len(few)
    scores = (
        silhouette_score(embedding[few], clusters[few]) if enough else None,
        calinski_harabasz_score(embedding, clusters),
        davies_bouldin_score(embedding, clusters),
    )
    return {n: None if s is None else float(s) for n, s in zip(names, scores, strict=True)}


def score_against_labels(true_labels: np.ndarray, clusters: np.ndarray) -> Scores:
    """Agreement of clusters with true labels, over the cells that have one.

    ARI, AMI, NMI (arithmetic mean), completeness, Fowlkes-Mallows, V measure, homogeneity;
    scikit-learn.
    """
    from sklearn import metrics

    known = true_labels != ""
    functions = {
        "ari": metrics.adjusted_rand_score,
        "ami": metrics.adjusted_mutual_info_score,
        "nmi": metrics.normalized_mutual_info_score,
        "completeness": metrics.completeness_score,
        "fowlkes_mallows": metrics.fowlkes_mallows_score,
        "v_measure": metrics.v_measure_score,
        "homogeneity": metrics.homogeneity_score,
    }
    return {name: float(f(true_labels[known], clusters[known])) for name, f in functions.items()}
