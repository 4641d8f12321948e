"""Readers of AnnData files: h5ad and zarr."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scgnn.components.readers.contract import (
    Reader,
    log,
    resolve_file,
    resolve_path,
    translate_read_errors,
)
from scgnn.data.anndata_views import replace_x, require_x, select_layer, to_csr
from scgnn.data.containers import check_zarr, open_hdf5
from scgnn.data.hdf5 import HDF5Matrix
from scgnn.data.sparse_structure import check_matrices
from scgnn.errors import InputError
from scgnn.field_types import PositiveInt

if TYPE_CHECKING:
    from anndata import AnnData


@Reader.register("h5ad")
@dataclass(frozen=True)
class H5AD(Reader):
    """AnnData in an .h5ad file.

    Parameters
    ----------
    path
        Path of the file.
    layer
        Layer with the counts, or ``raw`` for ``adata.raw``; null is ``X``.
    n_top_genes
        For files larger than memory: number of genes with the largest variance of the counts, which
        are read in blocks with ``obs`` and ``var``; null reads everything.
    """

    path: str = ""
    layer: str | None = None
    n_top_genes: PositiveInt | None = None

    def __call__(self) -> AnnData:
        import h5py
        from anndata.io import read_h5ad

        path = resolve_file(self.path)
        with translate_read_errors(path, "h5ad"):
            with open_hdf5(path) as file:
                if self.n_top_genes:
                    return self._read_top_genes(file, path, self.n_top_genes)
                dense = ["X"] if isinstance(file.get("X"), h5py.Dataset) else []
            adata = read_h5ad(path, as_sparse=dense)
        return _select_counts(adata, self.layer, path)

    def peek_shape(self) -> tuple[int, int, int] | None:
        import h5py

        path = resolve_file(self.path)
        with translate_read_errors(path, "h5ad"), open_hdf5(path) as file:
            x = file.get(get_counts_key(self.layer))
            if isinstance(x, h5py.Dataset):
                (n_cells, n_genes), n_stored = x.shape, x.size
            elif x is None or "shape" not in x.attrs:
                return None  # reading reports what is wrong
            else:
                (n_cells, n_genes), n_stored = x.attrs["shape"], x["data"].size
            n_kept = min(self.n_top_genes or n_genes, n_genes)
            return int(n_cells), int(n_kept), int(n_stored * n_kept // max(n_genes, 1))

    def _read_top_genes(self, file: Any, path: Path, n_top_genes: int) -> AnnData:
        from anndata import AnnData

        x, obs, var = open_counts(file, self.layer, path)
        genes = x.find_top_variable_genes(n_top_genes)
        log.info(f"{path}: keeping the {len(genes):,} most variable of {len(var):,} genes")
        return AnnData(x.read_genes(genes), obs=obs, var=var.iloc[genes])


def get_counts_key(layer: str | None) -> str:
    """Return the key of the counts in an h5ad file."""
    if layer is None:
        return "X"
    return "raw/X" if layer == "raw" else f"layers/{layer}"


def open_counts(file: Any, layer: str | None, path: Path) -> tuple[HDF5Matrix, Any, Any]:
    """Return the counts in an open h5ad file, which are not read yet, with ``obs`` and ``var``.

    Raises
    ------
    InputError
        If there is no such layer, or its structure is damaged.
    """
    from anndata.io import read_elem

    if get_counts_key(layer) in file:
        x, var = file[get_counts_key(layer)], file["raw/var" if layer == "raw" else "var"]
        obs, var = read_elem(file["obs"]), read_elem(var)
        name = f"{path}: {get_counts_key(layer)}"
        return HDF5Matrix(x, (len(obs), len(var)), name), obs, var
    available = ", ".join([*file.get("layers", ()), *(["raw"] if "raw" in file else [])]) or "none"
    problem = "X: set layer to one of" if layer is None else f"layer '{layer}': it has"
    raise InputError(f"{path} has no {problem} {available}")


@Reader.register("zarr")
@dataclass(frozen=True)
class Zarr(Reader):
    """AnnData in a .zarr folder.

    Parameters
    ----------
    path
        Path of the folder.
    layer
        Layer with the counts, or ``raw`` for ``adata.raw``; null is ``X``.
    """

    path: str = ""
    layer: str | None = None

    def __call__(self) -> AnnData:
        from anndata.io import read_zarr

        path = resolve_path(self.path)
        if not path.is_dir():
            raise InputError(f"{path} is a file, but a zarr store is a folder")
        with translate_read_errors(path, "an AnnData in zarr"):
            check_zarr(path)
            adata = read_zarr(path)
        return _select_counts(adata, self.layer, path)


def _select_counts(adata: AnnData, layer: str | None, path: Path) -> AnnData:
    """Return the AnnData with the counts of a layer as ``X``, CSR float32."""
    check_matrices(adata, str(path))  # also raw, which is dropped
    adata = adata if layer is None else select_layer(adata, layer, source=str(path))
    return replace_x(adata, to_csr(require_x(adata, str(path)), str(path)))
