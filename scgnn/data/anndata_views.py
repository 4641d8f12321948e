"""Views of an AnnData: another X or layer, CSR matrices, and the State of a pipeline."""

from __future__ import annotations

import warnings
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix, issparse

from scgnn.data.sparse_structure import check_matrices
from scgnn.errors import InputError
from scgnn.state import State

if TYPE_CHECKING:
    from anndata import AnnData

_ALIGNED_ATTRIBUTES = ("uns", "layers", "obsm", "varm", "obsp", "varp")


def select_layer(adata: AnnData, layer: str, source: str = "the data") -> AnnData:
    """Return the same cells with another matrix as ``X``, and without ``uns["log1p"]``.

    Parameters
    ----------
    adata
        Data, cells x genes.
    layer
        Name of a layer, or ``raw`` for ``adata.raw``.
    source
        Name of the data in messages.

    Raises
    ------
    InputError
        If there is no such layer, or ``adata`` is a view of damaged matrices.
    """
    if adata.is_view:  # whose matrices are selected when they are accessed
        check_matrices(adata, source)
    if layer in adata.layers:
        new = replace_x(adata, adata.layers[layer])
    elif layer == "raw" and adata.raw is not None:
        aligned = {name: dict(getattr(adata, name)) for name in ("uns", "obsm", "obsp")}
        new = _make_anndata(X=adata.raw.X, obs=adata.obs, var=adata.raw.var, **aligned)
    else:
        available = ", ".join(list_layers(adata)) or "none"
        raise InputError(f"{source} has no layer '{layer}': it has {available}")
    new.uns.pop("log1p", None)
    return new


def replace_x(adata: AnnData, x: Any, copy: bool = False) -> AnnData:
    """Return the same annotation with another ``X`` of the same shape, and without ``raw``.

    Parameters
    ----------
    adata
        Data, cells x genes.
    x
        The new ``X``; not copied.
    copy
        Whether to copy the annotation deeply.
    """
    adata = adata.copy() if adata.is_view else adata
    fields = {name: dict(getattr(adata, name)) for name in _ALIGNED_ATTRIBUTES}
    fields |= {"obs": adata.obs, "var": adata.var}
    return _make_anndata(X=x, **(deepcopy(fields) if copy else fields))


def to_csr(x: Any, source: str) -> csr_matrix:
    """Return a matrix as CSR float32 in canonical form, which shares no memory with it.

    The structure of a sparse matrix must have been checked.

    Raises
    ------
    InputError
        If it is not a matrix of real numbers.
    """
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


def require_x(adata: AnnData, source: str) -> Any:
    """Return ``adata.X``, or raise InputError if there is none."""
    if adata.X is None:
        layers = ", ".join(list_layers(adata))
        fix = f"set layer to one of {layers}" if layers else "it has no layers either"
        raise InputError(f"{source} has no X: {fix}")
    return adata.X


def list_layers(adata: AnnData) -> list[str]:
    """Return the possible values of ``layer``."""
    return [*adata.layers, *(["raw"] if adata.raw is not None else [])]


def _make_anndata(**fields: Any) -> AnnData:
    """Return an AnnData without warnings about names, which validation reports."""
    from anndata import AnnData

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AnnData(**fields)
