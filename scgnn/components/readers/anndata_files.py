"""The two files that hold an AnnData: h5ad and zarr."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn.components.readers.contract import Reader, located, located_file, reading
from scgnn.data import with_counts, with_layer
from scgnn.errors import InputError

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
    """

    path: str = ""
    layer: str | None = None

    def __call__(self) -> AnnData:
        import h5py
        from anndata.io import read_h5ad

        path = located_file(self.path)
        with reading(path, "h5ad"):
            with h5py.File(path) as file:
                dense = ["X"] if isinstance(file.get("X"), h5py.Dataset) else []
            adata = read_h5ad(path, as_sparse=dense)
        return _counts(adata, self.layer, path)

    def shape(self) -> tuple[int, int, int] | None:
        import h5py

        path = located_file(self.path)
        with reading(path, "h5ad"), h5py.File(path) as file:
            x = file[
                "raw/X" if self.layer == "raw" else f"layers/{self.layer}" if self.layer else "X"
            ]
            if isinstance(x, h5py.Dataset):
                return int(x.shape[0]), int(x.shape[1]), int(x.size)
            cells, genes = x.attrs["shape"]
            return int(cells), int(genes), int(x["data"].size)


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

        path = located(self.path)
        if not path.is_dir():
            raise InputError(f"{path} is a file, and a zarr store is a folder")
        with reading(path, "an AnnData in zarr"):
            adata = read_zarr(path)
        return _counts(adata, self.layer, path)


def _counts(adata: AnnData, layer: str | None, path: Path) -> AnnData:
    """The chosen counts as CSR float32."""
    chosen = adata if layer is None else with_layer(adata, layer, source=str(path))
    return with_counts(chosen, source=str(path))
