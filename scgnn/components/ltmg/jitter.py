"""Random jitter and random starts, seeded by gene: independent of other genes and their order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from scgnn.components.ltmg.sorted_expression import BoolArray, FloatArray, SortedExpression

JITTER_STREAM, START_STREAM = 0, 1


def _iter_genes(
    expression: SortedExpression, seed: int, stream: int
) -> Iterator[tuple[FloatArray, np.random.Generator]]:
    """Yield each gene's values, one per cell, and a generator seeded by them."""
    for g in range(expression.n_genes):
        value, count = expression.get_gene(g)
        content = hashlib.blake2b(value.tobytes() + count.tobytes(), digest_size=8)
        content.update(expression.n_cells.to_bytes(8, "little"))
        random = np.random.default_rng([seed, stream, int.from_bytes(content.digest(), "little")])
        yield np.repeat(value, count.astype(np.int64)), random


def add_jitter(expression: SortedExpression, sd: float, seed: int) -> SortedExpression:
    """Add N(0, sd) noise to the value of every cell, drawn in the order of the values."""
    genes = []
    for cells, random in _iter_genes(expression, seed, JITTER_STREAM):
        genes.append((np.sort(cells + random.normal(0, sd, len(cells))), np.ones(len(cells))))
    return SortedExpression.from_genes(genes, expression.n_cells)


def draw_random_starts(
    expression: SortedExpression, gene_mask: BoolArray, n_starts: int, seed: int
) -> FloatArray:
    """Draw two-component starts as mixtools does; genes x starts x 3 (p, μ, σ) x 2.

    Means are normal around the mean of each half of the values, 1/σ is exponential with the half's
    standard deviation as its rate, weights are equal. NaN for genes outside the mask.
    """
    starts = np.full((expression.n_genes, n_starts, 3, 2), np.nan)
    for g, (cells, random) in enumerate(_iter_genes(expression, seed, START_STREAM)):
        if not gene_mask[g] or len(cells) < 4 or cells[0] == cells[-1]:
            continue
        halves = np.array_split(cells, 2)
        half_sd = np.array([half.std(ddof=1) for half in halves])
        rate = np.where(half_sd > 0, half_sd, random.uniform(0, cells.std(ddof=1), 2))
        with np.errstate(divide="ignore"):
            sd = 1 / random.exponential(1 / rate, (n_starts, 2))
        starts[g, :, 0] = 0.5
        starts[g, :, 1] = random.normal([half.mean() for half in halves], sd)
        starts[g, :, 2] = sd
    return starts
