"""The two files that hold an AnnData: h5ad and zarr."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scgnn.components.readers.contract import Reader, located, located_file, log, reading
from scgnn.data.anndata_views import with_counts, with_layer
from scgnn.data.hdf5 import Blocks
from scgnn.errors import InputError
from scgnn.field_types import Natural

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
    keep_genes
        For a file larger than memory: read it twice in blocks, and keep only so many genes, those
        whose counts vary most, with ``obs`` and ``var``; 0 reads everything.
    """

    path: str = ""
    layer: str | None = None
    keep_genes: Natural = 0

    def __call__(self) -> AnnData:
        import h5py
        from anndata.io import read_h5ad

        path = located_file(self.path)
        with reading(path, "h5ad"):
            with h5py.File(path) as file:
                if self.keep_genes:
                    return self._in_blocks(file, path)
                dense = ["X"] if isinstance(file.get("X"), h5py.Dataset) else []
            adata = read_h5ad(path, as_sparse=dense)
        return _counts(adata, self.layer, path)

    def shape(self) -> tuple[int, int, int] | None:
        import h5py

        path = located_file(self.path)
        with reading(path, "h5ad"), h5py.File(path) as file:
            x = file.get(place_of(self.layer))
            if isinstance(x, h5py.Dataset):
                (cells, genes), stored = x.shape, x.size
            elif x is None or "shape" not in x.attrs:
                return None  # reading says what is wrong, if anything is
            else:
                (cells, genes), stored = x.attrs["shape"], x["data"].size
            kept = min(self.keep_genes or genes, genes)
            return int(cells), int(kept), int(stored * kept // max(genes, 1))

    def _in_blocks(self, file: Any, path: Path) -> AnnData:
        """The cells with the genes that vary most, the file read block by block."""
        from anndata import AnnData
        from anndata.io import read_elem

        x = Blocks(stored_counts(file, self.layer, path))
        genes = read_elem(file["raw/var" if self.layer == "raw" else "var"])
        kept = x.most_variable(self.keep_genes)
        log.info(f"{path}: keeps {len(kept):,} of {len(genes):,} genes, those that vary most")
        return AnnData(x.columns(kept), obs=read_elem(file["obs"]), var=genes.iloc[kept])


def place_of(layer: str | None) -> str:
    """Where in an h5ad file the counts are."""
    if layer is None:
        return "X"
    return "raw/X" if layer == "raw" else f"layers/{layer}"


def stored_counts(file: Any, layer: str | None, path: Path) -> Any:
    """The counts in an open h5ad file, not read yet.

    Raises
    ------
    InputError
        They are not there; the message lists the layers.
    """
    if place_of(layer) in file:
        return file[place_of(layer)]
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
