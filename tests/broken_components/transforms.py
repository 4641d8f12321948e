"""Transforms that break one rule each."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from broken_components.case import breaks
from scgnn.components.transforms import Transform


@breaks("keeps_names", "cells are in another order, or twice")
class Backwards(Transform):
    """Turns the cells around."""

    def __call__(self, adata):
        return adata[::-1].copy()


@breaks("keeps_names", "it drops 1 cells or genes, but selects is False")
class Dropping(Transform):
    """Drops a cell without saying so."""

    def __call__(self, adata):
        return adata[1:].copy()


@breaks("changes_x_alone", "a layer is lost")
class Losing(Transform):
    """Drops the layers."""

    def __call__(self, adata):
        new = adata.copy()
        new.layers.clear()
        return new


@breaks("gives_finite_values", "X has values that are not finite")
class Shares(Transform):
    """Divides each cell by its total."""

    def __call__(self, adata):
        new = adata.copy()
        x = new.X.toarray() if sparse.issparse(new.X) else new.X
        with np.errstate(invalid="ignore"):
            new.X = x / x.sum(axis=1, keepdims=True)
        return new


@breaks("sparse_and_dense_are_one", "a dense X gives other values than a sparse one")
class Partial(Transform):
    """Doubles what is sparse."""

    def __call__(self, adata):
        new = adata.copy()
        new.X = new.X * 2 if sparse.issparse(new.X) else new.X
        return new
