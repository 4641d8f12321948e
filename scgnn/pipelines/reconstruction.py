"""Reconstructed expression that is too large to store: computed from the embedding when read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from scgnn.components.decoders import Decoder
from scgnn.execution.hardware import is_device_available
from scgnn.seeding import use_torch_seed
from scgnn.training.collectives import communicator
from scgnn.training.fit import Arrays, from_arrays

if TYPE_CHECKING:
    from torch import nn

MAX_STORED_VALUES = 2**27  # of a reconstruction; half a gigabyte
ROWS_PER_BLOCK = 4096

_decoder_cache: WeakKeyDictionary[LazyReconstruction, dict[int, nn.Module]] = WeakKeyDictionary()


def is_lazy(decoder: Decoder | None, n_cells: int, n_genes: int) -> bool:
    """Return whether a reconstruction is computed when it is read, and not stored."""
    large = n_cells * n_genes > MAX_STORED_VALUES or communicator().world_size > 1
    return decoder is not None and not decoder.needs_target and large


@dataclass(frozen=True, eq=False)
class LazyReconstruction:
    """Reconstructed expression, cells x genes, whose rows are computed when they are read.

    Parameters
    ----------
    decoder
        The decoder, mirrored.
    weights
        Weights of one or several decoders, named ``INDEX.NAME``.
    embedding
        Cells x width.
    decoder_index
        The decoder of each cell.
    n_genes
        Number of columns.
    imputation_threshold
        Values whose magnitude is below it are set to zero; None keeps all.
    device
        Device that computes the rows, where it is available; otherwise the CPU does.
    """

    decoder: Decoder
    weights: Arrays
    embedding: np.ndarray
    decoder_index: np.ndarray
    n_genes: int
    imputation_threshold: float | None = None
    device: str = "cpu"

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.embedding), self.n_genes

    def __getitem__(self, cells: Any) -> np.ndarray:
        """Return rows, cells x genes, float32."""
        embedding, decoder_index = self.embedding[cells], self.decoder_index[cells]
        rows = np.empty((len(embedding), self.n_genes), dtype=np.float32)
        device = self.device if is_device_available(self.device) else "cpu"
        for index in np.unique(decoder_index):
            mask = decoder_index == index
            with torch.no_grad():
                z = torch.from_numpy(embedding[mask]).to(device)
                output = self._load_decoder(int(index)).to(device)(z)
                rows[mask] = self.decoder.reconstruct(output, None).cpu().numpy()
        if self.imputation_threshold:
            rows[np.abs(rows) < self.imputation_threshold] = 0
        return rows

    def _load_decoder(self, index: int) -> nn.Module:
        modules = _decoder_cache.setdefault(self, {})
        if index not in modules:
            with use_torch_seed(0):
                module = self.decoder.build(self.embedding.shape[1], self.n_genes)
            prefix = f"{index}."
            names = [name for name in self.weights if name.startswith(prefix)]
            from_arrays(module, {n.removeprefix(prefix): self.weights[n] for n in names})
            modules[index] = module.eval()
        return modules[index]

    def toarray(self) -> np.ndarray:
        """Return all rows."""
        return np.concatenate(list(iter_blocks(self)))

    def to_dask(self) -> Any:
        """Return all rows as a dask array, with one chunk for each block of rows."""
        from dask import array, delayed

        blocks = []
        for start in range(0, self.shape[0], ROWS_PER_BLOCK):
            stop = min(start + ROWS_PER_BLOCK, self.shape[0])
            rows = delayed(self.__getitem__)(slice(start, stop))
            blocks.append(array.from_delayed(rows, (stop - start, self.n_genes), np.float32))
        return array.concatenate(blocks)


def iter_blocks(matrix: Any) -> Iterator[np.ndarray]:
    """Yield the rows of a matrix in blocks."""
    for start in range(0, matrix.shape[0], ROWS_PER_BLOCK):
        yield matrix[start : start + ROWS_PER_BLOCK]


def count_zero_columns(matrix: Any) -> int:
    """Return the number of columns that are zero in every row."""
    zero = np.ones(matrix.shape[1], dtype=bool)
    for rows in iter_blocks(matrix):
        zero &= (rows == 0).all(0)
    return int(zero.sum())
