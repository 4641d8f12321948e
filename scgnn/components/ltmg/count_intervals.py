"""Count units, and the intervals that rounded counts represent.

A count k of unit u represents an expression between (k − ½)u and (k + ½)u. Where that interval is
wide, f(y) is its mean over the interval, by Gauss-Legendre quadrature; without this, ties would
reward components without width. Continuous values, and counts above ``MAX_INTERVAL_COUNT``, are
points.
"""

from __future__ import annotations

import numpy as np

from scgnn.components.ltmg.sorted_expression import BoolArray, FloatArray, SortedExpression

MAX_INTERVAL_COUNT = 16  # the interval of the next count spans 6%, which changes little
N_NODES = 8  # quadrature nodes in each interval
QUADRATURE_NODES, QUADRATURE_WEIGHTS = np.polynomial.legendre.leggauss(N_NODES)
TRIM_FRACTION = 0.01  # of the cells, at each end, outside the range that bins and starts cover
MIN_RELATIVE_UNIT = 1e-3  # of the smallest value; anything finer is continuous
MAX_RELATIVE_VALUE = 1e3  # times the smallest value; rounding hides larger multiples
FLOAT32_RELATIVE_ERROR = 1e-6  # of values that passed through single precision


def find_count_units(expression: SortedExpression) -> FloatArray:
    """Return the greatest common divisor of each gene's values, 0 if they are continuous."""
    unit = np.zeros(expression.n_genes)
    for g in range(expression.n_genes):
        value = expression.get_gene(g)[0]
        if len(value):
            ratio = np.exp(value[value < value[0] + np.log(MAX_RELATIVE_VALUE)] - value[0])
            unit[g] = _find_common_divisor(ratio) * np.exp(value[0])
    return unit


def _find_common_divisor(x: FloatArray) -> float:
    """Run Euclid's algorithm on all values at once, the smallest of which is 1; 0 if it fails."""
    unit, error = 1.0, FLOAT32_RELATIVE_ERROR
    while unit > MIN_RELATIVE_UNIT:
        multiple = np.round(x / unit)
        remainder = np.abs(x - unit * multiple)
        tolerance = FLOAT32_RELATIVE_ERROR * x + error * multiple
        if tolerance.max() > unit / 8:
            return 0.0
        nonzero = remainder > tolerance
        if not nonzero.any():
            return unit
        i = np.where(nonzero, remainder, np.inf).argmin()
        unit, error = float(remainder[i]), float(tolerance[i])
    return 0.0


def is_interval_count(value: FloatArray, count_unit: FloatArray | float) -> BoolArray:
    """Return which log values are counts small enough to be intervals."""
    return np.exp(value) <= (MAX_INTERVAL_COUNT + 0.5) * count_unit


def place_nodes(value: FloatArray, count_unit: FloatArray) -> FloatArray:
    """Place quadrature nodes in [log((k − ½)u), log((k + ½)u)]; genes x (values · N_NODES)."""
    half = count_unit / 2 * np.exp(-value)
    low, high = value + np.log1p(-half), value + np.log1p(half)
    center, radius = (low + high) / 2, (high - low) / 2
    node = center[:, :, None] + radius[:, :, None] * QUADRATURE_NODES
    return node.reshape(len(value), -1)


def coarsen(
    expression: SortedExpression, cutoff: FloatArray, count_unit: FloatArray, resolution: int
) -> SortedExpression:
    """Average values at or above the cut-off in bins if there are more than ``resolution``.

    Counts that represent intervals are not binned.
    """
    genes = []
    for g in range(expression.n_genes):
        value, count = expression.get_gene(g)
        first = np.searchsorted(value, cutoff[g])
        value, count = value[first:], count[first:]
        n = int(is_interval_count(value, count_unit[g]).sum())
        if len(value) - n > resolution:
            bins = _assign_bins(value[n:], count[n:], resolution)
            start = n + np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
            start = np.concatenate([np.arange(n), start])
            total = np.add.reduceat(count, start)
            value, count = np.add.reduceat(value * count, start) / total, total
        genes.append((value, count))
    return SortedExpression.from_genes(genes, expression.n_cells)


def _assign_bins(value: FloatArray, count: FloatArray, resolution: int) -> FloatArray:
    """Assign bins of equal width, ``resolution`` of them over all but the outermost values."""
    quantile = np.cumsum(count) / count.sum()
    low, high = value[np.searchsorted(quantile, [TRIM_FRACTION, 1 - TRIM_FRACTION])]
    width = max((high - low) / resolution, np.finfo(float).tiny)
    return np.floor((value - low) / width)
