"""Checks of transforms."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scgnn.components.transforms import Transform
from scgnn.state import to_dense_rows
from scgnn.testing.check import register_check, require, require_finite, require_shape
from scgnn.testing.edge_cases import make_cells


def _require_subset(before: pd.Index, after: pd.Index, axis: str) -> None:
    """Require names that are a subset, in the same order."""
    unknown = after.difference(before, sort=False)
    require(unknown.empty, f"{axis} have new names, e.g. {list(unknown[:1])}")
    positions = before.get_indexer(after)
    require((np.diff(positions) > 0).all(), f"{axis} are reordered or duplicated")


@register_check("transform")
def check_preserves_names(transform: Transform) -> None:
    """Check that cells and genes keep their order, and none is lost unless it declares so."""
    before, after = make_cells().adata, transform(make_cells().adata)
    _require_subset(before.obs_names, after.obs_names, "cells")
    _require_subset(before.var_names, after.var_names, "genes")
    if not transform.drops_cells_or_genes:
        require_shape(after.shape, before.shape, "X (drops_cells_or_genes is False)")


@register_check("transform")
def check_modifies_only_x(transform: Transform) -> None:
    """Check that layers, obs and var are unchanged for the remaining cells and genes."""
    before, after = make_cells().adata, transform(make_cells().adata)
    expected = before[after.obs_names, after.var_names]
    for table in ("obs", "var"):
        old, new = getattr(expected, table), getattr(after, table)
        changed = [c for c in old if c not in new or not old[c].equals(new[c])]
        require(not changed, f"{table}: {', '.join(changed)} missing or changed")
    layer = "spliced"
    require(layer in after.layers, "a layer is missing")
    old, new = (to_dense_rows(adata.layers[layer]) for adata in (expected, after))
    require(np.array_equal(old, new), "a layer is changed")


@register_check("transform")
def check_returns_finite_values(transform: Transform) -> None:
    """Check that values are finite, also with empty cells and constant genes."""
    for constant in (0, 2):
        cells = make_cells()
        cells.counts[:, 0] = constant
        require_finite(to_dense_rows(transform(cells.adata).X), "X")


@register_check("transform")
def check_sparse_and_dense_agree(transform: Transform) -> None:
    """Check that a dense and a sparse X give the same result."""
    dense = make_cells().adata
    dense.X = to_dense_rows(dense.X)
    first, second = transform(make_cells().adata), transform(dense)
    require_shape(second.shape, first.shape, "result of a dense X")
    same = np.allclose(to_dense_rows(first.X), to_dense_rows(second.X), rtol=1e-4, atol=1e-5)
    require(same, "a dense and a sparse X give different values")
