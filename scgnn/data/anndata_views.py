"""Views of an AnnData: another X, CSR matrices, and the State of a pipeline."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix, issparse

from scgnn.errors import InputError
from scgnn.state import State

if TYPE_CHECKING:
    from anndata import AnnData

ALIGNED = ("layers", "obsm", "varm", "obsp", "varp")


def replace_x(adata: AnnData, x: Any, copy: bool = False) -> AnnData:
    """Return the same annotation with another ``X`` of the same shape, and without ``raw``.

    Parameters
    ----------
    adata
        Data, cells x genes.
    x
        The new ``X``; not copied.
    copy
        Whether to copy ``obs`` and ``var`` deeply; the rest is shared.
    """
    adata = adata.copy() if adata.is_view else adata
    aligned = {name: copy_slot(adata, name) for name in ALIGNED}
    obs, var = (table.copy() if copy else table for table in (adata.obs, adata.var))
    return build_anndata(X=x, obs=obs, var=var, uns=dict(adata.uns), **aligned)


def copy_slot(adata: AnnData, name: str) -> dict[str, Any]:
    """Return the items of ``layers``, ``obsm`` or another slot, without X, a layer named None."""
    items = getattr(adata, name).items()
    return {key: value for key, value in items if (name, key) != ("layers", None)}


def load_matrix(x: Any) -> Any:
    """Return a matrix, computed if it is a dask array, which can have dense or sparse chunks."""
    return x.compute() if hasattr(x, "__dask_graph__") else x


def to_csr(x: Any, source: str) -> csr_matrix:
    """Return a matrix as CSR float32 in canonical form, which shares no memory with it.

    The structure of a sparse matrix must have been checked.

    Raises
    ------
    InputError
        If it is not a matrix of real numbers.
    """
    x = load_matrix(x)
    matrix: Any = x if issparse(x) else np.asarray(x)
    if matrix.dtype.kind not in "buif":
        raise InputError(f"{source}: X has the type {matrix.dtype}, expected numbers")
    counts = csr_matrix(matrix, dtype=np.float32, copy=True)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    return counts


def to_state(adata: AnnData, batch: np.ndarray | None = None) -> State:
    """Return the initial State of a pipeline, with the batches [cells] if given."""
    to_matrix = csr_matrix if issparse(adata.X) else np.asarray
    genes, cells = adata.var_names.to_numpy(str), adata.obs_names.to_numpy(str)
    return State(x=to_matrix(adata.X, dtype=np.float32), genes=genes, cells=cells, batch=batch)


def build_anndata(**fields: Any) -> AnnData:
    """Return an AnnData without warnings about names, which validation reports."""
    from anndata import AnnData

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AnnData(**fields)
