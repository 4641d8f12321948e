"""Checks of readers."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scgnn.components.readers import Reader
from scgnn.testing.check import register_check, require


@register_check("reader")
def check_returns_counts(reader: Reader) -> None:
    """Check that it returns AnnData with nonnegative float32 values in a CSR matrix."""
    from anndata import AnnData

    adata = reader()
    require(isinstance(adata, AnnData), f"it returns {type(adata).__name__}, not AnnData")
    require(all(adata.shape), f"it returns {adata.n_obs} cells and {adata.n_vars} genes")
    require(sparse.issparse(adata.X) and adata.X.format == "csr", "X is not a CSR matrix")
    require(adata.X.dtype == np.float32, f"X is {adata.X.dtype}, not float32")
    require(adata.X.min() >= 0, f"X has negative values, e.g. {adata.X.min()}")


@register_check("reader")
def check_returns_fresh_copy(reader: Reader) -> None:
    """Check that each call returns a new AnnData."""
    first, second = reader(), reader()
    require(first is not second and first.X is not second.X, "two calls return the same AnnData")
