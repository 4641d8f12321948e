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

from scgnn.components.ltmg.sorted_values import BLOCK, Bools, Floats, Integers, Observed, padded

ROUGH = 16  # counts up to this stand for intervals; the next one spans 6 % and hardly needs it
NODES = 8  # quadrature nodes in each interval
NODE, SHARE = np.polynomial.legendre.leggauss(NODES)
TRIM = 0.01  # share of cells beyond the range that bins and starts go by, at each end
SMALLEST_UNIT = 1e-3  # of the smallest value; anything finer is continuous
FURTHEST = 1e3  # times the smallest value; beyond, rounding hides whether it is a multiple
ROUNDING = 1e-6  # relative error of values that passed through single precision


@dataclass(frozen=True)
class Sample:
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

    gene: Integers
    node: Floats
    share: Floats
    count: Floats
    censored: Floats
    cutoff: Floats
    unit: Floats

    @property
    def n_rough(self) -> int:
        return (self.node.shape[1] - self.count.shape[1]) // (NODES - 1)

    @property
    def n(self) -> Floats:
        """Cells at or above the cut-off; genes x 1."""
        return self.count.sum(1, keepdims=True)

    def rows(self, keep: Bools | slice) -> Sample:
        """Only some of the genes."""
        return Sample(*(getattr(self, field.name)[keep] for field in fields(self)))

    def by_value(self, nodes: Floats, reduce: np.ufunc = np.add) -> Floats:
        """The nodes of each value taken together; … x values."""
        end = self.n_rough * NODES
        if not end:
            return nodes
        rough = reduce.reduce(nodes[..., :end].reshape(*nodes.shape[:-1], -1, NODES), axis=-1)
        return np.concatenate([rough, nodes[..., end:]], -1)

    def by_node(self, values: Floats) -> Floats:
        """Each value handed to its nodes; … x nodes."""
        end = self.n_rough
        if not end:
            return values
        rough = np.repeat(values[..., :end], NODES, -1)
        return np.concatenate([rough, values[..., end:]], -1)

    def log_mean(self, nodes: Floats) -> Floats:
        """The log of the mean of exp(nodes) over each value; genes x components x values."""
        largest = np.maximum(self.by_value(nodes, np.maximum), np.finfo(float).min)
        scaled = np.exp(nodes - self.by_node(largest)) * self.share[:, None]
        with np.errstate(divide="ignore"):
            return np.log(self.by_value(scaled)) + largest

    def join(self, other: Sample) -> Sample:
        """These genes and others of the same padded length."""
        names = [field.name for field in fields(self)]
        return Sample(*(np.concatenate([getattr(self, n), getattr(other, n)]) for n in names))


def units(observed: Observed) -> Floats:
    """Greatest common divisor of each gene's values, 0 where they have none worth the name."""
    unit = np.zeros(observed.n_genes)
    for g in range(observed.n_genes):
        value = observed.gene(g)[0]
        if len(value):
            times = np.exp(value[value < value[0] + np.log(FURTHEST)] - value[0])
            unit[g] = _unit(times) * np.exp(value[0])
    return unit


def _unit(x: Floats) -> float:
    """Euclid's algorithm on all values at once, the smallest of which is 1; 0 if it ends low."""
    unit, error = 1.0, ROUNDING
    while unit > SMALLEST_UNIT:
        times = np.round(x / unit)
        remainder, doubt = np.abs(x - unit * times), ROUNDING * x + error * times
        left = remainder > doubt
        if doubt.max() > unit / 8:
            return 0.0
        if not left.any():
            return unit
        least = np.where(left, remainder, np.inf).argmin()
        unit, error = float(remainder[least]), float(doubt[least])
    return 0.0


def cutoffs(observed: Observed, unit: Floats, shared: float) -> Floats:
    """Where what each gene shows begins, log scale; inf where it shows nothing.

    The smallest value not below ``shared``, or ``shared`` if that is higher; a count begins half a
    unit below itself.
    """
    cutoff = np.full(observed.n_genes, np.inf)
    for g in range(observed.n_genes):
        value = observed.gene(g)[0]
        shown = value[np.searchsorted(value, shared) :]
        if len(shown):
            half = unit[g] / 2 * np.exp(-shown[0])
            cutoff[g] = shown[0] + np.log1p(-half) if half else max(value[0], shared)
    return cutoff


def coarsened(observed: Observed, cutoff: Floats, unit: Floats, resolution: int) -> Observed:
    """Values at or above the cut-off, averaged in bins where there are more than ``resolution``.

    Counts that stand for intervals stay as they are.
    """
    values, counts, start = [np.empty(0)], [np.empty(0)], [0]
    for g in range(observed.n_genes):
        value, count = observed.gene(g)
        first = np.searchsorted(value, cutoff[g])
        value, count = value[first:], count[first:]
        rough = int(_is_rough(value, unit[g]).sum())
        if len(value) - rough > resolution:
            group = _bins(value[rough:], count[rough:], resolution)
            begin = rough + np.flatnonzero(np.diff(group, prepend=group[0] - 1))
            begin = np.concatenate([np.arange(rough), begin])
            total = np.add.reduceat(count, begin)
            value, count = np.add.reduceat(value * count, begin) / total, total
        values.append(value)
        counts.append(count)
        start.append(start[-1] + len(value))
    return Observed(
        np.concatenate(values), np.concatenate(counts), np.array(start), observed.n_cells
    )


def _bins(value: Floats, count: Floats, resolution: int) -> Floats:
    """Bins of equal width, ``resolution`` of them over all but the outermost values."""
    below = np.cumsum(count) / count.sum()
    low, high = value[np.searchsorted(below, [TRIM, 1 - TRIM])]
    width = max((high - low) / resolution, np.finfo(float).tiny)
    return np.floor((value - low) / width)


def _is_rough(value: Floats, unit: float) -> Bools:
    return np.exp(value) <= (ROUGH + 0.5) * unit


class Samples:
    """Hands out `Sample`s of genes that pad to the same length."""

    def __init__(self, observed: Observed, cutoff: Floats, unit: Floats) -> None:
        self.observed, self.cutoff, self.unit = observed, cutoff, unit
        genes = range(observed.n_genes)
        above = [np.searchsorted(observed.gene(g)[0], cutoff[g]) for g in genes]
        rough = [int(_is_rough(observed.gene(g)[0], unit[g]).sum()) for g in genes]
        self.end = observed.start[1:]
        self.first = observed.start[:-1] + np.array(above, np.int64)
        self.fine = np.maximum(self.first, observed.start[:-1] + np.array(rough, np.int64))
        self.n_rough = np.where(self.fine > self.first, ROUGH, 0)
        self.n_fine = padded(self.end - self.fine)

    def lengths(self, genes: Integers) -> Iterator[tuple[Integers, int]]:
        """Genes that pad to the same length, and how many nodes that is."""
        kind = self.n_rough[genes] * (self.n_fine.max(initial=0) + 1) + self.n_fine[genes]
        for one in np.unique(kind):
            members = genes[kind == one]
            g = members[0]
            yield members, int(self.n_rough[g] * NODES + self.n_fine[g])

    def batches(self, genes: Integers, n_components: int) -> Iterator[Sample]:
        """Samples of no more than ``BLOCK`` responsibilities."""
        for members, length in self.lengths(genes):
            step = max(1, BLOCK // (n_components * length))
            for i in range(0, len(members), step):
                yield self.of(members[i : i + step])

    def index(self, genes: Integers) -> tuple[Integers, Bools]:
        """Where the values of a sample stand in `Observed.value`, and which are not padding."""
        g = genes[0]
        rough = self.first[genes, None] + np.arange(self.n_rough[g])
        fine = self.fine[genes, None] + np.arange(self.n_fine[g])
        real = [rough < self.fine[genes, None], fine < self.end[genes, None]]
        index, held = np.concatenate([rough, fine], 1), np.concatenate(real, 1)
        return np.where(held, index, self.first[genes, None]), held

    def of(self, genes: Integers) -> Sample:
        """The values of genes that pad to the same length."""
        index, real = self.index(genes)
        value, unit, n_rough = self.observed.value[index], self.unit[genes, None], self.n_rough
        end = n_rough[genes[0]]
        node = np.concatenate([self._nodes(value[:, :end], unit), value[:, end:]], 1)
        share = np.ones_like(node)
        share[:, : end * NODES] = np.tile(SHARE / 2, end)
        count = np.where(real, self.observed.count[index], 0.0)
        censored = self.observed.n_cells - count.sum(1, keepdims=True)
        return Sample(genes, node, share, count, censored, self.cutoff[genes, None], unit)

    @staticmethod
    def _nodes(value: Floats, unit: Floats) -> Floats:
        """Quadrature nodes of log((k ± ½)u); genes x (values · NODES)."""
        half = unit / 2 * np.exp(-value)
        low, high = value + np.log1p(-half), value + np.log1p(half)
        middle, reach = (low + high) / 2, (high - low) / 2
        node = middle[:, :, None] + reach[:, :, None] * NODE
        return node.reshape(len(value), -1)
