"""Structure of sparse matrices, checked before compiled code follows their indices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse

from scgnn.data.anndata_views import copy_slot
from scgnn.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

MAX_DEPTH = 50  # of mappings
_MATRIX_MAPPINGS = ("layers", "obsm", "varm", "obsp", "varp", "uns")


def check_matrices(adata: AnnData, source: str) -> None:
    """Check all sparse matrices of an AnnData, without any operation on them.

    Of a view, those of the AnnData that it selects from are checked.

    Parameters
    ----------
    adata
        Data in memory or backed by a file.
    source
        Name of the data in messages.

    Raises
    ------
    InputError
        If the structure of a matrix is damaged.
    """
    parent = adata._adata_ref if adata.is_view else adata
    for name, matrix in _iter_matrices(parent):
        check_sparse(matrix, f"{source}: {name}")


def check_sparse(matrix: Any, name: str) -> None:
    """Check the structure of a sparse matrix; other matrices pass.

    Parameters
    ----------
    matrix
        Any matrix, or a sparse matrix in a file as opened by anndata.
    name
        Name of the matrix in messages.

    Raises
    ------
    InputError
        If its structure is damaged.
    """
    if hasattr(matrix, "group"):  # in a file
        data, indices, indptr = (matrix.group[key][...] for key in ("data", "indices", "indptr"))
    elif not issparse(matrix):
        return
    elif not isinstance(matrix.data, np.ndarray):
        raise _damage(name, f"its values are of type {type(matrix.data).__name__}")
    elif not matrix.data.dtype.isnative:
        problem = "has values in the byte order of other machines"
        raise InputError(f"{name} {problem}: convert them with data.astype('f4')")
    elif matrix.format == "coo":
        _check_coordinates(matrix, name)
        return
    elif matrix.format in ("csr", "csc"):
        data, indices, indptr = matrix.data, matrix.indices, matrix.indptr
    else:  # anndata accepts no other format, except as annotation that is not followed
        return
    n_major, n_minor = (1, *matrix.shape)[-2:]
    shape = (n_minor, n_major) if matrix.format == "csc" else (n_major, n_minor)
    check_compressed(data, indices, indptr, shape, name)


def check_compressed(
    data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: tuple[int, int], name: str
) -> None:
    """Check the arrays of a CSR or CSC matrix.

    Parameters
    ----------
    data, indices, indptr
        Arrays of the matrix.
    shape
        Rows x columns of a CSR matrix, columns x rows of a CSC matrix.
    name
        Name of the matrix in messages.

    Raises
    ------
    InputError
        If they are not a matrix of this shape.
    """
    if np.shape(data) != np.shape(indices):
        raise _damage(name, f"it has {np.size(data):,} values and {np.size(indices):,} indices")
    check_indptr(indptr, shape[0], np.size(data), name)
    check_indices(indices, shape[1], name)


def check_indptr(indptr: np.ndarray, n_major: int, n_stored: int, name: str) -> None:
    """Check the row offsets of a CSR matrix, or the column offsets of a CSC matrix.

    Parameters
    ----------
    indptr
        Offsets, one more than rows or columns.
    n_major
        Number of rows or columns.
    n_stored
        Number of stored values.
    name
        Name of the matrix in messages.

    Raises
    ------
    InputError
        If they do not start at 0, decrease or do not end at the number of stored values.
    """
    _check_integers(indptr, "indptr", name)
    if len(indptr) != n_major + 1:
        raise _damage(name, f"indptr has {len(indptr):,} entries instead of {n_major + 1:,}")
    if indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
        raise _damage(name, "indptr does not increase from 0")
    if indptr[-1] != n_stored:
        raise _damage(name, f"indptr ends at {indptr[-1]:,}, but {n_stored:,} values are stored")


def check_indices(indices: np.ndarray, n_minor: int, name: str) -> None:
    """Check the indices of stored values.

    Parameters
    ----------
    indices
        Columns of a CSR matrix, or rows of a CSC matrix.
    n_minor
        Number of these columns or rows.
    name
        Name of the matrix in messages.

    Raises
    ------
    InputError
        If one is out of range.
    """
    _check_integers(indices, "indices", name)
    if len(indices) and not (indices.min() >= 0 and indices.max() < n_minor):
        raise _damage(name, f"indices are not all between 0 and {n_minor - 1:,}")


def _check_coordinates(matrix: Any, name: str) -> None:
    """Check the row and column of each value of a COO matrix."""
    coordinates = matrix.coords if hasattr(matrix, "coords") else (matrix.row, matrix.col)
    for n, indices in zip(matrix.shape, coordinates, strict=True):
        if np.shape(indices) != np.shape(matrix.data):
            raise _damage(name, "it does not have a row and a column for each value")
        check_indices(indices, n, name)


def _check_integers(values: np.ndarray, part: str, name: str) -> None:
    if np.ndim(values) != 1 or values.dtype.kind not in "iu":
        raise _damage(name, f"{part} is not a vector of integers")


def _damage(name: str, reason: str) -> InputError:
    return InputError(f"{name} is a damaged sparse matrix, {reason}: copy or export it again")


def _iter_matrices(adata: AnnData) -> Iterator[tuple[str, Any]]:
    """Yield the name and the value of everything in an AnnData that can be a matrix."""
    yield "X", adata.X
    if adata.raw is not None:
        yield "raw/X", adata.raw.X
        yield from _iter_items(adata.raw.varm, "raw/varm")
    for key in _MATRIX_MAPPINGS:
        yield from _iter_items(copy_slot(adata, key), key)


def _iter_items(mapping: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            if prefix.count("/") < MAX_DEPTH:  # a mapping can contain itself
                yield from _iter_items(value, f"{prefix}/{key}")
        else:
            yield f"{prefix}/{key}", value
