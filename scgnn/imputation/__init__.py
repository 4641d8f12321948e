"""How well a method restores expression that it has not seen, beside the simplest of methods."""

from scgnn.imputation.answers import Answers, Entries, Reference, with_answers
from scgnn.imputation.controls import CONTROLS, control_scores
from scgnn.imputation.scores import imputed_scores, nested

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
