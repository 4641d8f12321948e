"""What the corrected likelihood sees of each gene: values, or the intervals that counts stand for.

A count k of unit u stands for an expression between (k − ½)u and (k + ½)u. Where that interval is
wide, f(y) is its mean over the interval, by Gauss-Legendre quadrature; without this, ties would
reward components without width. Continuous values, and counts above ``ROUGH``, are taken as they
are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from scgnn.components.ltmg.sorted_values import (
    MAX_BLOCK_ELEMENTS,
    BoolArray,
    FloatArray,
    IntArray,
    SortedExpression,
    pad_length,
)

MAX_INTERVAL_COUNT = (
    16  # counts up to this stand for intervals; the next one spans 6 % and hardly needs it
)
N_NODES = 8  # quadrature nodes in each interval
QUADRATURE_NODES, QUADRATURE_WEIGHTS = np.polynomial.legendre.leggauss(N_NODES)
TRIM_FRACTION = 0.01  # share of cells beyond the range that bins and starts go by, at each end
MIN_RELATIVE_UNIT = 1e-3  # of the smallest value; anything finer is continuous
MAX_RELATIVE_VALUE = (
    1e3  # times the smallest value; beyond, rounding hides whether it is a multiple
)
FLOAT32_RELATIVE_ERROR = 1e-6  # relative error of values that passed through single precision


@dataclass(frozen=True)
class PaddedGenes:
    """Some genes of about as many values, padded to rectangles so that they move together.

    The first ``n_rough`` values have ``NODES`` nodes each, the others one.

    Parameters
    ----------
    gene
        Which genes these are; [genes].
    node
        Log expression at which f is evaluated; [genes x nodes].
    share
        Share of each node in its value, 1 within every value; [genes x nodes].
    count
        Cells that hold each value, 0 for padding; [genes x values].
    censored
        Cells below the cut-off; [genes x 1].
    cutoff
        Cut-off q; [genes x 1].
    unit
        What counts are multiples of, 0 if continuous; [genes x 1].
    """

    gene: IntArray
    node: FloatArray
    node_weight: FloatArray
    count: FloatArray
    n_censored: FloatArray
    cutoff: FloatArray
    count_unit: FloatArray

    @property
    def n_intervals(self) -> int:
        return (self.node.shape[1] - self.count.shape[1]) // (N_NODES - 1)

    @property
    def n_uncensored(self) -> FloatArray:
        """Cells at or above the cut-off; genes x 1."""
        return self.count.sum(1, keepdims=True)

    def take(self, index: BoolArray | slice) -> PaddedGenes:
        """Only some of the genes."""
        return PaddedGenes(*(getattr(self, field.name)[index] for field in fields(self)))

    def reduce_nodes(self, node_values: FloatArray, reduce: np.ufunc = np.add) -> FloatArray:
        """The nodes of each value taken together; … x values."""
        end = self.n_intervals * N_NODES
        if not end:
            return node_values
        rough = reduce.reduce(
            node_values[..., :end].reshape(*node_values.shape[:-1], -1, N_NODES), axis=-1
        )
        return np.concatenate([rough, node_values[..., end:]], -1)

    def repeat_for_nodes(self, values: FloatArray) -> FloatArray:
        """Each value handed to its nodes; … x nodes."""
        end = self.n_intervals
        if not end:
            return values
        rough = np.repeat(values[..., :end], N_NODES, -1)
        return np.concatenate([rough, values[..., end:]], -1)

    def log_mean_exp(self, node_values: FloatArray) -> FloatArray:
        """The log of the mean of exp(nodes) over each value; genes x components x values."""
        largest = np.maximum(self.reduce_nodes(node_values, np.maximum), np.finfo(float).min)
        scaled = np.exp(node_values - self.repeat_for_nodes(largest)) * self.node_weight[:, None]
        with np.errstate(divide="ignore"):
            return np.log(self.reduce_nodes(scaled)) + largest

    def concatenate(self, other: PaddedGenes) -> PaddedGenes:
        """These genes and others of the same padded length."""
        names = [field.name for field in fields(self)]
        return PaddedGenes(*(np.concatenate([getattr(self, n), getattr(other, n)]) for n in names))


def find_count_units(expression: SortedExpression) -> FloatArray:
    """Greatest common divisor of each gene's values, 0 where they have none worth the name."""
    unit = np.zeros(expression.n_genes)
    for g in range(expression.n_genes):
        value = expression.get_gene(g)[0]
        if len(value):
            times = np.exp(value[value < value[0] + np.log(MAX_RELATIVE_VALUE)] - value[0])
            unit[g] = _find_common_divisor(times) * np.exp(value[0])
    return unit


def _find_common_divisor(x: FloatArray) -> float:
    """Euclid's algorithm on all values at once, the smallest of which is 1; 0 if it ends low."""
    unit, error = 1.0, FLOAT32_RELATIVE_ERROR
    while unit > MIN_RELATIVE_UNIT:
        times = np.round(x / unit)
        remainder, doubt = np.abs(x - unit * times), FLOAT32_RELATIVE_ERROR * x + error * times
        left = remainder > doubt
        if doubt.max() > unit / 8:
            return 0.0
        if not left.any():
            return unit
        least = np.where(left, remainder, np.inf).argmin()
        unit, error = float(remainder[least]), float(doubt[least])
    return 0.0


def compute_cutoffs(
    expression: SortedExpression, count_unit: FloatArray, global_cutoff: float
) -> FloatArray:
    """Where what each gene shows begins, log scale; inf where it shows nothing.

    The smallest value not below ``shared``, or ``shared`` if that is higher; a count begins half a
    unit below itself.
    """
    cutoff = np.full(expression.n_genes, np.inf)
    for g in range(expression.n_genes):
        value = expression.get_gene(g)[0]
        shown = value[np.searchsorted(value, global_cutoff) :]
        if len(shown):
            half = count_unit[g] / 2 * np.exp(-shown[0])
            cutoff[g] = shown[0] + np.log1p(-half) if half else max(value[0], global_cutoff)
    return cutoff


def coarsen(
    expression: SortedExpression, cutoff: FloatArray, count_unit: FloatArray, resolution: int
) -> SortedExpression:
    """Values at or above the cut-off, averaged in bins where there are more than ``resolution``.

    Counts that stand for intervals stay as they are.
    """
    values, counts, start = [np.empty(0)], [np.empty(0)], [0]
    for g in range(expression.n_genes):
        value, count = expression.get_gene(g)
        first = np.searchsorted(value, cutoff[g])
        value, count = value[first:], count[first:]
        rough = int(_is_interval_count(value, count_unit[g]).sum())
        if len(value) - rough > resolution:
            group = _assign_bins(value[rough:], count[rough:], resolution)
            begin = rough + np.flatnonzero(np.diff(group, prepend=group[0] - 1))
            begin = np.concatenate([np.arange(rough), begin])
            total = np.add.reduceat(count, begin)
            value, count = np.add.reduceat(value * count, begin) / total, total
        values.append(value)
        counts.append(count)
        start.append(start[-1] + len(value))
    return SortedExpression(
        np.concatenate(values), np.concatenate(counts), np.array(start), expression.n_cells
    )


def _assign_bins(value: FloatArray, count: FloatArray, resolution: int) -> FloatArray:
    """Bins of equal width, ``resolution`` of them over all but the outermost values."""
    below = np.cumsum(count) / count.sum()
    low, high = value[np.searchsorted(below, [TRIM_FRACTION, 1 - TRIM_FRACTION])]
    width = max((high - low) / resolution, np.finfo(float).tiny)
    return np.floor((value - low) / width)


def _is_interval_count(value: FloatArray, count_unit: float) -> BoolArray:
    return np.exp(value) <= (MAX_INTERVAL_COUNT + 0.5) * count_unit


class GenePadder:
    """Hands out `Sample`s of genes that pad to the same length."""

    def __init__(
        self, expression: SortedExpression, cutoff: FloatArray, count_unit: FloatArray
    ) -> None:
        self.expression, self.cutoff, self.count_unit = expression, cutoff, count_unit
        genes = range(expression.n_genes)
        above = [np.searchsorted(expression.get_gene(g)[0], cutoff[g]) for g in genes]
        rough = [
            int(_is_interval_count(expression.get_gene(g)[0], count_unit[g]).sum()) for g in genes
        ]
        self.end = expression.indptr[1:]
        self.first_uncensored = expression.indptr[:-1] + np.array(above, np.int64)
        self.first_continuous = np.maximum(
            self.first_uncensored, expression.indptr[:-1] + np.array(rough, np.int64)
        )
        self.n_intervals = np.where(
            self.first_continuous > self.first_uncensored, MAX_INTERVAL_COUNT, 0
        )
        self.n_continuous = pad_length(self.end - self.first_continuous)

    def group_by_length(self, genes: IntArray) -> Iterator[tuple[IntArray, int]]:
        """Genes that pad to the same length, and how many nodes that is."""
        kind = (
            self.n_intervals[genes] * (self.n_continuous.max(initial=0) + 1)
            + self.n_continuous[genes]
        )
        for one in np.unique(kind):
            members = genes[kind == one]
            g = members[0]
            yield members, int(self.n_intervals[g] * N_NODES + self.n_continuous[g])

    def iter_chunks(self, genes: IntArray, n_components: int) -> Iterator[PaddedGenes]:
        """Samples of no more than ``BLOCK`` responsibilities."""
        for members, length in self.group_by_length(genes):
            step = max(1, MAX_BLOCK_ELEMENTS // (n_components * length))
            for i in range(0, len(members), step):
                yield self.pad(members[i : i + step])

    def get_value_index(self, genes: IntArray) -> tuple[IntArray, BoolArray]:
        """Where the values of a sample stand in `Observed.value`, and which are not padding."""
        g = genes[0]
        rough = self.first_uncensored[genes, None] + np.arange(self.n_intervals[g])
        fine = self.first_continuous[genes, None] + np.arange(self.n_continuous[g])
        real = [rough < self.first_continuous[genes, None], fine < self.end[genes, None]]
        index, held = np.concatenate([rough, fine], 1), np.concatenate(real, 1)
        return np.where(held, index, self.first_uncensored[genes, None]), held

    def pad(self, genes: IntArray) -> PaddedGenes:
        """The values of genes that pad to the same length."""
        index, real = self.get_value_index(genes)
        value, unit, n_rough = (
            self.expression.value[index],
            self.count_unit[genes, None],
            self.n_intervals,
        )
        end = n_rough[genes[0]]
        node = np.concatenate([self._place_nodes(value[:, :end], unit), value[:, end:]], 1)
        share = np.ones_like(node)
        share[:, : end * N_NODES] = np.tile(QUADRATURE_WEIGHTS / 2, end)
        count = np.where(real, self.expression.count[index], 0.0)
        censored = self.expression.n_cells - count.sum(1, keepdims=True)
        return PaddedGenes(genes, node, share, count, censored, self.cutoff[genes, None], unit)

    @staticmethod
    def _place_nodes(value: FloatArray, count_unit: FloatArray) -> FloatArray:
        """Quadrature nodes of log((k ± ½)u); genes x (values · NODES)."""
        half = count_unit / 2 * np.exp(-value)
        low, high = value + np.log1p(-half), value + np.log1p(half)
        middle, reach = (low + high) / 2, (high - low) / 2
        node = middle[:, :, None] + reach[:, :, None] * QUADRATURE_NODES
        return node.reshape(len(value), -1)
