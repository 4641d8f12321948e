"""Validation of an expression matrix and its conversion to log expression."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

MAX_LOG_EXPRESSION = 100.0  # e^100 molecules


def compute_log_expression(
    x: sparse.spmatrix | NDArray[np.floating], input_scale: Literal["counts", "log"]
) -> sparse.csc_matrix:
    """Return the natural logarithm of the non-zero entries, cells x genes.

    Parameters
    ----------
    x
        Non-negative expression, cells x genes.
    input_scale
        "counts", or "log" for log(count + 1).

    Raises
    ------
    ValueError
        If a value is negative, infinite or NaN, or too large to be a logarithm.
    """
    if not sparse.issparse(x):
        x = np.asarray(x)
        if x.ndim != 2:
            raise ValueError(f"LTMG requires a matrix of cells x genes, got {x.ndim} dimension(s)")
    matrix = sparse.csc_matrix(x, dtype=np.float64)
    if matrix.data is getattr(x, "data", None):
        matrix = matrix.copy()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    data = matrix.data
    _check_entries(matrix, ~np.isfinite(data), "is not finite", "remove or replace such values")
    fix = "LTMG requires counts or log(count + 1), not a scaled or centered matrix"
    _check_entries(matrix, data < 0, "is negative", fix)
    if input_scale == "log":
        fix = "add log1p to the transforms, or set input: counts"
        too_large = data > MAX_LOG_EXPRESSION
        _check_entries(matrix, too_large, "is too large for log(count + 1)", fix)
        matrix.data += np.log(-np.expm1(-data))  # log(exp(v) − 1) without overflow
    else:
        matrix.data = np.log(data)
    return matrix


def _check_entries(
    matrix: sparse.csc_matrix, invalid: NDArray[np.bool_], problem: str, fix: str
) -> None:
    if not invalid.any():
        return
    i = int(invalid.argmax())
    gene = int(np.searchsorted(matrix.indptr, i, side="right")) - 1
    raise ValueError(
        f"value {matrix.data[i]:g} of cell {matrix.indices[i]}, gene {gene} {problem} "
        f"({int(invalid.sum())} such value(s)): {fix}"
    )
