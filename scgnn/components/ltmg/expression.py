"""From a matrix of expression to log expression, after checking that it can be one."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

MAX_LOG_EXPRESSION = 100.0  # e^100 molecules


def compute_log_expression(
    x: sparse.spmatrix | NDArray[np.floating], input_scale: Literal["counts", "log"]
) -> sparse.csc_matrix:
    """Log expression of the expressed entries, cells x genes.

    Raises
    ------
    ValueError
        Where a value is negative, infinite or not a number, or too large for a logarithm.
    """
    if not sparse.issparse(x):
        x = np.asarray(x)
        if x.ndim != 2:
            raise ValueError(f"LTMG needs a matrix, cells x genes, but got {x.ndim} dimension(s).")
    matrix = sparse.csc_matrix(x, dtype=np.float64)
    if matrix.data is getattr(x, "data", None):
        matrix = matrix.copy()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    _check_entries(
        matrix, ~np.isfinite(matrix.data), "is not finite", "remove or replace such values"
    )
    remedy = "LTMG needs counts or log(count + 1), not a scaled or centred matrix"
    _check_entries(matrix, matrix.data < 0, "is negative", remedy)
    if input_scale == "log":
        remedy = "put log1p among the transforms, or set input: counts"
        _check_entries(
            matrix, matrix.data > MAX_LOG_EXPRESSION, "is too large for log(count + 1)", remedy
        )
        matrix.data += np.log(-np.expm1(-matrix.data))  # log(exp(v) − 1) without overflow
    else:
        matrix.data = np.log(matrix.data)
    return matrix


def _check_entries(
    matrix: sparse.csc_matrix, invalid: NDArray[np.bool_], problem: str, fix: str
) -> None:
    if not invalid.any():
        return
    first = int(invalid.argmax())
    gene = int(np.searchsorted(matrix.indptr, first, side="right")) - 1
    raise ValueError(
        f"The value {matrix.data[first]:g} of cell {matrix.indices[first]}, gene {gene} "
        f"{problem} (as are {int(invalid.sum()) - 1} others): {fix}."
    )
