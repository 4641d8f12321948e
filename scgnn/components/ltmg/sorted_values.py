"""The log expression of many genes as sorted values, with how many cells hold each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

MAX_BLOCK_ELEMENTS = 100_000  # responsibilities held at once: they stay in the processor's cache


@dataclass(frozen=True)
class SortedExpression:
    """Sorted log expression, gene after gene; cells without expression are only counted.

    Parameters
    ----------
    value
        Log expression, ascending within each gene; [all values].
    count
        How many cells hold each value; [all values].
    start
        Where each gene's values start; [genes + 1].
    n_cells
        Number of cells, with those that do not express the gene.
    """

    value: FloatArray
    count: FloatArray
    indptr: IntArray
    n_cells: int

    @property
    def n_genes(self) -> int:
        return len(self.indptr) - 1

    @property
    def n_expressed(self) -> IntArray:
        """In how many cells each gene is expressed."""
        total = np.concatenate([[0], np.cumsum(self.count)])
        return np.diff(total[self.indptr]).astype(np.int64)

    def get_gene(self, g: int) -> tuple[FloatArray, FloatArray]:
        """Values of one gene and how many cells hold each."""
        of_gene = slice(self.indptr[g], self.indptr[g + 1])
        return self.value[of_gene], self.count[of_gene]

    def compute_minimum(self) -> FloatArray:
        """Smallest value of each gene; inf where no cell expresses it."""
        lowest = np.full(self.n_genes, np.inf)
        some = np.diff(self.indptr) > 0
        lowest[some] = self.value[self.indptr[:-1][some]]
        return lowest

    def count_above(self, cutoff: FloatArray) -> IntArray:
        """In how many cells each gene is at or above its cut-off."""
        above = (self.get_gene(g) for g in range(self.n_genes))
        return np.array([int(m[y >= c].sum()) for (y, m), c in zip(above, cutoff, strict=True)])


@dataclass(frozen=True)
class ExpressionEntries:
    """Which cell holds which value of an `Observed`.

    Parameters
    ----------
    cell
        The cell of each expressed entry, gene after gene; [entries].
    position
        Which of all values it holds; [entries].
    start
        Where each gene's entries start; [genes + 1].
    n_cells
        Number of cells.
    """

    cell: NDArray[np.int32]
    value_index: NDArray[np.int32]
    indptr: IntArray
    n_cells: int

    def to_states(self, value_states: NDArray[np.uint8]) -> sparse.csr_matrix:
        """Cells x genes: the state of each value, in the cells that hold it."""
        shape = (self.n_cells, len(self.indptr) - 1)
        by_gene = sparse.csc_matrix((value_states[self.value_index], self.cell, self.indptr), shape)
        states = by_gene.tocsr()
        states.eliminate_zeros()
        return states


def sort_expression(
    log_expression: sparse.csc_matrix,
) -> tuple[SortedExpression, ExpressionEntries]:
    """Sort the stored entries of a matrix, cells x genes; what is not stored is not expressed.

    Cells that hold the same value are counted as one value, which is exact and cheaper; a stored 0
    is a value like any other.
    """
    bounds = log_expression.indptr.astype(np.int64)
    n_cells = log_expression.shape[0]
    position = np.empty(bounds[-1], np.int32)
    values, counts, start = [np.empty(0)], [np.empty(0)], [0]
    for first, last in itertools.pairwise(bounds):
        value, inverse, count = np.unique(
            log_expression.data[first:last], return_inverse=True, return_counts=True
        )
        position[first:last] = inverse + start[-1]
        values.append(value.astype(np.float64))
        counts.append(count.astype(np.float64))
        start.append(start[-1] + len(value))
    observed = SortedExpression(
        np.concatenate(values), np.concatenate(counts), np.array(start, np.int64), n_cells
    )
    return observed, ExpressionEntries(
        log_expression.indices.astype(np.int32), position, bounds, n_cells
    )


@dataclass(frozen=True)
class GeneBlock:
    """Some genes of about as many values, padded to rectangles so that they move together.

    Parameters
    ----------
    gene
        Which genes these are; [genes].
    y
        Log expression at and above the cut-off, ascending; padding repeats it; [genes x values].
    count
        Cells that hold each value, 0 for padding; [genes x values].
    n
        Cells at or above the cut-off; [genes x 1].
    censored
        Cells below the cut-off, C; [genes x 1].
    cutoff
        Cut-off q; [genes x 1].
    index
        Where each value stands in `Observed.value`; [genes x values].
    """

    gene: IntArray
    y: FloatArray
    count: FloatArray
    n_uncensored: FloatArray
    n_censored: FloatArray
    cutoff: FloatArray
    value_index: IntArray

    def take(self, index: BoolArray) -> GeneBlock:
        """Only some of the genes."""
        return GeneBlock(*(getattr(self, field.name)[index] for field in fields(self)))


def iter_gene_blocks(
    expression: SortedExpression, genes: IntArray, cutoff: FloatArray, n_components: int
) -> Iterator[GeneBlock]:
    """The values at and above each gene's cut-off [genes], in blocks of ``BLOCK`` elements.

    The padded length depends on the gene alone, never on its neighbours: sums are rounded the same
    way whatever other genes there are.
    """
    first = np.array([_find_first_uncensored(expression, g, cutoff[g]) for g in genes], np.int64)
    length = expression.indptr[genes + 1] - first
    sizes = pad_length(length)
    for size in np.unique(sizes):
        members = np.flatnonzero(sizes == size)
        step = max(1, MAX_BLOCK_ELEMENTS // (n_components * int(size)))
        for i in range(0, len(members), step):
            chosen = members[i : i + step]
            within = np.minimum(np.arange(size), length[chosen, None] - 1)  # genes x values
            index = first[chosen, None] + within
            real = np.arange(size) < length[chosen, None]
            count = np.where(real, expression.count[index], 0.0)
            n, gene = count.sum(1, keepdims=True), genes[chosen]
            yield GeneBlock(
                gene=gene,
                y=expression.value[index],
                count=count,
                n_uncensored=n,
                n_censored=expression.n_cells - n,
                cutoff=cutoff[gene, None],
                value_index=index,
            )


def _find_first_uncensored(expression: SortedExpression, g: int, cutoff: float) -> int:
    value, _ = expression.get_gene(g)
    return int(expression.indptr[g] + np.searchsorted(value, cutoff, side="left"))


def pad_length(length: IntArray) -> IntArray:
    """0, or the next of 6, 8, 12, 16, 24, 32, 48 …: few different lengths, little waste."""
    power = 2 ** np.ceil(np.log2(np.maximum(length, 8))).astype(np.int64)
    return np.where(length == 0, 0, np.where(length <= power * 3 // 4, power * 3 // 4, power))
