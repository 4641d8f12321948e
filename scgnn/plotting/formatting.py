"""Names of scores and p-values as text."""

from __future__ import annotations

import math

from scgnn.evaluation.scores import SCORES

GROUP_LABELS = {
    "thinning": "held-out molecules",
    "imputation": "held-out entries",
    "truth": "ground truth",
    "false_signal": "false signal",
}


def format_score_name(name: str) -> str:
    """Return the label of a score; ``thinning.mse`` is ``held-out molecules, MSE``."""
    group, *parts = name.split(".")
    labels = [SCORES[part].label if part in SCORES else part.replace("_", " ") for part in parts]
    if group in GROUP_LABELS:
        return ", ".join([GROUP_LABELS[group], *labels])
    return ", ".join([SCORES[group].label if group in SCORES else group.replace("_", " "), *labels])


def format_p_value(p: float) -> str:
    """Return a p-value with three decimals, an en dash for NaN."""
    if not math.isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
