"""Loom files: HDF5 with genes x cells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scgnn.components.readers.contract import (
    Reader,
    log,
    make_anndata,
    resolve_file,
    translate_read_errors,
)
from scgnn.errors import InputError

if TYPE_CHECKING:
    import h5py
    from anndata import AnnData

CELL_NAME_KEYS = ("CellID", "obs_names", "cell_names", "CellName", "barcode", "barcodes", "cell_id")
GENE_NAME_KEYS = ("Gene", "var_names", "gene_names", "GeneName", "Accession", "gene_id")
VALUES_PER_BLOCK = 16_000_000  # values held dense at a time
CHUNK_SIZE = 64  # loompy stores tiles of 64 x 64


@Reader.register("loom")
@dataclass(frozen=True)
class Loom(Reader):
    """A .loom file, read in blocks of genes.

    Attributes with one value per cell or gene become columns of ``obs`` and ``var``; names come
    from ``CellID`` and ``Gene`` or the usual other words. Only the chosen matrix is read.

    Parameters
    ----------
    path
        The file.
    layer
        The layer that holds the counts, e.g. ``spliced``; null takes the main matrix.
    """

    path: str = ""
    layer: str | None = None

    def __call__(self) -> AnnData:
        import h5py

        path = resolve_file(self.path)
        with translate_read_errors(path, "loom"), h5py.File(path) as file:
            matrix = self._select_matrix(file, path)
            genes, cells = matrix.shape
            obs = _read_attributes(file["col_attrs"], cells, CELL_NAME_KEYS, "cell", path)
            var = _read_attributes(file["row_attrs"], genes, GENE_NAME_KEYS, "gene", path)
            return make_anndata(_read_csr(matrix).T, obs, var)

    def _select_matrix(self, file: h5py.File, path: Path) -> h5py.Dataset:
        layers = file.get("layers", {})
        if self.layer is None:
            return file["matrix"]
        if self.layer not in layers:
            known = ", ".join(layers) or "none"
            raise InputError(f"{path} has no layer '{self.layer}': it has {known}")
        return layers[self.layer]


def _read_csr(matrix: h5py.Dataset) -> sparse.csr_matrix:
    """A dense dataset [genes x cells] as CSR, a block of rows at a time."""
    genes, cells = matrix.shape
    step = max(1, VALUES_PER_BLOCK // max(1, cells) // CHUNK_SIZE) * CHUNK_SIZE
    blocks = [
        sparse.csr_matrix(matrix[start : start + step].astype(np.float32))
        for start in range(0, genes, step)
    ]
    return sparse.vstack(blocks, format="csr") if blocks else sparse.csr_matrix((genes, cells))


def _read_attributes(
    group: h5py.Group, length: int, name_keys: tuple[str, ...], axis: str, path: Path
) -> dict[str, Any]:
    """The columns of one side, with ``names``."""
    columns = {}
    for key, values in group.items():
        if getattr(values, "shape", None) == (length,):
            text = values.dtype.kind in "OS"
            columns[key] = values.asstr(errors="replace")[:] if text else values[:]
    named = next((word for word in name_keys if word in columns), None)
    if named is None:
        log.warning("%s does not name its %ss (%s): they are numbered", path, axis, name_keys[0])
        names = [f"{axis}_{i + 1}" for i in range(length)]
    else:
        names = columns.pop(named).astype(str)
    return {**columns, "names": names}
