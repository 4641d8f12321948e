"""The cells of one process of several: a block of rows, read without the rest from an h5ad file."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scgnn.components.readers.anndata_files import H5AD, stored_counts
from scgnn.components.readers.contract import Reader, located_file, reading
from scgnn.data.anndata_views import with_layer
from scgnn.data.hdf5 import Blocks
from scgnn.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Part(Reader):
    """The cells of process ``number`` of ``of``, in the order of the file; repeated names numbered.

    An .h5ad file is read for these cells alone, apart from the names and columns of all; of others
    everything is read and the rest dropped.

    Parameters
    ----------
    whole
        Reads all cells.
    number, of
        Which process, from 0, of how many.
    layer
        The layer that holds the counts, or ``raw``; null takes what ``whole`` gives.
    """

    whole: Reader
    number: int
    of: int
    layer: str | None = None

    @property
    def path(self) -> str:
        """What the data are called in messages."""
        source = getattr(self.whole, "path", "") or self.whole.name
        return f"{source} (part {self.number + 1} of {self.of})"

    def __call__(self) -> AnnData:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # repeated names are numbered here
            if isinstance(self.whole, H5AD):
                return self._of_h5ad(self.whole)
            adata = self.whole()
            adata = adata if self.layer is None else with_layer(adata, self.layer)
            adata.obs_names_make_unique()
            return adata[self._cells(adata.n_obs)].copy()

    def _cells(self, n: int) -> slice:
        if n < self.of:
            raise InputError(
                f"the data have {n} cells, and there are {self.of} processes: use fewer"
            )
        return slice(n * self.number // self.of, n * (self.number + 1) // self.of)

    def _of_h5ad(self, whole: H5AD) -> AnnData:
        import h5py
        from anndata import AnnData
        from anndata.io import read_elem
        from anndata.utils import make_index_unique

        path, layer = located_file(whole.path), self.layer or whole.layer
        with reading(path, "h5ad"), h5py.File(path) as file:
            x = Blocks(stored_counts(file, layer, path))
            obs = read_elem(file["obs"])
            obs.index = make_index_unique(obs.index)
            cells = self._cells(len(obs))
            var = read_elem(file["raw/var" if layer == "raw" else "var"])
            return AnnData(x.rows(cells), obs=obs[cells], var=var)
