"""transforms"""

from __future__ import annotations

import numpy as np

from scgnn.components.transforms import Transform
from scgnn.state import dense
from scgnn.testing.check import check, demand
from scgnn.testing.edge_cases import cells
from scgnn.testing.readers import _names, _places


@check("transform")
def check_keeps_names(transform: Transform) -> None:
    """Cells and genes keep their names and order; only one that ``selects`` drops any."""
    before, after = cells().adata, transform(cells().adata)
    pairs = zip(_names(before), _names(after), ("cells", "genes"), strict=True)
    places = [_places(old, new, what) for old, new, what in pairs]
    dropped = sum(before.shape) - sum(map(len, places))
    demand(
        transform.selects or not dropped,
        f"it drops {dropped} cells or genes, but selects is False",
    )


@check("transform")
def check_changes_x_alone(transform: Transform) -> None:
    """Layers, obs and var keep what they had, for the cells and genes that are left."""
    before, after = cells().adata, transform(cells().adata)
    kept = before[after.obs_names, after.var_names]
    for table in ("obs", "var"):
        old, new = getattr(kept, table), getattr(after, table)
        lost = [c for c in old.columns if c not in new.columns or not old[c].equals(new[c])]
        demand(not lost, f"{table} has lost or changed {', '.join(lost)}")
    layer = "spliced"
    demand(layer in after.layers, "a layer is lost")
    same = np.array_equal(dense(after.layers[layer]), dense(kept.layers[layer]))
    demand(same, "a layer has changed")


@check("transform")
def check_gives_finite_values(transform: Transform) -> None:
    """Empty cells and genes that do not vary are no reason for a value that is no number."""
    for constant in (0, 2):
        some = cells()
        some.counts[:, 0] = constant
        x = dense(transform(some.adata).X)
        demand(bool(np.isfinite(x).all()), "X has values that are not finite")


@check("transform")
def check_sparse_and_dense_are_one(transform: Transform) -> None:
    """A dense X gives what a sparse X gives."""
    one, two = cells().adata, cells().adata
    two.X = dense(two.X)
    of_sparse, of_dense = transform(one), transform(two)
    demand(of_sparse.shape == of_dense.shape, "a dense X leaves other cells or genes")
    same = np.allclose(dense(of_sparse.X), dense(of_dense.X), rtol=1e-4, atol=1e-5)
    demand(same, "a dense X gives other values than a sparse one")
