"""What readers and transforms keep to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scgnn.checks.awkward import cells
from scgnn.checks.rules import check, demand
from scgnn.components.readers import Reader
from scgnn.components.transforms import Transform
from scgnn.state import dense

if TYPE_CHECKING:
    from anndata import AnnData


@check("reader")
def check_gives_counts(reader: Reader) -> None:
    """An AnnData of cells x genes, its X sparse float32, no value below 0."""
    found = reader()
    shape = getattr(found, "shape", ())
    demand(len(shape) == 2 and all(shape), f"it gives {shape or type(found).__name__}, no AnnData")
    demand(sparse.issparse(found.X) and found.X.format == "csr", "X is not CSR")
    demand(found.X.dtype == np.float32, f"X is {found.X.dtype}, not float32")
    demand(found.X.min() >= 0, f"X reaches down to {found.X.min()}")


@check("reader")
def check_reads_anew(reader: Reader) -> None:
    """Each call gives an AnnData of its own."""
    one, two = reader(), reader()
    demand(one is not two and one.X is not two.X, "two calls give the same AnnData")


def _places(before: list[str], after: list[str], what: str) -> list[int]:
    """Where the names that are left were; demands that they are in the same order."""
    strange = [name for name in after if name not in before]
    demand(not strange, f"{what} have new names, e.g. {strange[:1]}")
    places = [before.index(name) for name in after]
    demand(places == sorted(set(places)), f"{what} are in another order, or twice")
    return places


def _names(adata: AnnData) -> tuple[list[str], list[str]]:
    return list(adata.obs_names), list(adata.var_names)


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
