"""AnnData in, State out: what a run accepts as input, checked and in one shape."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scgnn.data.anndata_views import _copy_with_x, _list_layers, _require_x, to_csr
from scgnn.data.scale import _detect_scale
from scgnn.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger("scgnn")


def validate(adata: AnnData, source: str) -> AnnData:
    """A new AnnData whose ``X`` holds usable counts; the given one is untouched.

    Repeated names are made unique as anndata does (``A``, ``A-1``), empty cells and genes are
    counted, and values that are not whole numbers or look logarithmic are reported in the log of
    ``scgnn``. ``raw`` is left behind.

    Parameters
    ----------
    adata
        Counts, cells x genes, dense or sparse.
    source
        What to call the data in messages: a file or ``"demo"``.

    Returns
    -------
    AnnData
        ``X`` is CSR float32; ``uns["scgnn_input"]`` records ``source``, ``n_cells``, ``n_genes``,
        ``empty_cells``, ``empty_genes``, ``renamed_cells``, ``renamed_genes`` and ``scale``
        (``counts``, ``not whole`` or ``logarithmic``).

    Raises
    ------
    InputError
        No cells or genes, nothing but zeros, values that are not numbers, not finite, negative or
        centred, or a matrix that is the wrong way round.
    """
    adata = adata.to_memory() if adata.isbacked else adata
    x = to_csr(_require_x(adata, source), source)
    _check_not_empty(x, source)
    _check_orientation(adata.obs_names, adata.var_names, source)
    _check_finite(x, adata, source)
    _check_nonnegative(x, adata, source)
    new = _copy_with_x(adata, x)
    record = {"source": source, "n_cells": x.shape[0], "n_genes": x.shape[1]}
    record |= (
        _make_names_unique(new, source)
        | _count_empty(x, source)
        | {"scale": _detect_scale(x, source)}
    )
    new.uns["scgnn_input"] = record
    if record["scale"] == "counts":
        new.uns.pop("log1p", None)
    return new


def _check_not_empty(x: sparse.csr_matrix, source: str) -> None:
    shape = f"{x.shape[0]:,} cells and {x.shape[1]:,} genes"
    if not min(x.shape):
        raise InputError(f"{source} has {shape}: there is nothing to work on")
    if not x.nnz:
        raise InputError(f"{source} has {shape} and only zeros: there is nothing to work on")


def _check_orientation(cells: Sequence[str], genes: Sequence[str], source: str) -> None:
    from scgnn.data.orientation import guess_orientation

    verdict = guess_orientation(cells, genes)
    if verdict.contradicts("cells_by_genes"):
        raise InputError(f"{source} looks transposed, {verdict.reason}: give it as cells x genes")
    if verdict.orientation == "genes_by_cells":
        log.warning(f"{source} may be transposed: {verdict.reason}")


def _check_finite(x: sparse.csr_matrix, adata: AnnData, source: str) -> None:
    bad = ~np.isfinite(x.data)
    if bad.any():
        first = int(bad.argmax())
        raise InputError(
            f"{source}: {x.data[first]} {_format_location(x, adata, first)} ({bad.sum():,} values are not "
            "finite numbers): replace them or drop those cells"
        )


def _check_nonnegative(x: sparse.csr_matrix, adata: AnnData, source: str) -> None:
    bad = x.data < 0
    if not bad.any():
        return
    first = int(bad.argmax())
    mean, size = (np.ravel(part.mean(axis=0)) for part in (x, abs(x)))
    centred = np.median(abs(mean) / np.maximum(size, 1e-12)) < 0.05
    what = "X is centred or scaled already" if centred else "counts cannot be negative"
    others = [name for name in _list_layers(adata) if name in ("counts", "raw")]
    remedy = f"set layer to '{others[0]}'" if others else "give the raw counts"
    raise InputError(
        f"{source}: {what}, {x.data[first]:g} {_format_location(x, adata, first)} "
        f"({bad.sum():,} negative values): {remedy}"
    )


def _format_location(x: sparse.csr_matrix, adata: AnnData, entry: int) -> str:
    """The cell and the gene of a stored entry, by name."""
    row = int(np.searchsorted(x.indptr, entry, side="right")) - 1
    return f"in cell '{adata.obs_names[row]}', gene '{adata.var_names[x.indices[entry]]}'"


def _make_names_unique(adata: AnnData, source: str) -> dict[str, int]:
    """Give repeated names a number, in place, and say so."""
    from anndata.utils import make_index_unique

    renamed = {}
    for what, frame in (("cells", adata.obs), ("genes", adata.var)):
        repeated = frame.index.duplicated()
        renamed[f"renamed_{what}"] = n = int(repeated.sum())
        if n:
            before = frame.index[repeated][0]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                frame.index = make_index_unique(frame.index)
            example = f"'{before}' is now '{frame.index[repeated][0]}'"
            log.warning(f"{source}: {n:,} repeated names of {what} got a number ({example})")
    return renamed


def _count_empty(x: sparse.csr_matrix, source: str) -> dict[str, int]:
    """Count cells and genes without a single count, and say so."""
    cells = int(np.sum(np.diff(x.indptr) == 0))
    genes = int(x.shape[1] - len(np.unique(x.indices)))
    shape, filled = f"{x.shape[0]:,} cells x {x.shape[1]:,} genes", x.nnz / np.prod(x.shape)
    log.info(f"{source}: {shape}, {filled:.1%} not zero, {cells:,} cells and {genes:,} genes empty")
    return {"empty_cells": cells, "empty_genes": genes}
