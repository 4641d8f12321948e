"""The cut-off below which log expression counts as censored."""

from __future__ import annotations

from typing import Literal

import numpy as np

from scgnn.components.ltmg.mixture import Mixture
from scgnn.components.ltmg.ordinary import run_ordinary_em
from scgnn.components.ltmg.sorted_values import FloatArray, SortedExpression, iter_gene_blocks


def compute_global_cutoff(
    expression: SortedExpression, cutoff: Literal["gene_minimum", "crossing"] | float
) -> float:
    """The cut-off that all genes share; -inf where each gene has its own alone."""
    if cutoff == "crossing":
        lowest = expression.compute_minimum()
        return find_density_crossing(lowest[np.isfinite(lowest)])
    return -np.inf if cutoff == "gene_minimum" else float(cutoff)


def find_density_crossing(y: FloatArray) -> float:
    """Where two weighted Gaussians fitted to ``y`` cross between their means.

    Begins from the two halves of the sorted values, so the order of ``y`` does not matter. The
    smallest value where there are fewer than two distinct ones or no crossing.
    """
    value, count = np.unique(y, return_counts=True)
    if len(value) < 3:
        return float(value[0]) if len(value) else -np.inf
    halves = np.array_split(np.sort(y), 2)
    sd = np.maximum([half.std() for half in halves], 1e-4)
    start = Mixture(np.full((1, 2), 0.5), np.array([[h.mean() for h in halves]]), sd[None])
    observed = SortedExpression(value, count.astype(float), np.array([0, len(value)]), len(y))
    (block,) = iter_gene_blocks(observed, np.array([0]), np.array([-np.inf]), 2)
    fit, _ = run_ordinary_em(block, start)
    between = _solve_equal_density(*(part[0] for part in fit.sort_by_mean()))
    return between if between is not None else float(value[0])


def _solve_equal_density(p: FloatArray, mean: FloatArray, sd: FloatArray) -> float | None:
    """The root of p₁φ(y; μ₁, σ₁) = p₂φ(y; μ₂, σ₂) between μ₁ and μ₂, a quadratic in y."""
    if np.isnan(sd).any():
        return None
    a, b = -0.5 / sd**2, mean / sd**2
    c = np.log(p / sd) - mean**2 / (2 * sd**2)
    roots = np.roots([a[1] - a[0], b[1] - b[0], c[1] - c[0]])
    real = roots[np.isreal(roots)].real
    inside = real[(real > mean[0]) & (real < mean[1])]
    return float(inside[0]) if len(inside) else None
