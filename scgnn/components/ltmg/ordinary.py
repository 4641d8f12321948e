"""Mixtures of genes without censored cells, as the R program fits them: one Gaussian or two."""

from __future__ import annotations

import numpy as np

from scgnn.components.ltmg.expectation import SufficientStatistics, UncensoredEStep
from scgnn.components.ltmg.mixture import Mixture
from scgnn.components.ltmg.model_selection import Candidates, allocate_candidates, compute_bic
from scgnn.components.ltmg.sorted_values import (
    BoolArray,
    FloatArray,
    GeneBlock,
    IntArray,
    SortedExpression,
    iter_gene_blocks,
)

SINGULAR_SD = 1e-8  # σ at which an ordinary mixture is given up
MAX_ITERATIONS = 1000
TOLERANCE = 1e-8  # rise of the log likelihood


def fit_ordinary(
    expression: SortedExpression, genes: IntArray, cutoff: FloatArray, starts: FloatArray
) -> Candidates:
    """One Gaussian, and a two-component mixture from each start, for genes without censored cells.

    Parameters
    ----------
    starts
        p, μ, σ to begin from; genes x starts x 3 x 2. No starts: one Gaussian.
    """
    tries = 1 + starts.shape[1]
    out = allocate_candidates(len(genes), tries, 3)
    out.n_components[:, 0] = 2
    row = np.full(expression.n_genes, -1)
    row[genes] = np.arange(len(genes))
    single = _fit_gaussians(expression, genes, cutoff)
    out.mixtures[0].put(np.arange(len(genes)), single.prepend_not_expressed())
    above = np.nextafter(cutoff, np.inf)
    several = expression.count_above(above)[genes] > 2
    for block in iter_gene_blocks(expression, genes[several], above, 2):
        i = row[block.gene]
        out.bic[i, 0], _ = compute_bic(block, single.take(i), block.n_uncensored[:, 0])
        for at in range(1, tries):
            start = Mixture(*np.moveaxis(starts[i, at - 1], 1, 0))
            fit, out.converged[i, at] = run_ordinary_em(block, start)
            bic, _ = compute_bic(block, fit, block.n_uncensored[:, 0])
            out.bic[i, at] = np.where(np.isnan(fit.sd).any(1), np.inf, bic)
            out.n_components[i, at] = 3
            out.mixtures[at].put(i, fit.prepend_not_expressed())
    return out


def _fit_gaussians(expression: SortedExpression, genes: IntArray, cutoff: FloatArray) -> Mixture:
    """One Gaussian per gene, σ with n − 1; genes x 1."""
    fits = np.full((3, len(genes), 1), np.nan)
    for i, g in enumerate(genes):
        value, count = expression.get_gene(g)
        y, m = value[value >= cutoff[g]], count[value >= cutoff[g]]
        with np.errstate(invalid="ignore"):  # NaN where there is one value or none
            mean = (m * y).sum() / m.sum()
            variance = (m * (y - mean) ** 2).sum() / np.maximum(m.sum() - 1, 0)
        fits[:, i, 0] = 1, mean, np.sqrt(variance)
    return Mixture(*fits)


def run_ordinary_em(block: GeneBlock, initial_mixture: Mixture) -> tuple[Mixture, BoolArray]:
    """ECM until the log likelihood rises by no more than 1e-8; NaN where a σ fell to nothing."""
    now, expectation = initial_mixture, UncensoredEStep(block, 2)
    fit = Mixture(*(np.full_like(part, np.nan) for part in initial_mixture))
    converged = np.zeros(len(block.gene), bool)
    going = np.arange(len(block.gene))
    with np.errstate(all="ignore"):
        seen, likelihood = expectation(now), expectation.compute_log_likelihood()
        for _ in range(MAX_ITERATIONS):
            before = likelihood
            now = Mixture(
                seen.responsibility_sum / block.n_uncensored,
                seen.value_sum / seen.responsibility_sum,
                now.sd,
            )
            seen = expectation(now)  # conditional maximization: σ comes after its own E-step
            now = Mixture(
                seen.responsibility_sum / block.n_uncensored,
                now.mean,
                np.sqrt(seen.squared_deviation_sum / seen.responsibility_sum),
            )
            seen, likelihood = expectation(now), expectation.compute_log_likelihood()
            rise = likelihood - before
            lost = ~(now.sd >= SINGULAR_SD).all(1) | np.isnan(rise)
            fit.put(going[~lost], now.take(~lost))
            converged[going] = ~lost & (rise <= TOLERANCE)
            go_on = ~lost & (rise > TOLERANCE)
            fit.put(going[lost], Mixture(*(np.full_like(p[lost], np.nan) for p in now)))
            going, now, block = going[go_on], now.take(go_on), block.take(go_on)
            seen, likelihood = (
                SufficientStatistics(*(part[go_on] for part in seen)),
                likelihood[go_on],
            )
            if not len(going):
                break
            expectation.retain(go_on)
    return fit, converged
