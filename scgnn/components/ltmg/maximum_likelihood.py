"""LTMG with the likelihood taken at its word.

The log likelihood of a gene is Σ_i log f(y_i) + C log Σ_j p_j Φ(z_j): f = Σ_j p_j φ(·; μ_j, σ_j) at
the N − C values seen, and what lies below the cut-off q for the C cells that are not. It is climbed
by exact EM steps, then Newton's, and weighed by BIC = (3K − 1) log N − 2 log likelihood, K = 1 …

In a gene with censored cells the first component is "not expressed", its mean at or below q; a gene
without has none, nor has one Gaussian with its mean above q.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from scgnn.components.ltmg.expectation import EStep
from scgnn.components.ltmg.mixture import SQRT_2PI, Mixture, MixtureFits, allocate_fits
from scgnn.components.ltmg.newton import MIN_SD, clip_to_bounds
from scgnn.components.ltmg.optimizer import Initializer, Optimum, maximize_likelihood
from scgnn.components.ltmg.quadrature import TRIM_FRACTION, GenePadder, PaddedGenes, coarsen
from scgnn.components.ltmg.sorted_values import BoolArray, FloatArray, IntArray, SortedExpression

SEARCH_RESOLUTION = 96  # values that the search for K looks at; the chosen fit sees all
SEARCH_TOLERANCE = 0.1  # log likelihood left to gain; differences in BIC matter from about 1
SEARCH_MARGIN = 2.0  # log likelihood by which the search's coarse values may mislead
N_EM_STEPS = 10  # EM steps from a start that is only a guess


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
    """The mixture of smallest BIC of every gene.

    Parameters
    ----------
    cutoff
        Of each gene; values below it are censored.
    unit
        What each gene's counts are multiples of, 0 if it is continuous.
    max_iterations, tolerance
        A fit has converged when its log likelihood could rise by no more than ``tolerance``,
        half the Newton decrement.
    censored_bic
        Whether the BIC counts the censored cells.
    """
    every = GenePadder(expression, cutoff, count_unit)
    coarse = GenePadder(
        coarsen(expression, cutoff, count_unit, SEARCH_RESOLUTION), cutoff, count_unit
    )
    n_seen = expression.count_above(cutoff)
    censored = n_seen < expression.n_cells
    most = np.where(censored, max_components, max(1, max_components - 1))
    bic = np.full((expression.n_genes, max_components), np.inf)
    penalty = np.log(expression.n_cells)
    found = []
    for k in range(1, max_components + 1):
        genes = np.flatnonzero((n_seen > k) & (k <= most))
        begin = partial(initialize_equal_width, n_components=k)
        needed = (penalty * (3 * k - 1) - bic.min(1)) / 2 - SEARCH_MARGIN if censored_bic else None
        summit = maximize_likelihood(
            coarse, genes, k, begin, SEARCH_TOLERANCE, max_iterations, N_EM_STEPS, needed
        )
        found.append(summit.mixture)
        bic[genes, k - 1] = _compute_bic(every, genes, found[-1], censored_bic)
    best = np.where(n_seen > 1, 1 + bic.argmin(1), 0)
    fits = allocate_fits(expression.n_genes, max(2, max_components))
    for k in range(1, max_components + 1):
        genes = np.flatnonzero(best == k)
        near = maximize_likelihood(
            coarse, genes, k, _initialize_from(found[k - 1]), tolerance, max_iterations
        )
        summit = maximize_likelihood(
            every, genes, k, _initialize_from(near.mixture), tolerance, max_iterations
        )
        bic[genes, k - 1] = _compute_bic(every, genes, summit.mixture, censored_bic)
        _store_fits(fits, genes, summit, cutoff, censored)
    return fits._replace(bic=np.where(np.isinf(bic), np.nan, bic))


def initialize_equal_width(padded_genes: PaddedGenes, n_components: int) -> Mixture:
    """Equal components side by side over the range of the values, "not expressed" below it."""
    cells = padded_genes.repeat_for_nodes(padded_genes.count) * padded_genes.node_weight
    total = np.cumsum(cells, 1)
    low, high = (
        np.take_along_axis(
            padded_genes.node, (total < share * padded_genes.n_uncensored).sum(1, keepdims=True), 1
        )
        for share in (TRIM_FRACTION, 1 - TRIM_FRACTION)
    )
    hidden = (padded_genes.n_censored > 0) & (n_components > 1)  # genes x 1
    n_active = n_components - hidden
    width = np.maximum(high - low, 2 * MIN_SD) / n_active
    place = np.arange(n_components) - hidden
    first = hidden & (place < 0)
    p0 = np.clip(
        padded_genes.n_censored / (padded_genes.n_uncensored + padded_genes.n_censored), 0.02, 0.98
    )
    weight = np.where(hidden, np.where(first, p0, (1 - p0) / n_active), 1 / n_active)
    mean = np.where(first, padded_genes.cutoff - width / 2, low + width * (place + 0.5))
    sd = np.where(first, width / 2, width / 3)
    return clip_to_bounds(padded_genes, Mixture(weight, mean, sd))


def _initialize_from(mixture: Mixture) -> Initializer:
    """Begin where genes arrived before."""
    return lambda sample: mixture.take(sample.gene)


def _compute_bic(
    padder: GenePadder, genes: IntArray, mixture: Mixture, include_censored: bool
) -> FloatArray:
    """(3K − 1) log N − 2 log likelihood, of the values seen and of the censored cells if asked."""
    k = mixture.mean.shape[1]
    likelihood = np.full(padder.expression.n_genes, -np.inf)
    for sample in padder.iter_chunks(genes, k):
        evidence, here = EStep(sample, k), mixture.take(sample.gene)
        moments = evidence(here) if include_censored else evidence.sum_uncensored(here)
        likelihood[sample.gene] = moments.log_likelihood
    return (3 * k - 1) * np.log(padder.expression.n_cells) - 2 * likelihood[genes]


def _store_fits(
    fits: MixtureFits,
    genes: IntArray,
    optimum: Optimum,
    cutoff: FloatArray,
    has_censored: BoolArray,
) -> None:
    """Write down fits, with "not expressed" of weight 0 before those that have none."""
    fitted = optimum.mixture.take(genes).sort_by_mean()
    k = fitted.mean.shape[1]
    has = has_censored[genes] & ((k > 1) | (fitted.mean[:, 0] <= cutoff[genes]))
    fits.mixture.put(genes[has], fitted.take(has))
    fits.mixture.put(genes[~has], fitted.take(~has).prepend_not_expressed())
    fits.n_components[genes] = np.where(has, k, k + 1)
    fits.converged[genes] = optimum.converged[genes]


def assign_states_maximum_likelihood(
    expression: SortedExpression, cutoff: FloatArray, count_unit: FloatArray, mixture: Mixture
) -> NDArray[np.uint8]:
    """argmax_j p_j φ(y; μ_j, σ_j), from 0, of every value; a count's φ is that of its interval."""
    samples = GenePadder(expression, cutoff, count_unit)
    state = np.zeros(len(expression.value), np.uint8)
    several = (~np.isnan(mixture.mean)).sum(1) > 1
    genes = np.flatnonzero(several & (expression.count_above(cutoff) > 0))
    for sample in samples.iter_chunks(genes, mixture.mean.shape[1]):
        weight, mean, sd = (part[sample.gene, :, None] for part in mixture)
        with np.errstate(divide="ignore"):
            height = np.log(weight / (sd * SQRT_2PI))
        score = height - ((sample.node[:, None] - mean) / sd) ** 2 / 2
        score = sample.log_mean_exp(np.where(np.isnan(score), -np.inf, score))
        index, real = samples.get_value_index(sample.gene)
        state[index[real]] = score.argmax(1)[real]
    return state
