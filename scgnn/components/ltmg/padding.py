"""Values of several genes, padded to rectangles so that they are processed together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from scgnn.components.ltmg.count_intervals import (
    MAX_INTERVAL_COUNT,
    N_NODES,
    QUADRATURE_WEIGHTS,
    is_interval_count,
    place_nodes,
)
from scgnn.components.ltmg.sorted_expression import (
    BoolArray,
    FloatArray,
    IntArray,
    SortedExpression,
)

MAX_ELEMENTS = 100_000  # responsibilities of a rectangle: they stay in the processor's cache


@dataclass(frozen=True)
class PaddedGenes:
    """Genes with similar numbers of values at or above the cut-off, padded to one length.

    The first ``n_intervals`` values are count intervals with ``N_NODES`` nodes each, the others
    are points with one node.

    Parameters
    ----------
    gene
        Indices of the genes; [genes].
    node
        Log expression at which f is evaluated; [genes x nodes].
    node_weight
        Weight of each node, sums to 1 within every value; [genes x nodes].
    count
        Number of cells that hold each value, 0 for padding; [genes x values].
    n_uncensored, n_censored
        Number of cells at or above, and below the cut-off; [genes x 1].
    cutoff
        Cut-off q; [genes x 1].
    count_unit
        Unit of the counts, 0 if values are continuous; [genes x 1].
    """

    gene: IntArray
    node: FloatArray
    node_weight: FloatArray
    count: FloatArray
    n_uncensored: FloatArray
    n_censored: FloatArray
    cutoff: FloatArray
    count_unit: FloatArray

    @property
    def n_intervals(self) -> int:
        return (self.node.shape[1] - self.count.shape[1]) // (N_NODES - 1)

    def take(self, mask: BoolArray) -> PaddedGenes:
        """Return some of the genes."""
        return PaddedGenes(*(getattr(self, field.name)[mask] for field in fields(self)))

    def reduce_nodes(self, node_values: FloatArray, reduce: np.ufunc = np.add) -> FloatArray:
        """Combine the nodes of each value; … x values."""
        n = self.n_intervals * N_NODES
        if not n:
            return node_values
        intervals = node_values[..., :n].reshape(*node_values.shape[:-1], -1, N_NODES)
        return np.concatenate([reduce.reduce(intervals, axis=-1), node_values[..., n:]], -1)

    def weight_nodes(self, node_values: FloatArray) -> FloatArray:
        """Multiply by the weights of the nodes; genes x nodes."""
        return node_values * self.node_weight if self.n_intervals else node_values

    def repeat_for_nodes(self, values: FloatArray) -> FloatArray:
        """Repeat each value for its nodes; … x nodes."""
        n = self.n_intervals
        if not n:
            return values
        return np.concatenate([np.repeat(values[..., :n], N_NODES, -1), values[..., n:]], -1)

    def log_mean_exp(self, node_values: FloatArray) -> FloatArray:
        """Return the log of the mean of exp(nodes) over each value; genes x components x values."""
        if not self.n_intervals:
            return node_values
        largest = np.maximum(self.reduce_nodes(node_values, np.maximum), np.finfo(float).min)
        scaled = np.exp(node_values - self.repeat_for_nodes(largest)) * self.node_weight[:, None]
        with np.errstate(divide="ignore"):
            return np.log(self.reduce_nodes(scaled)) + largest


class GenePadder:
    """Pads the values at or above each gene's cut-off.

    The padded length depends on the gene alone, so sums are rounded the same way whatever other
    genes there are.

    Parameters
    ----------
    expression
        Sorted values of all genes.
    cutoff
        Cut-offs on the log scale; [genes].
    count_unit
        Units of the counts, 0 for genes with continuous values; [genes]. None: all continuous.
    """

    def __init__(
        self, expression: SortedExpression, cutoff: FloatArray, count_unit: FloatArray | None = None
    ) -> None:
        unit = np.zeros(expression.n_genes) if count_unit is None else count_unit
        self.expression, self.cutoff, self.count_unit = expression, cutoff, unit
        is_censored = expression.value < expression.repeat(cutoff)
        is_interval = is_interval_count(expression.value, expression.repeat(unit))
        start, self.end = expression.indptr[:-1], expression.indptr[1:]
        self.first_uncensored = start + expression.sum_by_gene(is_censored)
        self.first_continuous = np.maximum(
            self.first_uncensored, start + expression.sum_by_gene(is_interval)
        )
        has_intervals = self.first_continuous > self.first_uncensored
        n_continuous = pad_length(self.end - self.first_continuous)
        # genes x 2: padded numbers of intervals and of points
        self.padded_lengths = np.stack([has_intervals * MAX_INTERVAL_COUNT, n_continuous], 1)

    def iter_chunks(self, genes: IntArray, n_components: int) -> Iterator[PaddedGenes]:
        """Yield padded genes with at most ``MAX_ELEMENTS`` responsibilities."""
        for lengths in np.unique(self.padded_lengths[genes], axis=0):
            members = genes[(self.padded_lengths[genes] == lengths).all(1)]
            n_nodes = max(1, int(lengths @ [N_NODES, 1]))
            step = max(1, MAX_ELEMENTS // (n_components * n_nodes))
            for i in range(0, len(members), step):
                yield self.pad(members[i : i + step])

    def get_value_index(self, genes: IntArray) -> tuple[IntArray, BoolArray]:
        """Return the indices of padded values in ``expression.value``, and which are no padding."""
        n_intervals, n_continuous = self.padded_lengths[genes[0]]
        interval = self.first_uncensored[genes, None] + np.arange(n_intervals)
        point = self.first_continuous[genes, None] + np.arange(n_continuous)
        is_value = np.concatenate(
            [interval < self.first_continuous[genes, None], point < self.end[genes, None]], 1
        )
        index = np.concatenate([interval, point], 1)
        return np.where(is_value, index, self.first_uncensored[genes, None]), is_value

    def pad(self, genes: IntArray) -> PaddedGenes:
        """Pad genes that have the same padded length."""
        index, is_value = self.get_value_index(genes)
        value, unit = self.expression.value[index], self.count_unit[genes, None]
        n = self.padded_lengths[genes[0], 0]
        node = np.concatenate([place_nodes(value[:, :n], unit), value[:, n:]], 1)
        node_weight = np.ones_like(node)
        node_weight[:, : n * N_NODES] = np.tile(QUADRATURE_WEIGHTS / 2, n)
        count = np.where(is_value, self.expression.count[index], 0.0)
        n_uncensored = count.sum(1, keepdims=True)
        n_censored = self.expression.n_cells - n_uncensored
        cutoff = self.cutoff[genes, None]
        return PaddedGenes(genes, node, node_weight, count, n_uncensored, n_censored, cutoff, unit)


def pad_length(length: IntArray) -> IntArray:
    """Round up to 0, 6, 8, 12, 16, 24, 32, 48, …: few different lengths, little waste."""
    power = 2 ** np.ceil(np.log2(np.maximum(length, 8))).astype(np.int64)
    return np.where(length == 0, 0, np.where(length <= power * 3 // 4, power * 3 // 4, power))
