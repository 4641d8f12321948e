"""Cut-offs below which log expression counts as censored."""

from __future__ import annotations

from typing import Literal

import numpy as np

from scgnn.components.ltmg.mixture import Mixture
from scgnn.components.ltmg.padding import GenePadder
from scgnn.components.ltmg.published import run_ordinary_em
from scgnn.components.ltmg.sorted_expression import FloatArray, SortedExpression


def compute_global_cutoff(
    expression: SortedExpression, cutoff: Literal["gene_minimum", "crossing"] | float
) -> float:
    """Return the cut-off that all genes share, -inf if there is none."""
    if cutoff == "crossing":
        minimum = expression.compute_minimum()
        return find_density_crossing(minimum[np.isfinite(minimum)])
    return -np.inf if cutoff == "gene_minimum" else float(cutoff)


def compute_gene_cutoffs(
    expression: SortedExpression, count_unit: FloatArray, global_cutoff: float
) -> FloatArray:
    """Return each gene's cut-off, inf if it has no value at or above the global one; genes.

    The smallest value at or above ``global_cutoff`` minus half a unit for counts; for continuous
    genes their smallest value, or ``global_cutoff`` if that is higher.
    """
    cutoff = np.full(expression.n_genes, np.inf)
    for g in range(expression.n_genes):
        value = expression.get_gene(g)[0]
        uncensored = value[np.searchsorted(value, global_cutoff) :]
        if len(uncensored):
            half = count_unit[g] / 2 * np.exp(-uncensored[0])
            count_cutoff = uncensored[0] + np.log1p(-half)
            cutoff[g] = count_cutoff if half else max(value[0], global_cutoff)
    return cutoff


def find_density_crossing(y: FloatArray) -> float:
    """Return the point between their means at which two Gaussians fitted to ``y`` are equal.

    The fit starts from the two halves of the sorted values, so the order of ``y`` does not matter.
    Without a crossing, or with fewer than three distinct values, return the smallest value; without
    values, -inf.
    """
    value, count = np.unique(y, return_counts=True)
    if len(value) < 3:
        return float(value[0]) if len(value) else -np.inf
    halves = np.array_split(np.sort(y), 2)
    mean = np.array([[half.mean() for half in halves]])
    sd = np.maximum([[half.std() for half in halves]], 1e-4)
    padder = GenePadder(SortedExpression.from_genes([(value, count)], len(y)), np.array([-np.inf]))
    mixture, _ = run_ordinary_em(padder.pad(np.array([0])), Mixture(np.full((1, 2), 0.5), mean, sd))
    crossing = _solve_equal_density(*(part[0] for part in mixture.sort_by_mean()))
    return float(value[0]) if crossing is None else crossing


def _solve_equal_density(p: FloatArray, mean: FloatArray, sd: FloatArray) -> float | None:
    """Solve p₁φ(y; μ₁, σ₁) = p₂φ(y; μ₂, σ₂), a quadratic in y, between μ₁ and μ₂."""
    if np.isnan(sd).any():
        return None
    a, b = -0.5 / sd**2, mean / sd**2
    c = np.log(p / sd) - mean**2 / (2 * sd**2)
    roots = np.roots([a[1] - a[0], b[1] - b[0], c[1] - c[0]])
    real = roots[np.isreal(roots)].real
    between = real[(real > mean[0]) & (real < mean[1])]
    return float(between[0]) if len(between) else None
