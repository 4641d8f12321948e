"""scale"""

from __future__ import annotations

import logging

import numpy as np
from scipy import sparse

log = logging.getLogger("scgnn")

MAX_LOG_VALUE = 30.0  # ln(1 + a million counts) is 14, log2 of it 20


def _detect_scale(x: sparse.csr_matrix, source: str) -> str:
    """What kind of numbers these are, and say so when they are not counts."""
    if looks_logarithmic(x.data):
        log.warning(
            f"{source}: values look logarithmic already (not whole, largest {x.data.max():.3g}): "
            "choose a layer with counts, or leave out the transform log1p"
        )
        return "logarithmic"
    if not _is_integer_valued(x.data):
        log.info(f"{source}: values are not whole numbers (TPM, or normalised): taken as they are")
        return "not whole"
    return "counts"


def looks_logarithmic(values: np.ndarray) -> bool:
    """Whether numbers are neither whole nor large, as logarithms of counts are."""
    return len(values) > 0 and values.max() < MAX_LOG_VALUE and not _is_integer_valued(values)


def _is_integer_valued(values: np.ndarray) -> bool:
    return bool(np.array_equal(values, np.floor(values)))
