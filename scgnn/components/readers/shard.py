"""Reader of the cells of one process of a distributed run."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scgnn.components.readers.anndata_files import H5AD, open_counts
from scgnn.components.readers.contract import Reader, resolve_file, translate_read_errors
from scgnn.data.containers import open_hdf5
from scgnn.data.layers import AUTO, select_counts
from scgnn.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class ShardReader(Reader):
    """One of ``world_size`` contiguous parts of the cells, in the order of the file.

    Of an .h5ad file, only the counts of these cells are read; other files are read completely.
    Repeated names of cells are made unique among all cells.

    Parameters
    ----------
    reader
        Reader of all cells.
    rank
        Number of the part, from 0.
    world_size
        Number of parts.
    layer
        ``X``, ``raw``, the name of a layer, or ``auto``, as ``data.layer`` of a recipe.
    """

    reader: Reader
    rank: int
    world_size: int
    layer: str = AUTO

    @property
    def path(self) -> str:
        """Name of the data in messages."""
        source = getattr(self.reader, "path", "") or self.reader.name
        return f"{source} (part {self.rank + 1} of {self.world_size})"

    def __call__(self) -> AnnData:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of repeated names
            if isinstance(self.reader, H5AD):
                return self._read_h5ad(self.reader)
            adata = select_counts(*self.reader.read_counts(self.layer))
            adata.obs_names_make_unique()
            return adata[self._shard_slice(adata.n_obs)].copy()

    def _shard_slice(self, n: int) -> slice:
        if n < self.world_size:
            problem = f"cannot be divided among {self.world_size} processes: use fewer"
            raise InputError(f"{n} cells {problem}")
        return slice(n * self.rank // self.world_size, n * (self.rank + 1) // self.world_size)

    def _read_h5ad(self, reader: H5AD) -> AnnData:
        from anndata import AnnData
        from anndata.utils import make_index_unique

        path = resolve_file(reader.path)
        with translate_read_errors(path, "h5ad"), open_hdf5(path) as file:
            x, obs, var = open_counts(file, self.layer, path)
            obs.index = make_index_unique(obs.index)
            cells = self._shard_slice(len(obs))
            return AnnData(x.read_cells(cells), obs=obs[cells], var=var)
