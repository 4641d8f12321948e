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
    known = {key: score.label for key, score in SCORES.items()}
    labels = [known.get(part, part.replace("_", " ")) for part in (group, *parts)]
    return ", ".join([GROUP_LABELS.get(group, labels[0]), *labels[1:]])


def format_p_value(p: float) -> str:
    """Return a p-value with three decimals, an en dash for NaN."""
    if not math.isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
