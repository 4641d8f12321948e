"""What readers and transforms keep to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scgnn.components.readers import Reader
from scgnn.testing.check import register_check, require

if TYPE_CHECKING:
    from anndata import AnnData


@register_check("reader")
def check_returns_counts(reader: Reader) -> None:
    """An AnnData of cells x genes, its X sparse float32, no value below 0."""
    found = reader()
    shape = getattr(found, "shape", ())
    require(len(shape) == 2 and all(shape), f"it gives {shape or type(found).__name__}, no AnnData")
    require(sparse.issparse(found.X) and found.X.format == "csr", "X is not CSR")
    require(found.X.dtype == np.float32, f"X is {found.X.dtype}, not float32")
    require(found.X.min() >= 0, f"X reaches down to {found.X.min()}")


@register_check("reader")
def check_returns_fresh_copy(reader: Reader) -> None:
    """Each call gives an AnnData of its own."""
    one, two = reader(), reader()
    require(one is not two and one.X is not two.X, "two calls give the same AnnData")


def _match_names(before: list[str], after: list[str], axis_name: str) -> list[int]:
    """Where the names that are left were; demands that they are in the same order."""
    strange = [name for name in after if name not in before]
    require(not strange, f"{axis_name} have new names, e.g. {strange[:1]}")
    places = [before.index(name) for name in after]
    require(places == sorted(set(places)), f"{axis_name} are in another order, or twice")
    return places


def _get_names(adata: AnnData) -> tuple[list[str], list[str]]:
    return list(adata.obs_names), list(adata.var_names)
