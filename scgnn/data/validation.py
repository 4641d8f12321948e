"""Validation of input data."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

from scgnn.arguments import is_unicode, shorten
from scgnn.data.anndata_views import replace_x, to_csr
from scgnn.data.layers import MAIN, list_layers
from scgnn.data.orientation import guess_orientation
from scgnn.data.scale import detect_scale
from scgnn.data.sparse_structure import check_matrices
from scgnn.errors import InputError
from scgnn.execution.formatting import format_count
from scgnn.registry.component import format_unknown_name

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger("scgnn")

VALUES_PER_BLOCK = 2**22
MAX_COUNT, MIN_LARGEST_COUNT = 1e35, 1e-30  # float32 holds up to 3e38


def validate(adata: AnnData, source: str) -> AnnData:
    """Return the data with validated counts as ``X``, without ``raw``.

    ``obs`` and ``var`` are copied, the rest is shared.

    Duplicate names are made unique as in anndata (``A``, ``A-1``). Duplicate names, empty cells and
    genes, and values that are not integers or look log-transformed are logged.

    Parameters
    ----------
    adata
        Counts, cells x genes, dense or sparse.
    source
        Name of the data in messages, e.g. a path.

    Returns
    -------
    AnnData
        ``X`` is CSR float32; ``uns["scgnn_input"]`` has ``source``, ``n_cells``, ``n_genes``,
        ``empty_cells``, ``empty_genes``, ``renamed_cells``, ``renamed_genes`` and ``scale``
        (``counts``, ``non_integer`` or ``logarithmic``).

    Raises
    ------
    InputError
        If there are no cells, genes or counts, values are not numeric, not finite, negative or
        centered, a matrix is damaged or transposed, or two columns of ``obs`` have one name.
    """
    check_matrices(adata, source)
    _check_names(adata, source)
    adata = adata.to_memory() if adata.isbacked else adata
    x = to_csr(adata.X, source)
    _check_not_empty(x, source)
    _check_orientation(adata.obs_names, adata.var_names, source)
    _check_finite(x, adata, source)
    _check_nonnegative(x, adata, source)
    _check_range(x, adata, source)
    new = replace_x(adata, x, copy=True)
    new.uns["scgnn_input"] = record = {
        "source": source,
        "n_cells": x.shape[0],
        "n_genes": x.shape[1],
        **_make_names_unique(new, source),
        **_count_empty(x, source),
        "scale": detect_scale(x, source),
    }
    if record["scale"] == "counts":
        new.uns.pop("log1p", None)
    return new


def format_unknown_column(column: str, columns: Iterable[object]) -> str:
    """Return the message for a column that ``obs`` does not have."""
    return f"{format_unknown_name('column', column, list(map(str, columns)))} (columns of obs)"


def _check_names(adata: AnnData, source: str) -> None:
    """Check that cells and genes have names that every file can hold, and columns one each."""
    for axis, table in (("cell", adata.obs), ("gene", adata.var)):
        if n_missing := int(table.index.isna().sum()):
            raise InputError(f"{source}: {n_missing:,} {axis} names are missing: name all {axis}s")
        for name in map(str, table.index):
            if "\0" in name or not is_unicode(name):
                problem = f"the {axis} name {shorten(repr(name))} has a null or invalid character"
                raise InputError(f"{source}: {problem}: rename it")
        if not table.columns.is_unique:
            repeated = table.columns[table.columns.duplicated()][0]
            frame = "obs" if axis == "cell" else "var"
            raise InputError(f"{source}: {frame} has two columns '{repeated}': rename one of them")


def _check_not_empty(x: csr_matrix, source: str) -> None:
    shape = f"{x.shape[0]:,} cells and {x.shape[1]:,} genes"
    if not min(x.shape):
        raise InputError(f"{source} has {shape}: at least one of each is required")
    if not x.nnz:
        raise InputError(f"{source} has {shape} and only zeros: at least one count is required")


def _check_orientation(cells: Sequence[str], genes: Sequence[str], source: str) -> None:
    guess = guess_orientation(cells, genes)
    if guess.contradicts("cells_by_genes"):
        raise InputError(f"{source} looks transposed, {guess.reason}: provide cells x genes")
    if guess.orientation == "genes_by_cells":
        log.warning(f"{source} may be transposed: {guess.reason}")


def _check_range(x: csr_matrix, adata: AnnData, source: str) -> None:
    largest = x.data.max()
    if largest > MAX_COUNT or largest < MIN_LARGEST_COUNT:
        problem = f"the largest value is {_format_first(x, adata, x.data == largest)}"
        raise InputError(f"{source}: {problem}, far from any count: choose another matrix")


def _check_finite(x: csr_matrix, adata: AnnData, source: str) -> None:
    bad = ~np.isfinite(x.data)
    if bad.any():
        n_bad = format_count(int(bad.sum()), "value")
        problem = f"{_format_first(x, adata, bad)} ({n_bad} not finite)"
        raise InputError(f"{source}: {problem}: replace them or drop these cells")


def _check_nonnegative(x: csr_matrix, adata: AnnData, source: str) -> None:
    bad = x.data < 0
    if not bad.any():
        return
    mean, mean_size = (np.ravel(part.mean(axis=0)) for part in (x, abs(x)))
    is_centered = np.median(abs(mean) / np.maximum(mean_size, 1e-12)) < 0.05
    problem = "X is already centered or scaled" if is_centered else "counts cannot be negative"
    layers = [name for name in list_layers(adata) if name != MAIN]
    fix = "provide raw counts"
    fix = f"set data.layer to one of {', '.join(layers)}, or {fix}" if layers else fix
    problem = f"{problem}, {_format_first(x, adata, bad)}"
    raise InputError(f"{source}: {problem} ({bad.sum():,} negative values): {fix}")


def _format_first(x: csr_matrix, adata: AnnData, mask: np.ndarray) -> str:
    """Return the first stored value of a mask with the names of its cell and gene."""
    i = int(mask.argmax())
    row = int(np.searchsorted(x.indptr, i, side="right")) - 1
    cell, gene = adata.obs_names[row], adata.var_names[x.indices[i]]
    return f"{x.data[i]:g} in cell '{cell}', gene '{gene}'"


def _make_names_unique(adata: AnnData, source: str) -> dict[str, int]:
    """Make names unique in place, log an example, and return the number of renamed ones."""
    from anndata.utils import make_index_unique

    renamed = {}
    for axis, frame in (("cell", adata.obs), ("gene", adata.var)):
        duplicated = frame.index.duplicated()
        renamed[f"renamed_{axis}s"] = n = int(duplicated.sum())
        if n:
            before = frame.index[duplicated][0]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                frame.index = make_index_unique(frame.index)
            example = f"'{before}' is now '{frame.index[duplicated][0]}'"
            log.warning(f"{source}: {n:,} duplicate {axis} names were made unique ({example})")
    return renamed


def _count_empty(x: csr_matrix, source: str) -> dict[str, int]:
    """Log and return the number of cells and genes without counts."""
    cells = int(np.sum(np.diff(x.indptr) == 0))
    is_empty = np.ones(x.shape[1], dtype=bool)
    for start in range(0, x.nnz, VALUES_PER_BLOCK):  # in little memory
        is_empty[x.indices[start : start + VALUES_PER_BLOCK]] = False
    genes = int(is_empty.sum())
    shape, density = f"{x.shape[0]:,} cells x {x.shape[1]:,} genes", x.nnz / np.prod(x.shape)
    empty = f"{format_count(cells, 'cell')} and {format_count(genes, 'gene')} empty"
    log.info(f"{source}: {shape}, {density:.1%} non-zero, {empty}")
    return {"empty_cells": cells, "empty_genes": genes}
