"""Block-wise access to matrices in HDF5 files that are larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

ROWS_PER_BLOCK = 8192  # cells, or genes of a CSC matrix


class HDF5Matrix:
    """Matrix in an HDF5 file, cells x genes, read in blocks of cells, or of genes if CSC.

    Parameters
    ----------
    dataset
        An h5py dataset, or a group with a sparse matrix of anndata.
    """

    def __init__(self, dataset: Any) -> None:
        from anndata.io import sparse_dataset

        is_sparse = "indptr" in dataset if hasattr(dataset, "keys") else False
        self.matrix: Any = sparse_dataset(dataset) if is_sparse else dataset
        self.by_genes = getattr(self.matrix, "format", "") == "csc"

    def __iter__(self) -> Iterator[tuple[slice, sparse.csr_matrix | sparse.csc_matrix]]:
        """Yield blocks and their range: cells as CSR, or genes as CSC."""
        for start in range(0, self.matrix.shape[self.by_genes], ROWS_PER_BLOCK):
            block = slice(start, start + ROWS_PER_BLOCK)
            if self.by_genes:
                yield block, sparse.csc_matrix(self.matrix[:, block])
            else:
                yield block, sparse.csr_matrix(self.matrix[block])

    def read_cells(self, cells: slice) -> sparse.csr_matrix:
        """Return a range of cells as float32."""
        if self.by_genes:
            return sparse.csr_matrix(self.matrix[cells], dtype=np.float32)
        starts = range(cells.start, cells.stop, ROWS_PER_BLOCK)
        parts = [self.matrix[start : min(start + ROWS_PER_BLOCK, cells.stop)] for start in starts]
        return sparse.vstack([sparse.csr_matrix(p, dtype=np.float32) for p in parts], format="csr")

    def find_top_variable_genes(self, n_top_genes: int) -> np.ndarray:
        """Return the indices of the genes with the largest variance, in increasing order."""
        n_cells, n_genes = self.matrix.shape
        sums, squares = np.zeros(n_genes), np.zeros(n_genes)
        for block, x in self:
            genes = block if self.by_genes else slice(None)
            values = x.astype(np.float64)
            sums[genes] += np.ravel(values.sum(axis=0))
            squares[genes] += np.ravel(values.multiply(values).sum(axis=0))
        variance = squares - sums * sums / max(n_cells, 1)
        return np.sort(np.argsort(-variance, kind="stable")[:n_top_genes])

    def read_genes(self, genes: np.ndarray) -> sparse.csr_matrix:
        """Return some genes, in increasing order of their indices, as float32."""
        parts = []
        for block, x in self:
            columns = genes
            if self.by_genes:
                columns = genes[(genes >= block.start) & (genes < block.stop)] - block.start
            parts.append(x[:, columns].astype(np.float32))
        stack = sparse.hstack if self.by_genes else sparse.vstack
        return sparse.csr_matrix(stack(parts, format="csr"))
