"""Scores of clusters and of imputed expression, and imputation baselines."""

from scgnn.evaluation.baselines import BASELINES, score_baselines
from scgnn.evaluation.imputation import score_imputation, unflatten_scores
from scgnn.evaluation.targets import (
    HiddenEntries,
    ImputationTargets,
    ReferenceMatrix,
    prepare_imputation_targets,
)

__all__ = [
    "BASELINES",
    "HiddenEntries",
    "ImputationTargets",
    "ReferenceMatrix",
    "prepare_imputation_targets",
    "score_baselines",
    "score_imputation",
    "unflatten_scores",
]
