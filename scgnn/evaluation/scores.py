"""Table of scores: key in ``metrics.json``, label in text, and direction."""

from __future__ import annotations

import re
from typing import NamedTuple


class Score(NamedTuple):
    """A score of a run.

    Attributes
    ----------
    key
        Name in ``metrics.json``; in a group of scores, the last part of the dotted name.
    label
        Name in reports and figures.
    direction
        1 where higher is better, -1 where lower is better, 0 where neither is.
    """

    key: str
    label: str
    direction: int


SCORES = {
    key: Score(key, label, direction)
    for key, label, direction in (
        ("ari", "ARI", 1),
        ("ami", "AMI", 1),
        ("nmi", "NMI", 1),
        ("homogeneity", "homogeneity", 1),
        ("completeness", "completeness", 1),
        ("fowlkes_mallows", "Fowlkes-Mallows", 1),
        ("v_measure", "V measure", 1),
        ("silhouette", "silhouette", 1),
        ("calinski_harabasz", "Calinski-Harabasz", 1),
        ("davies_bouldin", "Davies-Bouldin", -1),
        ("gene_correlation", "gene correlation", 1),
        ("cell_correlation", "cell correlation", 1),
        ("pearson", "Pearson", 1),
        ("cosine", "cosine", 1),
        ("mse", "MSE", -1),
        ("poisson", "Poisson", -1),
        ("median_l1", "median L1", -1),
        ("mean_l1", "mean L1", -1),
        ("min_l1", "min L1", -1),
        ("max_l1", "max L1", -1),
        ("false_signal", "false signal", -1),
        ("n_clusters", "clusters", 0),
        ("seconds", "seconds", -1),
        ("peak_memory_mb", "peak memory (MB)", -1),
        ("peak_memory_mb_by_stage", "peak memory (MB) by stage", -1),
    )
}


def get_direction(name: str) -> int:
    """Return the direction of a score: 1 higher is better, -1 lower is better, 0 unknown.

    A dotted name has the direction of its first known part: ``seconds.clustering`` that of
    ``seconds``, ``imputation.cosine`` that of ``cosine``.
    """
    return next((SCORES[part].direction for part in re.split(r"[./]", name) if part in SCORES), 0)
