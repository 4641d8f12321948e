"""formatting."""

from __future__ import annotations

import math
import re
from typing import Any

SCORE_NAMES = {
    "ari": "ARI",
    "ami": "AMI",
    "nmi": "NMI",
    "calinski_harabasz": "Calinski-Harabasz",
    "davies_bouldin": "Davies-Bouldin",
    "fowlkes_mallows": "Fowlkes-Mallows",
    "v_measure": "V measure",
    "n_clusters": "clusters",
    "peak_memory_mb": "peak memory (MB)",
}


def format_score_name(score: str) -> str:
    """A score as a reader knows it."""
    return SCORE_NAMES.get(score, score.replace("_", " ").replace(".", ", "))


def format_number(value: Any, uncertainty: float | None = None, sign: bool = False) -> str:
    """With the digits that matter at ``size``, no zero before the point, as verdicts have it.

    An en dash where there is no number.
    """
    if value is None or not math.isfinite(value):
        return "∞" if value is not None and value == math.inf else "–"
    uncertainty = (
        abs(value) / 10
        if uncertainty is None or not math.isfinite(uncertainty) or not uncertainty
        else uncertainty
    )
    most = 3 if abs(value) >= 1 else 6
    places = min(max(0, math.ceil(-math.log10(uncertainty / 4))) if uncertainty else 0, most)
    rounded = round(float(value), places) + 0.0
    text = f"{rounded:{'+' if sign and rounded else ''},.{places}f}".replace("-", "−")
    return re.sub(r"^([−+]?)0\.", r"\1.", text)


def format_p_value(p: float) -> str:
    """A p in a table."""
    if not math.isfinite(p):
        return "–"
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def join_names(names: list[str], max_names: int = 12) -> str:
    """Words after one another, the last ones counted where there are many."""
    if len(names) > max_names:
        return f"{', '.join(names[: max_names - 1])} and {len(names) - max_names + 1} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def format_count(n: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
