"""Expression that autoencoders rebuilt, where it is too large to keep: computed row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from scgnn.components.decoders import Decoder
from scgnn.seeding import use_torch_seed
from scgnn.training import collectives
from scgnn.training.fit import Arrays, from_arrays

if TYPE_CHECKING:
    from torch import nn

MAX_STORED_VALUES = 2**27  # values of a matrix that is kept; half a gigabyte
ROWS_PER_BLOCK = 4096

_decoder_cache: WeakKeyDictionary[LazyReconstruction, dict[int, nn.Module]] = WeakKeyDictionary()


def is_lazy(decoder: Decoder | None, n_cells: int, n_genes: int) -> bool:
    """Whether what a decoder rebuilds is computed when it is asked for, and not kept.

    Only for one whose output is the expression itself; others need the counts of the cells too.
    """
    large = n_cells * n_genes > MAX_STORED_VALUES or collectives.is_distributed()
    return decoder is not None and not decoder.needs_target and large


@dataclass(frozen=True, eq=False)
class LazyReconstruction:
    """Rows of rebuilt expression, computed when they are asked for.

    Parameters
    ----------
    decoder
        Which decoder; it knows its encoder.
    weights
        Of each decoder, named ``NUMBER.name of the weight``.
    embedding
        Cells x d.
    number
        Which decoder rebuilds each cell; [cells].
    n_genes
        Columns.
    imputation_threshold
        Values nearer to zero than this are zero.
    """

    decoder: Decoder
    weights: Arrays
    embedding: np.ndarray
    decoder_index: np.ndarray
    n_genes: int
    imputation_threshold: float | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.embedding), self.n_genes

    def __getitem__(self, cells: Any) -> np.ndarray:
        """Some rows, float32, x all genes."""
        places = np.arange(len(self.embedding))[cells]
        found = np.empty((len(places), self.n_genes), dtype=np.float32)
        for number in np.unique(self.decoder_index[places]):
            own = np.flatnonzero(self.decoder_index[places] == number)
            with torch.no_grad():
                z = torch.from_numpy(self.embedding[places[own]])
                found[own] = self._load_decoder(int(number))(z).numpy()
        if self.imputation_threshold:
            found[np.abs(found) < self.imputation_threshold] = 0
        return found

    def _load_decoder(self, decoder_index: int) -> nn.Module:
        known = _decoder_cache.setdefault(self, {})
        if decoder_index not in known:
            with use_torch_seed(0):
                module = self.decoder.build(self.embedding.shape[1], self.n_genes)
            start = f"{decoder_index}."
            own = {n.removeprefix(start): w for n, w in self.weights.items() if n.startswith(start)}
            from_arrays(module, own)
            known[decoder_index] = module.eval()
        return known[decoder_index]

    def toarray(self) -> np.ndarray:
        """All rows."""
        return np.concatenate(list(iter_blocks(self)))

    def to_dask(self) -> Any:
        """All rows as a dask array, computed and written block by block."""
        from dask import array, delayed

        starts = range(0, self.shape[0], ROWS_PER_BLOCK)
        return array.concatenate(
            [
                array.from_delayed(
                    delayed(self.__getitem__)(slice(start, start + ROWS_PER_BLOCK)),
                    (min(ROWS_PER_BLOCK, self.shape[0] - start), self.n_genes),
                    np.float32,
                )
                for start in starts
            ]
        )


def iter_blocks(matrix: Any) -> Iterator[np.ndarray]:
    """The rows of a matrix, some thousands at a time."""
    for start in range(0, matrix.shape[0], ROWS_PER_BLOCK):
        yield matrix[start : start + ROWS_PER_BLOCK]


def count_zero_columns(matrix: Any) -> int:
    """How many columns are zero in every row."""
    zero = np.ones(matrix.shape[1], dtype=bool)
    for rows in iter_blocks(matrix):
        zero &= (rows == 0).all(0)
    return int(zero.sum())
