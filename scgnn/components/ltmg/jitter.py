"""Random numbers that belong to a gene: the same whatever other genes there are, in any order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from scgnn.components.ltmg.sorted_values import BoolArray, FloatArray, SortedExpression

JITTER_STREAM, START_STREAM = 0, 1  # what the numbers are for


def iter_gene_generators(
    expression: SortedExpression, seed: int, stream: int
) -> Iterator[np.random.Generator]:
    """One generator per gene, from the seed and the gene's sorted values."""
    for g in range(expression.n_genes):
        value, count = expression.get_gene(g)
        content = hashlib.blake2b(value.tobytes() + count.tobytes(), digest_size=8)
        content.update(expression.n_cells.to_bytes(8, "little"))
        yield np.random.default_rng([seed, stream, int.from_bytes(content.digest(), "little")])


def add_jitter(expression: SortedExpression, sd: float, seed: int) -> SortedExpression:
    """Every cell's value moved by N(0, sd), the noise handed out by rank."""
    values, start = [np.empty(0)], [0]
    for g, random in enumerate(iter_gene_generators(expression, seed, JITTER_STREAM)):
        value, count = expression.get_gene(g)
        cells = np.repeat(value, count.astype(np.int64))
        values.append(np.sort(cells + random.normal(0, sd, len(cells))))
        start.append(start[-1] + len(cells))
    value = np.concatenate(values)
    return SortedExpression(
        value, np.ones_like(value), np.array(start, np.int64), expression.n_cells
    )


def draw_random_starts(
    expression: SortedExpression, gene_mask: BoolArray, n_starts: int, seed: int
) -> FloatArray:
    """Two-component starts from the two halves of the values; genes x tries x 3 (p, μ, σ) x 2.

    Means are normal around each half's mean, 1/σ is exponential with the half's standard deviation
    as its rate, weights are equal. NaN for genes not asked for.
    """
    starts = np.full((expression.n_genes, n_starts, 3, 2), np.nan)
    for g, random in enumerate(iter_gene_generators(expression, seed, START_STREAM)):
        value, count = expression.get_gene(g)
        cells = np.repeat(value, count.astype(np.int64)) if gene_mask[g] else value[:0]
        if len(cells) < 4 or cells[0] == cells[-1]:
            continue
        halves = np.array_split(cells, 2)
        width = np.array([half.std(ddof=1) for half in halves])
        rate = np.where(width > 0, width, random.uniform(0, cells.std(ddof=1), 2))
        with np.errstate(divide="ignore"):
            sd = 1 / random.exponential(1 / rate, (n_starts, 2))
        starts[g, :, 0] = 0.5
        starts[g, :, 1] = random.normal([half.mean() for half in halves], sd)
        starts[g, :, 2] = sd
    return starts
