"""anndata_views"""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scgnn.errors import InputError
from scgnn.state import State

if TYPE_CHECKING:
    from anndata import AnnData


def select_layer(adata: AnnData, layer: str, source: str = "the data") -> AnnData:
    """The same cells with another matrix as ``X``: a layer, or ``raw`` for ``adata.raw``.

    ``uns["log1p"]``, which says that ``X`` is logarithmic, is left out.

    Raises
    ------
    InputError
        There is no such layer; the message lists those there are.
    """
    if layer in adata.layers:
        new = replace_x(adata, adata.layers[layer])
    elif layer == "raw" and adata.raw is not None:
        new = _make_anndata(
            X=adata.raw.X,
            obs=adata.obs,
            var=adata.raw.var,
            uns=dict(adata.uns),
            obsm=dict(adata.obsm),
            obsp=dict(adata.obsp),
        )
    else:
        known = ", ".join(_list_layers(adata)) or "none"
        raise InputError(f"{source} has no layer '{layer}': it has {known}")
    new.uns.pop("log1p", None)
    return new


def replace_x(adata: AnnData, x: Any) -> AnnData:
    """The same annotation around another ``X`` of the same shape; nothing else is copied."""
    if adata.is_view:
        adata = adata.copy()
    aligned = {name: dict(getattr(adata, name)) for name in _ALIGNED_ATTRIBUTES}
    return _make_anndata(X=x, obs=adata.obs, var=adata.var, uns=dict(adata.uns), **aligned)


def convert_x_to_csr(adata: AnnData, source: str) -> AnnData:
    """The same annotation with ``X`` as CSR float32."""
    return replace_x(adata, to_csr(_require_x(adata, source), source))


def to_csr(x: Any, source: str) -> sparse.csr_matrix:
    """A matrix as CSR float32 in canonical form, sharing no memory with the given one.

    Raises
    ------
    InputError
        It is not a matrix of real numbers.
    """
    matrix: Any = x if sparse.issparse(x) else np.asarray(x)
    if matrix.dtype.kind not in "buif":
        raise InputError(f"{source}: X holds {matrix.dtype} and not numbers")
    counts = sparse.csr_matrix(matrix, dtype=np.float32, copy=True)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    return counts


def to_state(adata: AnnData, batch: np.ndarray | None = None) -> State:
    """What a pipeline starts from: ``X``, the names of its rows and columns, and the batches."""
    kind = sparse.csr_matrix if sparse.issparse(adata.X) else np.asarray
    genes, cells = adata.var_names.to_numpy(str), adata.obs_names.to_numpy(str)
    return State(x=kind(adata.X, dtype=np.float32), genes=genes, cells=cells, batch=batch)


_ALIGNED_ATTRIBUTES = ("layers", "obsm", "varm", "obsp", "varp")


def _make_anndata(**fields: Any) -> AnnData:
    """An AnnData without anndata's warnings about names, which are reported here in words."""
    from anndata import AnnData

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AnnData(**fields)


def _require_x(adata: AnnData, source: str) -> Any:
    """``adata.X``, which an AnnData may lack."""
    if adata.X is None:
        known = ", ".join(_list_layers(adata)) or "its layers, but it has none"
        raise InputError(f"{source} has no X: set layer to one of {known}")
    return adata.X


def _copy_with_x(adata: AnnData, x: sparse.csr_matrix) -> AnnData:
    """A deep copy of all but ``X`` and ``raw``, around a new ``X``."""
    adata = adata.copy() if adata.is_view else adata
    aligned = {name: copy.deepcopy(dict(getattr(adata, name))) for name in _ALIGNED_ATTRIBUTES}
    uns = copy.deepcopy(dict(adata.uns))
    return _make_anndata(X=x, obs=adata.obs.copy(), var=adata.var.copy(), uns=uns, **aligned)


def _list_layers(adata: AnnData) -> list[str]:
    """What ``layer`` may be set to."""
    return [*adata.layers, *(["raw"] if adata.raw is not None else [])]
