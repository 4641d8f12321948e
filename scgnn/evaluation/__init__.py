"""Scores of clusters and of imputed expression, and imputation baselines."""

from scgnn.evaluation.baselines import score_baselines
from scgnn.evaluation.imputation import score_imputation, unflatten_scores
from scgnn.evaluation.targets import ImputationTargets, prepare_imputation_targets

__all__ = [
    "ImputationTargets",
    "prepare_imputation_targets",
    "score_baselines",
    "score_imputation",
    "unflatten_scores",
]
