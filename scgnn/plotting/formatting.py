"""Names of scores and p-values as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile

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


def shorten_names(names: Sequence[str], max_length: int) -> list[str]:
    """Return names of limited length, different ones for different names.

    A change ``path=value`` keeps its value and loses the beginning of its path. What a name has in
    common with the beginning of another is left out where it has to be.

    Parameters
    ----------
    names
        Names of variants.
    max_length
        In characters, at least 16.
    """
    texts = [_shorten(name, [n for n in names if n != name], max_length) for name in names]
    numbers = {name: i for i, name in enumerate(dict.fromkeys(names), start=1)}
    owners: dict[str, set[str]] = {}
    for text, name in zip(texts, names, strict=True):
        owners.setdefault(text, set()).add(name)
    return [
        text if len(owners[text]) == 1 else f"{text[: max_length - 6]}… {numbers[name]}"
        for text, name in zip(texts, names, strict=True)
    ]


def _shorten(name: str, others: Sequence[str], max_length: int) -> str:
    if len(name) <= max_length:
        return name
    size = max_length - 2  # without an ellipsis at either end
    n_common = max((_count_common(name, other) for other in others), default=0)
    start = name.find("=") + 1  # of the value
    if n_common >= start + size // 2:  # from the setting that differs
        start = max(name.rfind(mark, 0, n_common) + 1 for mark in "=,{[")
        start += name[start] == " "
        start = max(start, n_common - size // 2)
    if len(name) - start <= size + 1:
        return f"…{name[-size - 1 :]}"
    return f"…{name[start : start + size]}…" if start else f"{name[: size + 1]}…"


def _count_common(a: str, b: str) -> int:
    """Return the number of characters at the beginning that two names have in common."""
    pairs = zip(a, b, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
