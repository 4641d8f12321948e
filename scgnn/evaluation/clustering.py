"""Clustering metrics. Only this module and the runner read true labels."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from scgnn.data.validation import format_unknown_column
from scgnn.errors import InputError
from scgnn.evaluation.labels_file import read_labels_file
from scgnn.seeding import generator

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger("scgnn")

Scores = dict[str, float | None]

MISSING_LABELS = {"", "NA", "N/A", "n/a", "#N/A", "<NA>", "nan", "NaN", "NAN", "None"}
MAX_SILHOUETTE_CELLS = 10_000  # its cost is quadratic


def get_true_labels(
    adata: AnnData, labels_key: str | None, labels_file: str | None = None
) -> np.ndarray:
    """Return the true label of each cell as text [cells], "" where it is missing.

    Parameters
    ----------
    adata
        Data with the names of the cells.
    labels_key
        Column of ``obs`` or, with a file, of this file.
    labels_file
        File with the labels.

    Raises
    ------
    InputError
        There is no such column or file, or it has no labels.
    """
    if labels_file is not None:
        labels, place = read_labels_file(labels_file, labels_key, adata.obs_names), labels_file
    else:
        labels = _get_labels_of_obs(adata, str(labels_key))
        place = f"column '{labels_key}' of obs"
    labels = np.array(
        ["" if label.strip() in MISSING_LABELS else label for label in labels], dtype=object
    )
    n_missing = int((labels == "").sum())
    if n_missing == len(labels):
        setting = "labels_file" if labels_file else "labels_key"
        raise InputError(f"data.{setting}: {place} is empty")
    if n_missing:
        log.info(f"{n_missing:,} of {len(labels):,} cells have no label; scores leave them out")
    return labels


def _get_labels_of_obs(adata: AnnData, labels_key: str) -> np.ndarray:
    if labels_key not in adata.obs:
        problem = format_unknown_column(labels_key, adata.obs.columns)
        advice = ""
        if labels_key in adata.var_names:
            advice = "; it is read as a gene: of a text table, set data.reader.annotation_columns"
        raise InputError(f"data.labels_key: {problem}{advice}")
    values = adata.obs[labels_key]
    try:
        return np.where(values.isna(), "", values.astype(str))
    except UnicodeDecodeError:
        problem = f"column '{labels_key}' of obs holds bytes that are not text in UTF-8"
        raise InputError(f"data.labels_key: {problem}") from None


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
