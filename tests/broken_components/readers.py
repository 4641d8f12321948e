"""Readers that break one rule each."""

from __future__ import annotations

from functools import cache

from broken_components.case import breaks
from scgnn.components.readers import Demo, Reader


@breaks("gives_counts", "X is not CSR")
class Dense(Reader):
    """Gives a dense matrix."""

    def __call__(self):
        adata = Demo(cells=20, genes=10)()
        adata.X = adata.X.toarray()
        return adata


@breaks("reads_anew", "two calls give the same AnnData")
class Cached(Reader):
    """Reads once."""

    def __call__(self):
        return once()


@cache
def once():
    """The demo, always the same object."""
    return Demo(cells=20, genes=10)()
