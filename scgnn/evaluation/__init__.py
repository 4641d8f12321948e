"""How well a method restores expression that it has not seen, beside the simplest of methods."""

from scgnn.evaluation.baselines import CONTROLS, control_scores
from scgnn.evaluation.imputation import imputed_scores, nested
from scgnn.evaluation.targets import Answers, Entries, Reference, with_answers

__all__ = [
    "CONTROLS",
    "Answers",
    "Entries",
    "Reference",
    "control_scores",
    "imputed_scores",
    "nested",
    "with_answers",
]
