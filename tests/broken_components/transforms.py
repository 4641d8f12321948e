"""Transforms that break one rule each."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from broken_components.case import register_broken
from scgnn.components.transforms import Transform


@register_broken("preserves_names", "cells are in another order, or twice")
class ReversedCells(Transform):
    """Turns the cells around."""

    def __call__(self, adata):
        return adata[::-1].copy()


@register_broken("preserves_names", "it drops 1 cells or genes, but selects is False")
class DroppedCell(Transform):
    """Drops a cell without saying so."""

    def __call__(self, adata):
        return adata[1:].copy()


@register_broken("modifies_only_x", "a layer is lost")
class DroppedLayers(Transform):
    """Drops the layers."""

    def __call__(self, adata):
        new = adata.copy()
        new.layers.clear()
        return new


@register_broken("returns_finite_values", "X has values that are not finite")
class CellFractions(Transform):
    """Divides each cell by its total."""

    def __call__(self, adata):
        new = adata.copy()
        x = new.X.toarray() if sparse.issparse(new.X) else new.X
        with np.errstate(invalid="ignore"):
            new.X = x / x.sum(axis=1, keepdims=True)
        return new


@register_broken("sparse_and_dense_agree", "a dense X gives other values than a sparse one")
class SparseOnly(Transform):
    """Doubles what is sparse."""

    def __call__(self, adata):
        new = adata.copy()
        new.X = new.X * 2 if sparse.issparse(new.X) else new.X
        return new
