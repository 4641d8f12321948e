"""Transforms that break one rule each."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from broken_components.case import register_broken
from scgnn.components.transforms import Transform


@register_broken("preserves_names", "cells are reordered or duplicated")
class ReversedCells(Transform):
    """Reverses the cells."""

    def __call__(self, adata):
        return adata[::-1].copy()


@register_broken(
    "preserves_names", "X (drops_cells_or_genes is False): expected shape (30, 12), got (29, 12)"
)
class DroppedCell(Transform):
    """Drops a cell without declaring it."""

    def __call__(self, adata):
        return adata[1:].copy()


@register_broken("does_not_modify_inputs", "it modifies its inputs; work on a copy")
class InPlaceTransform(Transform):
    """Writes into X."""

    def __call__(self, adata):
        adata.X = adata.X * 2
        return adata


@register_broken("modifies_only_x", "a layer is missing")
class DroppedLayers(Transform):
    """Drops the layers."""

    def __call__(self, adata):
        new = adata.copy()
        for name in adata.layers:
            if name is not None:  # X
                del new.layers[name]
        return new


@register_broken("returns_finite_values", "X is not finite")
class CellFractions(Transform):
    """Divides each cell by its total."""

    def __call__(self, adata):
        new = adata.copy()
        x = new.X.toarray() if sparse.issparse(new.X) else new.X
        with np.errstate(invalid="ignore"):
            new.X = x / x.sum(axis=1, keepdims=True)
        return new


@register_broken("sparse_and_dense_agree", "a dense and a sparse X give different values")
class SparseOnly(Transform):
    """Doubles sparse values only."""

    def __call__(self, adata):
        new = adata.copy()
        new.X = new.X * 2 if sparse.issparse(new.X) else new.X
        return new
