"""Maximum-likelihood LTMG: exact EM followed by Newton steps, and model selection by BIC.

The log-likelihood of a gene is Σ_i log f(y_i) + C log Σ_j p_j Φ(z_j): f = Σ_j p_j φ(·; μ_j, σ_j) at
the N − C uncensored values, and the probability below the cut-off q for the C censored cells.
BIC = (3K − 1) log N − 2 log likelihood, K = 1 …

In a gene with censored cells the first component is "not expressed", its mean at or below q. A gene
without has no such component, nor does a single Gaussian with its mean above q.
"""

from __future__ import annotations

import numpy as np

from scgnn.components.ltmg.count_intervals import coarsen
from scgnn.components.ltmg.expectation import EStep
from scgnn.components.ltmg.mixture import Mixture, MixtureFits
from scgnn.components.ltmg.optimizer import maximize_likelihood
from scgnn.components.ltmg.padding import GenePadder
from scgnn.components.ltmg.sorted_expression import (
    FloatArray,
    IntArray,
    SortedExpression,
)

SEARCH_RESOLUTION = 96  # bins of the search for K; the selected fit uses all values
SEARCH_TOLERANCE = 0.1  # of the log-likelihood; differences in BIC matter from about 1
SEARCH_MARGIN = 2.0  # log-likelihood by which the bins of the search may be wrong


def fit_maximum_likelihood(
    expression: SortedExpression,
    cutoff: FloatArray,
    count_unit: FloatArray,
    *,
    max_components: int = 5,
    max_iterations: int = 500,
    tolerance: float = 1e-6,
    censored_bic: bool = True,
) -> MixtureFits:
    """Fit the mixture of smallest BIC to every gene.

    Parameters
    ----------
    expression
        Sorted log expression.
    cutoff
        Log expression below which values are censored; [genes].
    count_unit
        Unit of each gene's counts, 0 if it is continuous; [genes].
    max_components
        Maximum number of components, "not expressed" included.
    max_iterations, tolerance
        Maximum number of Newton steps; a fit has converged when half the Newton decrement, the
        expected gain of log-likelihood, is below ``tolerance``.
    censored_bic
        Whether the BIC includes the censored cells.
    """
    padder = GenePadder(expression, cutoff, count_unit)
    bins = coarsen(expression, cutoff, count_unit, SEARCH_RESOLUTION)
    coarse = GenePadder(bins, cutoff, count_unit)
    n_genes, n_uncensored = expression.n_genes, expression.count_above(cutoff)
    has_censored = n_uncensored < expression.n_cells
    max_k = np.where(has_censored, max_components, max(1, max_components - 1))
    bic = np.full((n_genes, max_components), np.inf)
    mixtures: list[Mixture] = []
    for k in range(1, max_components + 1):
        genes = np.flatnonzero((n_uncensored > k) & (k <= max_k))
        penalty = _compute_penalty(expression, k)
        needed = (penalty - bic.min(1)) / 2 - SEARCH_MARGIN if censored_bic else None
        mixture, _ = maximize_likelihood(
            coarse, genes, k, SEARCH_TOLERANCE, max_iterations, min_log_likelihood=needed
        )
        mixtures.append(mixture)
        bic[genes, k - 1] = _compute_bic(padder, genes, mixture, censored_bic)
    mixture = Mixture.allocate(n_genes, max(2, max_components))
    fits = MixtureFits(mixture, bic, np.zeros(n_genes, bool))
    best = np.where(n_uncensored > 1, 1 + bic.argmin(1), 0)
    for k, mixture in enumerate(mixtures, 1):
        genes = np.flatnonzero(best == k)
        for values in (coarse, padder):  # the coarse optimum is the start of the exact one
            mixture, converged = maximize_likelihood(
                values, genes, k, tolerance, max_iterations, start=mixture
            )
        bic[genes, k - 1] = _compute_bic(padder, genes, mixture, censored_bic)
        fits.converged[genes] = converged[genes]
        mixture = mixture.take(genes).sort_by_mean()
        # those that lack "not expressed" get it, with weight 0
        complete = has_censored[genes] & ((k > 1) | (mixture.mean[:, 0] <= cutoff[genes]))
        fits.mixture.put(genes[complete], mixture.take(complete))
        fits.mixture.put(genes[~complete], mixture.take(~complete).prepend_not_expressed())
    bic[np.isinf(bic)] = np.nan
    return fits


def _compute_penalty(expression: SortedExpression, n_components: int) -> float:
    return (3 * n_components - 1) * np.log(expression.n_cells)


def _compute_bic(
    padder: GenePadder, genes: IntArray, mixture: Mixture, include_censored: bool
) -> FloatArray:
    """Return (3K − 1) log N − 2 log likelihood; genes."""
    k = mixture.mean.shape[1]
    log_likelihood = np.full(padder.expression.n_genes, -np.inf)
    for padded in padder.iter_chunks(genes, k):
        e_step = EStep(padded, k)
        e_step(mixture.take(padded.gene))
        log_likelihood[padded.gene] = e_step.compute_log_likelihood(include_censored)
    return _compute_penalty(padder.expression, k) - 2 * log_likelihood[genes]
