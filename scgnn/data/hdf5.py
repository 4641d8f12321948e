"""Block-wise access to matrices in HDF5 files that are larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from scgnn.data.sparse_structure import check_indices, check_indptr
from scgnn.errors import InputError

ROWS_PER_BLOCK = 8192  # cells, or genes of a CSC matrix


class HDF5Matrix:
    """Matrix in an HDF5 file, cells x genes, read in blocks of cells, or of genes if CSC.

    Parameters
    ----------
    dataset
        An h5py dataset, or a group with a sparse matrix of anndata.
    shape
        Number of cells and genes.
    name
        Name of the matrix in messages.

    Raises
    ------
    InputError
        If the matrix has another shape or its structure is damaged.
    """

    def __init__(self, dataset: Any, shape: tuple[int, int], name: str) -> None:
        from anndata.io import sparse_dataset

        self.dataset, self.shape, self.name = dataset, shape, name
        self.is_sparse = "indptr" in dataset if hasattr(dataset, "keys") else False
        matrix: Any = sparse_dataset(dataset) if self.is_sparse else dataset
        self.by_genes = getattr(matrix, "format", "") == "csc"
        if matrix.shape != shape:
            problem = f"has the shape {matrix.shape}, but obs and var have {shape}"
            raise InputError(f"{name} {problem}: export it again")
        if self.is_sparse:
            sizes = [dataset[key].shape for key in ("data", "indices")]
            self.indptr = dataset["indptr"][...]
            check_indptr(self.indptr, shape[self.by_genes], sizes[0][0], name)
            if sizes[0] != sizes[1]:
                problem = f"it has {sizes[0]} values and {sizes[1]} indices"
                raise InputError(f"{name} is a damaged sparse matrix, {problem}: export it again")

    def __iter__(self) -> Iterator[tuple[slice, sparse.csr_matrix | sparse.csc_matrix]]:
        """Yield blocks and their range: cells as CSR, or genes as CSC."""
        yield from self._iter_blocks(slice(0, self.shape[self.by_genes]))

    def _iter_blocks(
        self, part: slice
    ) -> Iterator[tuple[slice, sparse.csr_matrix | sparse.csc_matrix]]:
        for start in range(part.start, part.stop, ROWS_PER_BLOCK):
            block = slice(start, min(start + ROWS_PER_BLOCK, part.stop))
            yield block, self._read_block(block)

    def _read_block(self, block: slice) -> sparse.csr_matrix | sparse.csc_matrix:
        """Return a range of cells as CSR, or of genes as CSC."""
        if not self.is_sparse:
            return sparse.csr_matrix(self.dataset[block])
        indptr = self.indptr[block.start : block.stop + 1]
        stored = slice(int(indptr[0]), int(indptr[-1]))
        data, indices = (self.dataset[key][stored] for key in ("data", "indices"))
        check_indices(indices, self.shape[not self.by_genes], self.name)
        n = block.stop - block.start
        arrays = (data, indices, indptr - indptr[0])
        if self.by_genes:
            return sparse.csc_matrix(arrays, shape=(self.shape[0], n))
        return sparse.csr_matrix(arrays, shape=(n, self.shape[1]))

    def read_cells(self, cells: slice) -> sparse.csr_matrix:
        """Return a range of cells as float32."""
        if self.by_genes:
            parts = [x[cells].astype(np.float32) for _, x in self]
            return sparse.hstack(parts, format="csr")
        parts = [x.astype(np.float32) for _, x in self._iter_blocks(cells)]
        return sparse.vstack(parts, format="csr")

    def find_top_variable_genes(self, n_top_genes: int) -> np.ndarray:
        """Return the indices of the genes with the largest variance, in increasing order."""
        n_cells, n_genes = self.shape
        sums, squares = np.zeros(n_genes), np.zeros(n_genes)
        for block, x in self:
            genes = block if self.by_genes else slice(None)
            values = x.astype(np.float64)
            if not (values.data >= 0).all() or np.isinf(values.data).any():
                problem = "has values that are negative or not finite"
                raise InputError(f"{self.name} {problem}: provide counts")
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
