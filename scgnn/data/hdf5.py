"""A matrix in an HDF5 file that is larger than memory, read block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

ROWS_PER_BLOCK = 8192  # cells, or genes, that are read at one time


class HDF5Matrix:
    """A matrix in an HDF5 file, cells x genes, of which some thousand rows are read at a time.

    One that is stored by genes is read by genes.

    Parameters
    ----------
    stored
        A dataset, or a group with a sparse matrix.
    """

    def __init__(self, dataset: Any) -> None:
        from anndata.io import sparse_dataset

        is_sparse = "indptr" in dataset if hasattr(dataset, "keys") else False
        self.matrix: Any = sparse_dataset(dataset) if is_sparse else dataset
        self.by_genes = getattr(self.matrix, "format", "") == "csc"

    def __iter__(self) -> Iterator[tuple[slice, sparse.csr_matrix | sparse.csc_matrix]]:
        """Blocks of cells, CSR, or of genes, CSC, and which of them."""
        for start in range(0, self.matrix.shape[self.by_genes], ROWS_PER_BLOCK):
            some = slice(start, start + ROWS_PER_BLOCK)
            if self.by_genes:
                yield some, sparse.csc_matrix(self.matrix[:, some])
            else:
                yield some, sparse.csr_matrix(self.matrix[some])

    def read_cells(self, cells: slice) -> sparse.csr_matrix:
        """Some cells, float32; a dense matrix block by block."""
        if self.by_genes:
            return sparse.csr_matrix(self.matrix[cells], dtype=np.float32)
        starts = range(cells.start, cells.stop, ROWS_PER_BLOCK)
        parts = [self.matrix[start : min(start + ROWS_PER_BLOCK, cells.stop)] for start in starts]
        return sparse.vstack([sparse.csr_matrix(p, dtype=np.float32) for p in parts], format="csr")

    def find_top_variable_genes(self, n_top_genes: int) -> np.ndarray:
        """The genes with the largest variance over the cells, in the order of the file."""
        cells, genes = self.matrix.shape
        sums, squares = np.zeros(genes), np.zeros(genes)
        for some, block in self:
            own = some if self.by_genes else slice(None)
            values = block.astype(np.float64)
            sums[own] += np.ravel(values.sum(axis=0))
            squares[own] += np.ravel(values.multiply(values).sum(axis=0))
        variance = squares - sums * sums / max(cells, 1)
        return np.sort(np.argsort(-variance, kind="stable")[:n_top_genes])

    def read_genes(self, genes: np.ndarray) -> sparse.csr_matrix:
        """Some genes of all cells, float32."""
        parts = []
        for some, block in self:
            own = genes
            if self.by_genes:
                own = genes[(genes >= some.start) & (genes < some.stop)] - some.start
            parts.append(block[:, own].astype(np.float32))
        stack = sparse.hstack if self.by_genes else sparse.vstack
        return sparse.csr_matrix(stack(parts, format="csr"))
