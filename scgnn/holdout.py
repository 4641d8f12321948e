"""Counts hidden from a method, to see how well it restores them."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def hide_nonzeros(
    counts: sparse.csr_matrix, share: float, seed: int
) -> tuple[sparse.csr_matrix, np.ndarray, np.ndarray]:
    """Set a share of the non-zero entries to zero, to score how well imputation restores them.

    The draw is that of the scGNN benchmark: ``floor(share * n)`` of the n non-zeros in row-major
    order, without replacement, by numpy's legacy generator.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    share
        Share of the non-zero entries to hide, 0 to 1.
    seed
        Seed of the draw.

    Returns
    -------
    counts, rows, columns
        The counts without the hidden entries (a new matrix), and where those were.
    """
    left = sparse.csr_matrix(counts, copy=True)
    left.sum_duplicates()
    left.eliminate_zeros()
    rows = np.repeat(np.arange(left.shape[0]), np.diff(left.indptr))
    draw = np.random.RandomState(seed)
    hidden = draw.choice(left.nnz, int(np.floor(share * left.nnz)), replace=False)
    rows, columns = rows[hidden], left.indices[hidden].astype(rows.dtype)
    left.data[hidden] = 0
    left.eliminate_zeros()
    return left, rows, columns
