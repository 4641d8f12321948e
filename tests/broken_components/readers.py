"""Readers that break one rule each."""

from __future__ import annotations

from functools import cache

from broken_components.case import register_broken
from scgnn.components.readers import Demo, Reader


@register_broken("returns_counts", "its values are negative, e.g. -1")
class NegativeReader(Reader):
    """Returns values that are no counts."""

    def __call__(self):
        adata = Demo(n_cells=20, n_genes=10)()
        adata.X = adata.X.toarray() - 1
        return adata


@register_broken("returns_fresh_copy", "two calls return the same AnnData")
class CachedReader(Reader):
    """Reads once."""

    def __call__(self):
        return read_demo_cached()


@cache
def read_demo_cached():
    """Return the same object in each call."""
    return Demo(n_cells=20, n_genes=10)()
