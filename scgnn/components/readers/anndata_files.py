"""The two files that hold an AnnData: h5ad and zarr."""

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
from scgnn.data.anndata_views import convert_x_to_csr, select_layer
from scgnn.data.hdf5 import HDF5Matrix
from scgnn.errors import InputError
from scgnn.field_types import PositiveInt

if TYPE_CHECKING:
    from anndata import AnnData


@Reader.register("h5ad")
@dataclass(frozen=True)
class H5AD(Reader):
    """An AnnData in an .h5ad file.

    A dense ``X`` is read in blocks of cells and kept sparse.

    Parameters
    ----------
    path
        The file.
    layer
        The layer that holds the counts, or ``raw`` for ``adata.raw``; null takes ``X``.
    n_top_genes
        For a file larger than memory: read it twice in blocks, and keep only so many genes, those
        whose counts vary most, with ``obs`` and ``var``; null reads everything.
    """

    path: str = ""
    layer: str | None = None
    n_top_genes: PositiveInt | None = None

    def __call__(self) -> AnnData:
        import h5py
        from anndata.io import read_h5ad

        path = resolve_file(self.path)
        with translate_read_errors(path, "h5ad"):
            with h5py.File(path) as file:
                if self.n_top_genes:
                    return self._read_in_blocks(file, path)
                dense = ["X"] if isinstance(file.get("X"), h5py.Dataset) else []
            adata = read_h5ad(path, as_sparse=dense)
        return _select_counts(adata, self.layer, path)

    def peek_shape(self) -> tuple[int, int, int] | None:
        import h5py

        path = resolve_file(self.path)
        with translate_read_errors(path, "h5ad"), h5py.File(path) as file:
            x = file.get(get_counts_key(self.layer))
            if isinstance(x, h5py.Dataset):
                (cells, genes), stored = x.shape, x.size
            elif x is None or "shape" not in x.attrs:
                return None  # reading says what is wrong, if anything is
            else:
                (cells, genes), stored = x.attrs["shape"], x["data"].size
            kept = min(self.n_top_genes or genes, genes)
            return int(cells), int(kept), int(stored * kept // max(genes, 1))

    def _read_in_blocks(self, file: Any, path: Path) -> AnnData:
        """The cells with the genes that vary most, the file read block by block."""
        from anndata import AnnData
        from anndata.io import read_elem

        assert self.n_top_genes is not None
        x = HDF5Matrix(open_counts(file, self.layer, path))
        genes = read_elem(file["raw/var" if self.layer == "raw" else "var"])
        kept = x.find_top_variable_genes(self.n_top_genes)
        log.info(f"{path}: keeps {len(kept):,} of {len(genes):,} genes, those that vary most")
        return AnnData(x.read_genes(kept), obs=read_elem(file["obs"]), var=genes.iloc[kept])


def get_counts_key(layer: str | None) -> str:
    """Where in an h5ad file the counts are."""
    if layer is None:
        return "X"
    return "raw/X" if layer == "raw" else f"layers/{layer}"


def open_counts(file: Any, layer: str | None, path: Path) -> Any:
    """The counts in an open h5ad file, not read yet.

    Raises
    ------
    InputError
        They are not there; the message lists the layers.
    """
    if get_counts_key(layer) in file:
        return file[get_counts_key(layer)]
    known = ", ".join([*file.get("layers", ()), *(["raw"] if "raw" in file else [])]) or "none"
    what = "X: set layer to one of" if layer is None else f"layer '{layer}': it has"
    raise InputError(f"{path} has no {what} {known}")


@Reader.register("zarr")
@dataclass(frozen=True)
class Zarr(Reader):
    """An AnnData in a .zarr folder.

    Parameters
    ----------
    path
        The folder.
    layer
        The layer that holds the counts, or ``raw`` for ``adata.raw``; null takes ``X``.
    """

    path: str = ""
    layer: str | None = None

    def __call__(self) -> AnnData:
        from anndata.io import read_zarr

        path = resolve_path(self.path)
        if not path.is_dir():
            raise InputError(f"{path} is a file, and a zarr store is a folder")
        with translate_read_errors(path, "an AnnData in zarr"):
            adata = read_zarr(path)
        return _select_counts(adata, self.layer, path)


def _select_counts(adata: AnnData, layer: str | None, path: Path) -> AnnData:
    """The chosen counts as CSR float32."""
    chosen = adata if layer is None else select_layer(adata, layer, source=str(path))
    return convert_x_to_csr(chosen, source=str(path))
