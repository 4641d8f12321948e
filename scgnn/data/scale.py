"""Scale of the values: counts, other non-integers, or logarithms."""

from __future__ import annotations

import logging

import numpy as np
from scipy import sparse

log = logging.getLogger("scgnn")

MAX_LOG_VALUE = 30.0  # ln(1 + 1e6 counts) is 14, log2 of it 20


def detect_scale(x: sparse.csr_matrix, source: str) -> str:
    """Return ``counts``, ``non_integer`` or ``logarithmic``, and log it if not counts."""
    if looks_logarithmic(x.data):
        problem = f"values look log-transformed (not integers, maximum {x.data.max():.3g})"
        advice = "choose a layer with counts or remove the transform log1p"
        log.warning(f"{source}: {problem}: {advice}")
        return "logarithmic"
    if not _is_integer_valued(x.data):
        log.info(f"{source}: values are not integers (TPM or normalized), used unchanged")
        return "non_integer"
    return "counts"


def looks_logarithmic(values: np.ndarray) -> bool:
    """Return whether values are neither integers nor large, as logarithms of counts."""
    return len(values) > 0 and values.max() < MAX_LOG_VALUE and not _is_integer_valued(values)


def _is_integer_valued(values: np.ndarray) -> bool:
    return bool(np.array_equal(values, np.floor(values)))
