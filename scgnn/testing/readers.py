"""Checks of readers."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scgnn.components.readers import Reader
from scgnn.testing.check import register_check, require


@register_check("reader")
def check_returns_counts(reader: Reader) -> None:
    """It returns AnnData of cells x genes with nonnegative float32 values in a CSR matrix."""
    adata = reader()
    shape = getattr(adata, "shape", ())
    require(
        len(shape) == 2 and all(shape), f"it returns {shape or type(adata).__name__}, not AnnData"
    )
    require(sparse.issparse(adata.X) and adata.X.format == "csr", "X is not a CSR matrix")
    require(adata.X.dtype == np.float32, f"X is {adata.X.dtype}, not float32")
    require(adata.X.min() >= 0, f"X has negative values, e.g. {adata.X.min()}")


@register_check("reader")
def check_returns_fresh_copy(reader: Reader) -> None:
    """Each call returns a new AnnData."""
    first, second = reader(), reader()
    require(first is not second and first.X is not second.X, "two calls return the same AnnData")
