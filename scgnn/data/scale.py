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
        problem = f"values {describe_scale(x.data)}"
        log.warning(
            f"{source}: {problem}: choose a layer with counts (data.layer), if there is one"
        )
        return "logarithmic"
    if not _is_integer_valued(x.data):
        log.info(f"{source}: values are {describe_scale(x.data)}, used unchanged")
        return "non_integer"
    return "counts"


def describe_scale(values: np.ndarray) -> str:
    """Return what values look like: counts, other numbers or logarithms."""
    if looks_logarithmic(values):
        return f"look log-transformed (not integers, maximum {values.max():.3g})"
    is_integer = _is_integer_valued(values)
    return "whole numbers" if is_integer else "not integers (TPM or normalized)"


def looks_logarithmic(values: np.ndarray) -> bool:
    """Return whether values are neither integers nor large, as logarithms of counts."""
    return len(values) > 0 and values.max() < MAX_LOG_VALUE and not _is_integer_valued(values)


def _is_integer_valued(values: np.ndarray) -> bool:
    return bool(np.array_equal(values, np.floor(values)))
