"""Checks of readers."""

from __future__ import annotations

from scgnn.components.readers import Reader
from scgnn.data.layers import AUTO, find_counts, select_counts
from scgnn.testing.check import register_check, require


@register_check("reader")
def check_returns_counts(reader: Reader) -> None:
    """Check that it returns AnnData with counts: nonnegative numbers in X, raw or a layer."""
    from anndata import AnnData

    adata = reader()
    require(isinstance(adata, AnnData), f"it returns {type(adata).__name__}, not AnnData")
    require(all(adata.shape), f"it returns {adata.n_obs} cells and {adata.n_vars} genes")
    counts = select_counts(adata, find_counts(adata, AUTO, "the data")).X
    require(counts.dtype.kind in "buif", f"its values have the type {counts.dtype}")
    require(counts.min() >= 0, f"its values are negative, e.g. {counts.min()}")


@register_check("reader")
def check_returns_fresh_copy(reader: Reader) -> None:
    """Check that each call returns a new AnnData."""
    first, second = reader(), reader()
    require(first is not second and first.X is not second.X, "two calls return the same AnnData")
