"""formatting."""

from __future__ import annotations

import math
import re
from typing import Any

NAMES = {
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


def score_name(score: str) -> str:
    """A score as a reader knows it."""
    return NAMES.get(score, score.replace("_", " ").replace(".", ", "))


def number(value: Any, size: float | None = None, sign: bool = False) -> str:
    """With the digits that matter at ``size``, no zero before the point, as verdicts have it.

    An en dash where there is no number.
    """
    if value is None or not math.isfinite(value):
        return "∞" if value is not None and value == math.inf else "–"
    size = abs(value) / 10 if size is None or not math.isfinite(size) or not size else size
    most = 3 if abs(value) >= 1 else 6
    places = min(max(0, math.ceil(-math.log10(size / 4))) if size else 0, most)
    rounded = round(float(value), places) + 0.0
    text = f"{rounded:{'+' if sign and rounded else ''},.{places}f}".replace("-", "−")
    return re.sub(r"^([−+]?)0\.", r"\1.", text)


def p_value(p: float) -> str:
    """A p in a table."""
    if not math.isfinite(p):
        return "–"
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def listed(words: list[str], most: int = 12) -> str:
    """Words after one another, the last ones counted where there are many."""
    if len(words) > most:
        return f"{', '.join(words[: most - 1])} and {len(words) - most + 1} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def counted(n: int, thing: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"
