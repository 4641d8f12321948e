"""Sorted log expression of many genes, with the number of cells that hold each value."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class SortedExpression:
    """Sorted log expression, gene after gene; cells without expression are only counted.

    Parameters
    ----------
    value
        Log expression, ascending within each gene; [all values].
    count
        Number of cells that hold each value; [all values].
    indptr
        Offset of each gene's first value; [genes + 1].
    n_cells
        Number of cells, including those that do not express a gene.
    """

    value: FloatArray
    count: FloatArray
    indptr: IntArray
    n_cells: int

    @classmethod
    def from_genes(
        cls, genes: Iterable[tuple[np.ndarray, np.ndarray]], n_cells: int
    ) -> SortedExpression:
        """Concatenate the sorted values and the counts of each gene."""
        values, counts = zip((np.empty(0), np.empty(0)), *genes, strict=True)
        indptr = np.cumsum([len(value) for value in values])
        return cls(np.concatenate(values), np.concatenate(counts), indptr, n_cells)

    @property
    def n_genes(self) -> int:
        return len(self.indptr) - 1

    @property
    def n_expressed(self) -> IntArray:
        """Number of cells that express each gene."""
        return self.sum_by_gene(self.count)

    def get_gene(self, g: int) -> tuple[FloatArray, FloatArray]:
        """Return the values of a gene and their counts."""
        index = slice(self.indptr[g], self.indptr[g + 1])
        return self.value[index], self.count[index]

    def repeat(self, per_gene: FloatArray) -> FloatArray:
        """Repeat a number of each gene for all its values."""
        return np.repeat(per_gene, np.diff(self.indptr))

    def sum_by_gene(self, per_value: np.ndarray) -> IntArray:
        """Sum whole numbers over the values of each gene."""
        total = np.concatenate([[0], np.cumsum(per_value)])
        return np.diff(total[self.indptr]).astype(np.int64)

    def compute_minimum(self) -> FloatArray:
        """Return the smallest value of each gene, inf where no cell expresses it."""
        minimum = np.full(self.n_genes, np.inf)
        has_values = np.diff(self.indptr) > 0
        minimum[has_values] = self.value[self.indptr[:-1][has_values]]
        return minimum

    def count_above(self, cutoff: FloatArray) -> IntArray:
        """Count the cells in which each gene is at or above its cut-off."""
        return self.sum_by_gene(self.count * (self.value >= self.repeat(cutoff)))


def sort_expression(
    log_expression: sparse.csc_matrix,
) -> tuple[SortedExpression, sparse.csc_matrix]:
    """Sort the stored entries of a matrix; entries that are not stored are not expressed.

    Equal values of a gene become one value with a count, which is exact and cheaper. A stored 0 is
    a value like any other.

    Returns
    -------
    The sorted values, and the index of each stored entry in them; cells x genes.
    """
    genes, n_values = [], 0
    index = np.empty(log_expression.nnz, np.int32)
    for first, last in itertools.pairwise(log_expression.indptr):
        value, inverse, count = np.unique(
            log_expression.data[first:last], return_inverse=True, return_counts=True
        )
        index[first:last] = inverse + n_values
        n_values += len(value)
        genes.append((value, count))
    parts = (index, log_expression.indices, log_expression.indptr)
    value_index = sparse.csc_matrix(parts, log_expression.shape)
    return SortedExpression.from_genes(genes, log_expression.shape[0]), value_index


def to_states(value_index: sparse.csc_matrix, state: NDArray[np.uint8]) -> sparse.csr_matrix:
    """Return the states of values in the cells that hold them; cells x genes, 0 not stored."""
    parts = (state[value_index.data], value_index.indices, value_index.indptr)
    states = sparse.csc_matrix(parts, value_index.shape).tocsr()
    states.eliminate_zeros()
    return states
