"""transforms"""

from __future__ import annotations

import numpy as np

from scgnn.components.transforms import Transform
from scgnn.state import to_dense_rows
from scgnn.testing.check import register_check, require
from scgnn.testing.edge_cases import make_cells
from scgnn.testing.readers import _get_names, _match_names


@register_check("transform")
def check_preserves_names(transform: Transform) -> None:
    """Cells and genes keep their names and order; only one that ``selects`` drops any."""
    before, after = make_cells().adata, transform(make_cells().adata)
    pairs = zip(_get_names(before), _get_names(after), ("cells", "genes"), strict=True)
    places = [_match_names(old, new, what) for old, new, what in pairs]
    dropped = sum(before.shape) - sum(map(len, places))
    require(
        transform.drops_cells_or_genes or not dropped,
        f"it drops {dropped} cells or genes, but selects is False",
    )


@register_check("transform")
def check_modifies_only_x(transform: Transform) -> None:
    """Layers, obs and var keep what they had, for the cells and genes that are left."""
    before, after = make_cells().adata, transform(make_cells().adata)
    kept = before[after.obs_names, after.var_names]
    for table in ("obs", "var"):
        old, new = getattr(kept, table), getattr(after, table)
        lost = [c for c in old.columns if c not in new.columns or not old[c].equals(new[c])]
        require(not lost, f"{table} has lost or changed {', '.join(lost)}")
    layer = "spliced"
    require(layer in after.layers, "a layer is lost")
    same = np.array_equal(to_dense_rows(after.layers[layer]), to_dense_rows(kept.layers[layer]))
    require(same, "a layer has changed")


@register_check("transform")
def check_returns_finite_values(transform: Transform) -> None:
    """Empty cells and genes that do not vary are no reason for a value that is no number."""
    for constant in (0, 2):
        some = make_cells()
        some.counts[:, 0] = constant
        x = to_dense_rows(transform(some.adata).X)
        require(bool(np.isfinite(x).all()), "X has values that are not finite")


@register_check("transform")
def check_sparse_and_dense_agree(transform: Transform) -> None:
    """A dense X gives what a sparse X gives."""
    one, two = make_cells().adata, make_cells().adata
    two.X = to_dense_rows(two.X)
    of_sparse, of_dense = transform(one), transform(two)
    require(of_sparse.shape == of_dense.shape, "a dense X leaves other cells or genes")
    same = np.allclose(to_dense_rows(of_sparse.X), to_dense_rows(of_dense.X), rtol=1e-4, atol=1e-5)
    require(same, "a dense X gives other values than a sparse one")
