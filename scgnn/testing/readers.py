"""What readers and transforms keep to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scgnn.components.readers import Reader
from scgnn.testing.check import check, demand

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
