"""Reader of loom files: HDF5 with genes x cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix, vstack

from scgnn.components.readers.contract import (
    Contents,
    Reader,
    log,
    make_anndata,
    resolve_file,
    translate_read_errors,
)
from scgnn.data.containers import open_hdf5
from scgnn.data.layers import MAIN
from scgnn.errors import InputError

if TYPE_CHECKING:
    import h5py
    from anndata import AnnData

CELL_NAME_KEYS = (
    *("CellID", "obs_names", "cell_names", "CellName", "barcode", "barcodes", "cell_id"),
    *("Cell", "cell", "Barcode"),
)
GENE_NAME_KEYS = ("Gene", "var_names", "gene_names", "GeneName", "Accession", "gene_id")
VALUES_PER_BLOCK = 16_000_000
CHUNK_SIZE = 64  # of loompy, in both directions


@Reader.register("loom")
@dataclass(frozen=True)
class Loom(Reader):
    """Loom file, read in blocks of genes.

    Attributes with one value per cell or gene become columns of ``obs`` and ``var``; names are read
    from ``CellID`` and ``Gene`` or common alternatives.

    Parameters
    ----------
    path
        Path of the file.
    """

    path: str = ""

    def __call__(self) -> AnnData:
        path = resolve_file(self.path)
        with translate_read_errors(path, "loom"), open_hdf5(path) as file:
            matrix = file["matrix"]
            n_genes, n_cells = matrix.shape
            cells, obs = _read_attributes(file["col_attrs"], n_cells, CELL_NAME_KEYS, "cell", path)
            genes, var = _read_attributes(file["row_attrs"], n_genes, GENE_NAME_KEYS, "gene", path)
            adata = make_anndata(_read_csr(matrix).T, cells, genes, obs, var)
            for name, layer in file.get("layers", {}).items():
                adata.layers[name] = _read_csr(layer).T.tocsr()
            return adata

    def peek_contents(self) -> Contents:
        path = resolve_file(self.path)
        with translate_read_errors(path, "loom"), open_hdf5(path) as file:
            columns = _list_columns(file["col_attrs"], file["matrix"].shape[1])
            names = next((key for key in CELL_NAME_KEYS if key in columns), None)
            layers = [MAIN, *file.get("layers", ())]
            return Contents([column for column in columns if column != names], layers)


def _list_columns(group: h5py.Group, length: int) -> list[str]:
    """Return the names of the attributes with one value that can be read for each cell or gene."""
    shapes = ((length,), (length, 1))
    columns = ((k, values) for k, values in group.items() if getattr(values, "shape", 0) in shapes)
    return [k for k, x in columns if x.dtype.kind in "Sbiuf" or "vlen" in (x.dtype.metadata or {})]


def _read_csr(matrix: h5py.Dataset) -> csr_matrix:
    """Return a dense dataset, genes x cells, as CSR, read in blocks of genes."""
    n_genes, n_cells = matrix.shape
    step = max(1, VALUES_PER_BLOCK // max(1, n_cells) // CHUNK_SIZE) * CHUNK_SIZE
    starts = range(0, n_genes, step)
    blocks = [csr_matrix(matrix[start : start + step].astype(np.float32)) for start in starts]
    return vstack(blocks, format="csr") if blocks else csr_matrix((n_genes, n_cells))


def _read_attributes(
    group: h5py.Group, length: int, name_keys: tuple[str, ...], axis: str, path: Path
) -> tuple[Sequence[str], dict[str, Any]]:
    """Return the names and the annotation of one axis."""
    columns, unread = {}, []
    for key, values in group.items():
        shape = getattr(values, "shape", None)
        try:
            if shape in ((length,), (length, 1)):
                columns[key] = _read_column(values).reshape(length)
            else:
                unread.append(key)
        except (TypeError, ValueError, OSError, RuntimeError):  # what HDF5 can hold and pandas not
            unread.append(key)
    if unread:
        names = ", ".join(unread)
        log.warning(f"{path}: {axis} attributes that are not one value each are left out: {names}")
    name_key = next((key for key in name_keys if key in columns), None)
    if name_key is None and (unusable := [key for key in name_keys if key in unread]):
        n_names = np.shape(group[unusable[0]])
        problem = f"the {axis} names in '{unusable[0]}' have the shape {n_names}"
        raise InputError(f"{path}: {problem}, but there are {length:,} {axis}s: write it again")
    if name_key is None:
        log.warning(f"{path} has no {axis} names ({name_keys[0]}), using {axis}_1, {axis}_2, …")
        return [f"{axis}_{i + 1}" for i in range(length)], columns
    return columns.pop(name_key).astype(str).tolist(), columns


def _read_column(values: h5py.Dataset) -> np.ndarray:
    """Return the values of an attribute, as text, numbers or true and false."""
    kind = values.dtype.kind
    if kind == "S" or "vlen" in (values.dtype.metadata or {}):
        return np.asarray(values.asstr(errors="replace")[:], dtype=object)
    if kind not in "biuf":
        raise TypeError(f"values of type {values.dtype}")
    return np.asarray(values[:])
