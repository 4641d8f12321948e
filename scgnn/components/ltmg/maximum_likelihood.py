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

from scgnn.components.ltmg.expectation import Evidence
from scgnn.components.ltmg.mixture import ROOT_2PI, Fits, Mixture, no_fits
from scgnn.components.ltmg.newton import NARROWEST, within_bounds
from scgnn.components.ltmg.optimizer import Start, Summit, climb
from scgnn.components.ltmg.quadrature import TRIM, Sample, Samples, coarsened
from scgnn.components.ltmg.sorted_values import Bools, Floats, Integers, Observed

RESOLUTION = 96  # values that the search for K looks at; the chosen fit sees all
SEARCH_TOLERANCE = 0.1  # log likelihood left to gain; differences in BIC matter from about 1
MARGIN = 2.0  # log likelihood by which the search's coarse values may mislead
WARM_UP = 10  # EM steps from a start that is only a guess


def fit_corrected(
    observed: Observed,
    cutoff: Floats,
    unit: Floats,
    *,
    max_components: int = 5,
    max_iterations: int = 500,
    tolerance: float = 1e-6,
    censored_bic: bool = True,
) -> Fits:
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
    every = Samples(observed, cutoff, unit)
    coarse = Samples(coarsened(observed, cutoff, unit, RESOLUTION), cutoff, unit)
    n_seen = observed.n_above(cutoff)
    censored = n_seen < observed.n_cells
    most = np.where(censored, max_components, max(1, max_components - 1))
    bic = np.full((observed.n_genes, max_components), np.inf)
    penalty = np.log(observed.n_cells)
    found = []
    for k in range(1, max_components + 1):
        genes = np.flatnonzero((n_seen > k) & (k <= most))
        begin = partial(side_by_side, n_components=k)
        needed = (penalty * (3 * k - 1) - bic.min(1)) / 2 - MARGIN if censored_bic else None
        summit = climb(coarse, genes, k, begin, SEARCH_TOLERANCE, max_iterations, WARM_UP, needed)
        found.append(summit.mixture)
        bic[genes, k - 1] = _bic(every, genes, found[-1], censored_bic)
    best = np.where(n_seen > 1, 1 + bic.argmin(1), 0)
    fits = no_fits(observed.n_genes, max(2, max_components))
    for k in range(1, max_components + 1):
        genes = np.flatnonzero(best == k)
        near = climb(coarse, genes, k, _from(found[k - 1]), tolerance, max_iterations)
        summit = climb(every, genes, k, _from(near.mixture), tolerance, max_iterations)
        bic[genes, k - 1] = _bic(every, genes, summit.mixture, censored_bic)
        _keep(fits, genes, summit, cutoff, censored)
    return fits._replace(bic=np.where(np.isinf(bic), np.nan, bic))


def side_by_side(sample: Sample, n_components: int) -> Mixture:
    """Equal components side by side over the range of the values, "not expressed" below it."""
    cells = sample.by_node(sample.count) * sample.share
    total = np.cumsum(cells, 1)
    low, high = (
        np.take_along_axis(sample.node, (total < share * sample.n).sum(1, keepdims=True), 1)
        for share in (TRIM, 1 - TRIM)
    )
    hidden = (sample.censored > 0) & (n_components > 1)  # genes x 1
    n_active = n_components - hidden
    width = np.maximum(high - low, 2 * NARROWEST) / n_active
    place = np.arange(n_components) - hidden
    first = hidden & (place < 0)
    p0 = np.clip(sample.censored / (sample.n + sample.censored), 0.02, 0.98)
    weight = np.where(hidden, np.where(first, p0, (1 - p0) / n_active), 1 / n_active)
    mean = np.where(first, sample.cutoff - width / 2, low + width * (place + 0.5))
    sd = np.where(first, width / 2, width / 3)
    return within_bounds(sample, Mixture(weight, mean, sd))


def _from(mixture: Mixture) -> Start:
    """Begin where genes arrived before."""
    return lambda sample: mixture.rows(sample.gene)


def _bic(samples: Samples, genes: Integers, mixture: Mixture, censored: bool) -> Floats:
    """(3K − 1) log N − 2 log likelihood, of the values seen and of the censored cells if asked."""
    k = mixture.mean.shape[1]
    likelihood = np.full(samples.observed.n_genes, -np.inf)
    for sample in samples.batches(genes, k):
        evidence, here = Evidence(sample, k), mixture.rows(sample.gene)
        moments = evidence(here) if censored else evidence.seen(here)
        likelihood[sample.gene] = moments.likelihood
    return (3 * k - 1) * np.log(samples.observed.n_cells) - 2 * likelihood[genes]


def _keep(fits: Fits, genes: Integers, summit: Summit, cutoff: Floats, censored: Bools) -> None:
    """Write down fits, with "not expressed" of weight 0 before those that have none."""
    fitted = summit.mixture.rows(genes).sorted()
    k = fitted.mean.shape[1]
    has = censored[genes] & ((k > 1) | (fitted.mean[:, 0] <= cutoff[genes]))
    fits.mixture.put(genes[has], fitted.rows(has))
    fits.mixture.put(genes[~has], fitted.rows(~has).after_not_expressed())
    fits.n_components[genes] = np.where(has, k, k + 1)
    fits.converged[genes] = summit.converged[genes]


def assign_corrected(
    observed: Observed, cutoff: Floats, unit: Floats, mixture: Mixture
) -> NDArray[np.uint8]:
    """argmax_j p_j φ(y; μ_j, σ_j), from 0, of every value; a count's φ is that of its interval."""
    samples = Samples(observed, cutoff, unit)
    state = np.zeros(len(observed.value), np.uint8)
    several = (~np.isnan(mixture.mean)).sum(1) > 1
    genes = np.flatnonzero(several & (observed.n_above(cutoff) > 0))
    for sample in samples.batches(genes, mixture.mean.shape[1]):
        weight, mean, sd = (part[sample.gene, :, None] for part in mixture)
        with np.errstate(divide="ignore"):
            height = np.log(weight / (sd * ROOT_2PI))
        score = height - ((sample.node[:, None] - mean) / sd) ** 2 / 2
        score = sample.log_mean(np.where(np.isnan(score), -np.inf, score))
        index, real = samples.index(sample.gene)
        state[index[real]] = score.argmax(1)[real]
    return state
