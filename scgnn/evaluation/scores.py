"""Table of scores: key in ``metrics.json``, label in text, and direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

BASELINES_STAGE = "imputation baselines"


class Score(NamedTuple):
    """A score of a run.

    Attributes
    ----------
    label
        Name in reports and figures.
    direction
        1 where higher is better, -1 where lower is better, 0 where neither is.
    """

    label: str
    direction: int


# by key in metrics.json; in a group of scores, the last part of the dotted name
SCORES = {
    "ari": Score("ARI", 1),
    "ami": Score("AMI", 1),
    "nmi": Score("NMI", 1),
    "homogeneity": Score("homogeneity", 1),
    "completeness": Score("completeness", 1),
    "fowlkes_mallows": Score("Fowlkes-Mallows", 1),
    "v_measure": Score("V measure", 1),
    "silhouette": Score("silhouette", 1),
    "calinski_harabasz": Score("Calinski-Harabasz", 1),
    "davies_bouldin": Score("Davies-Bouldin", -1),
    "gene_correlation": Score("gene correlation", 1),
    "cell_correlation": Score("cell correlation", 1),
    "pearson": Score("Pearson", 1),
    "cosine": Score("cosine", 1),
    "mse": Score("MSE", -1),
    "poisson": Score("Poisson", -1),
    "median_l1": Score("median L1", -1),
    "mean_l1": Score("mean L1", -1),
    "min_l1": Score("min L1", -1),
    "max_l1": Score("max L1", -1),
    "false_signal": Score("false signal", -1),
    "n_clusters": Score("clusters", 0),
    "seconds": Score("seconds", -1),
    "peak_memory_mb": Score("peak memory (MB)", -1),
}


# of clusters in the embedding that they were found in, which differs between methods
EMBEDDING_SCORES = ("silhouette", "calinski_harabasz", "davies_bouldin")
LABEL_SCORES = (
    *("ari", "ami", "nmi", "homogeneity", "completeness", "fowlkes_mallows", "v_measure"),
)
COST_SCORES = ("seconds", "peak_memory_mb")


def is_known_score(name: str) -> bool:
    """Return whether a part of a dotted name is in :data:`SCORES`."""
    return any(part in SCORES for part in name.split("."))


def is_comparable(name: str) -> bool:
    """Return whether a score tells which of two methods does better on the same data."""
    excluded = (*EMBEDDING_SCORES, *COST_SCORES)
    return bool(get_direction(name)) and name.split(".")[0] not in excluded


def get_direction(name: str) -> int:
    """Return the direction of a score: 1 higher is better, -1 lower is better, 0 unknown.

    A dotted name has the direction of its first known part: ``seconds.clustering`` that of
    ``seconds``, ``imputation.cosine`` that of ``cosine``.
    """
    return next((SCORES[part].direction for part in name.split(".") if part in SCORES), 0)


def flatten_scores(metrics: Mapping[Any, Any]) -> dict[str, Any]:
    """Return scores by dotted name: ``seconds`` is the sum of ``seconds.clustering`` and others.

    The sum excludes the time of imputation baselines, which are not part of the method.
    """
    scores: dict[str, Any] = {}
    for name, value in metrics.items():
        if not isinstance(value, Mapping):
            scores[name] = value
            continue
        if name == "seconds":
            scores[name] = round(sum(v for k, v in value.items() if k != BASELINES_STAGE), 3)
        scores |= {f"{name}.{part}": item for part, item in flatten_scores(value).items()}
    return scores
