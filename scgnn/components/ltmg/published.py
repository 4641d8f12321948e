"""LTMG as the R program computes it: 100 plain EM steps, BIC of uncensored values, jittered ties.

Genes with cells at or below the global cut-off get a left-truncated mixture. Genes without get one
Gaussian or an ordinary two-component mixture (mixtools' ECM), with a component "not expressed" of
weight 0. Densities that underflow become NaN, and so do the components that have them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import add
from typing import NamedTuple

import numpy as np

from scgnn.components.ltmg.expectation import EStep
from scgnn.components.ltmg.mixture import Mixture, MixtureFits
from scgnn.components.ltmg.padding import GenePadder, PaddedGenes
from scgnn.components.ltmg.sorted_expression import (
    BoolArray,
    FloatArray,
    IntArray,
    SortedExpression,
)

MIN_LOG_DENSITY = -745.2  # the log of a density that is 0 in double precision
TINY_SD = 1e-13  # width of a component without any, which its density requires
SINGULAR_SD = 1e-8  # σ at which an ordinary mixture is given up
MAX_ORDINARY_ITERATIONS = 1000
ORDINARY_TOLERANCE = 1e-8  # rise of the log-likelihood

# the fits of the genes, their next mixtures, whether each has converged, and which continue
EMStepResult = tuple[Mixture, Mixture, BoolArray, BoolArray]
EMStep = Callable[[EStep, Mixture, IntArray], EMStepResult]


class Candidates(NamedTuple):
    """Fits among which the BIC selects; each array is genes x candidates (x components).

    Truncated genes have one candidate for each of K = 2, 3, …, after an empty one; the others have
    a single Gaussian and one mixture for each random start.
    """

    mixture: Mixture
    bic: FloatArray  # inf if not fitted
    converged: BoolArray

    def put(self, genes: IntArray, i: int, mixture: Mixture) -> None:
        """Write the i-th mixture of some genes."""
        for target, source in zip(self.mixture, mixture, strict=True):
            target[genes, i, : source.shape[1]] = source


def fit_published(
    expression: SortedExpression,
    cutoff: FloatArray,
    is_truncated: BoolArray,
    starts: FloatArray,
    *,
    max_components: int = 5,
    max_iterations: int = 100,
    tolerance: float = 1e-10,
    censored_bic: bool = False,
    shrinking_k: bool = False,
) -> MixtureFits:
    """Fit the mixture of smallest BIC to every gene (``RunLTMG.R``).

    Parameters
    ----------
    expression
        Sorted log expression, with jitter.
    cutoff
        Log expression below which values are censored; [genes].
    is_truncated
        Genes with cells at or below the global cut-off; [genes].
    starts
        Starts of ordinary mixtures; [genes x starts x 3 (p, μ, σ) x 2]. No starts: one Gaussian.
    max_components
        Maximum number of components, "not expressed" included.
    max_iterations, tolerance
        EM ends when the mean absolute changes of p, μ and σ are at most ``tolerance``.
    censored_bic
        Whether the BIC includes the censored cells.
    shrinking_k
        Limit the number of components to that of the gene before.
    """
    shape = expression.n_genes, max(max_components, 1 + starts.shape[1])
    mixture = Mixture.allocate(*shape, max(max_components, 3))
    candidates = Candidates(mixture, np.full(shape, np.inf), np.zeros(shape, bool))
    n_uncensored = expression.count_above(cutoff)
    empty = np.flatnonzero(is_truncated & (n_uncensored == 0) & (expression.n_expressed > 0))
    candidates.put(empty, 1, Mixture(*np.zeros((3, len(empty), 1))))
    candidates.bic[empty, 1] = 2 * np.log(expression.n_cells)  # the R program's empty sum
    padder = GenePadder(expression, cutoff)
    for k in range(2, max_components + 1):
        genes = np.flatnonzero(is_truncated & (n_uncensored > k))
        for padded in padder.iter_chunks(genes, k):
            step = partial(_step_truncated, tolerance=tolerance)
            start, candidate = _initialize_quantiles(padded, k), (padded.gene, k - 1)
            fit, candidates.converged[candidate] = _run_em(padded, start, step, max_iterations)
            # a component without a mean is dropped
            fit = Mixture(*(np.where(np.isnan(fit.mean), np.nan, part) for part in fit))
            n_cells = padded.n_uncensored + padded.n_censored
            candidates.put(*candidate, fit)
            candidates.bic[candidate] = _compute_bic(padded, fit, n_cells, censored_bic)
    _fit_ordinary(candidates, padder, np.flatnonzero(~is_truncated), starts)
    return _select(candidates, is_truncated, max_components, shrinking_k)


def _run_em(
    genes: PaddedGenes, start: Mixture, step: EMStep, max_iterations: int
) -> tuple[Mixture, BoolArray]:
    """Repeat an EM step until every gene ends; return the mixtures, and whether each converged."""
    e_step, current = EStep(genes, start.mean.shape[1], log_space=False), start
    fit, active = Mixture.allocate(*start.mean.shape), np.arange(len(start.mean))
    converged = np.zeros(len(active), bool)
    with np.errstate(all="ignore"):
        for _ in range(max_iterations):
            result, current, converged[active], remaining = step(e_step, current, active)
            fit.put(active, result)
            if not remaining.all():
                active, current = active[remaining], current.take(remaining)
                if not len(active):
                    break
                e_step.retain(remaining)
    return fit, converged


def _initialize_quantiles(genes: PaddedGenes, k: int) -> Mixture:
    """Start at the quantiles j/(K + 1), the outer two moved beyond the data; σ of all values."""
    rank = np.arange(1, k + 1) * genes.n_uncensored // (k + 1)  # genes x components, from 1
    index = (np.cumsum(genes.count, 1)[:, None, :] < rank[:, :, None]).sum(2)
    mean = np.take_along_axis(genes.node, index, 1)
    mean[:, 0] = genes.node.min(1) - 1
    mean[:, -1] = genes.node.max(1) + 1
    ones = np.ones_like(mean)
    return Mixture(ones / k, mean, ones * _fit_gaussian(genes).sd)


def _step_truncated(
    e_step: EStep, mixture: Mixture, _active: IntArray, *, tolerance: float
) -> EMStepResult:
    """Update all parameters, σ about the old mean as in the R program, until a σ is NaN."""
    sd = mixture.sd
    uncensored = e_step.sum_uncensored(mixture._replace(sd=np.maximum(sd, TINY_SD)))
    n, value_sum, _, second = map(add, uncensored, e_step.sum_censored(mixture))
    n[(sd == 0) & (uncensored.responsibility_sum > 0)] = np.nan  # φ(y_i) is infinite
    n_cells = e_step.padded_genes.n_uncensored + e_step.padded_genes.n_censored
    mean, sd = value_sum / n, np.sqrt(second / n)
    sd[sd <= 4 * np.spacing(np.abs(mean))] = 0  # one distinct value, up to rounding
    new = Mixture(n / n_cells, mean, sd)
    change = np.abs(np.subtract(new, mixture)).mean(2)  # 3 x genes
    converged = (change <= tolerance).all(0)
    return new, new, converged, ~(converged | np.isnan(sd).any(1))


def _fit_ordinary(
    candidates: Candidates, padder: GenePadder, genes: IntArray, starts: FloatArray
) -> None:
    """Fit one Gaussian, and a two-component mixture from each start."""
    for padded in padder.iter_chunks(genes, 1):
        candidates.put(padded.gene, 0, _fit_gaussian(padded).prepend_not_expressed())
    above, expression = np.nextafter(padder.cutoff, np.inf), padder.expression
    several = genes[expression.count_above(above)[genes] > 2]
    for padded in GenePadder(expression, above).iter_chunks(several, 2):
        g, n = padded.gene, padded.n_uncensored
        gaussian = Mixture(*(part[g, 0, 1:2] for part in candidates.mixture))
        candidates.bic[g, 0] = _compute_bic(padded, gaussian, n)
        for i in range(starts.shape[1]):
            start = Mixture(*np.moveaxis(starts[g, i], 1, 0))
            fit, candidates.converged[g, 1 + i] = run_ordinary_em(padded, start)
            candidates.put(g, 1 + i, fit.prepend_not_expressed())
            candidates.bic[g, 1 + i] = _compute_bic(padded, fit, n)


def _fit_gaussian(genes: PaddedGenes) -> Mixture:
    """Fit one Gaussian to the values, σ with n − 1 (NaN if there is one value); genes x 1."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (genes.count * genes.node).sum(1, keepdims=True) / genes.n_uncensored
        squares = (genes.count * (genes.node - mean) ** 2).sum(1, keepdims=True)
        sd = np.sqrt(squares / np.maximum(genes.n_uncensored - 1, 0))
    return Mixture(np.ones_like(mean), mean, sd)


def run_ordinary_em(genes: PaddedGenes, start: Mixture) -> tuple[Mixture, BoolArray]:
    """Run ECM until the log-likelihood stops rising; NaN where a σ vanishes.

    The cells below the cut-off are ignored. σ has its own E-step, after the mean
    (Meng and Rubin 1993).

    Returns
    -------
    The mixtures, and whether each converged.
    """
    log_likelihood = np.full(len(genes.gene), -np.inf)

    def step(e_step: EStep, current: Mixture, active: IntArray) -> EMStepResult:
        n, value_sum, _, _ = e_step.sum_uncensored(current)
        previous = log_likelihood[active]
        log_likelihood[active] = e_step.compute_log_likelihood(include_censored=False)
        rise = log_likelihood[active] - previous
        failed = ~(current.sd >= SINGULAR_SD).all(1) | np.isnan(rise)
        result = Mixture(*(np.where(failed[:, None], np.nan, part) for part in current))
        mean, n_cells = value_sum / n, e_step.padded_genes.n_uncensored
        n, _, _, second = e_step.sum_uncensored(Mixture(n / n_cells, mean, current.sd))
        converged = ~failed & (rise <= ORDINARY_TOLERANCE)
        new = Mixture(n / n_cells, mean, np.sqrt(second / n))
        return result, new, converged, ~(failed | converged)

    return _run_em(genes, start, step, 1 + MAX_ORDINARY_ITERATIONS)


def _compute_bic(
    genes: PaddedGenes, mixture: Mixture, n_cells: FloatArray, include_censored: bool = False
) -> FloatArray:
    """Return (3R − 1) log N − 2 log likelihood, R the components that have a mean; genes."""
    fitted = ~np.isnan(mixture.mean)
    weight, mean = (np.where(fitted, part, 0) for part in mixture[:2])
    sd = np.where(fitted, np.where(mixture.sd > 0, mixture.sd, np.nan), 1)
    e_step = EStep(genes, mean.shape[1], log_space=False)
    with np.errstate(all="ignore"):
        e_step(Mixture(weight, mean, sd))
    n_parameters = 3 * fitted.sum(1) - 1
    log_likelihood = e_step.compute_log_likelihood(include_censored)
    bic = n_parameters * np.log(n_cells[:, 0]) - 2 * log_likelihood
    return np.where(np.isnan(bic) | (n_parameters < 0), np.inf, bic)


def count_ordinary_starts(max_components: int) -> int:
    """Return the number of two-component starts, that of K in R's ``2:(k - 1)``."""
    return 2 if max_components == 2 else max_components - 2


def _select(
    candidates: Candidates, is_truncated: BoolArray, max_components: int, shrinking_k: bool
) -> MixtureFits:
    """Select the candidate of smallest BIC for every gene."""
    k, row = max_components, np.arange(len(is_truncated))
    best, bic = np.zeros_like(row), np.full((len(row), max_components), np.nan)
    n_components = candidates.mixture.n_components
    for g in row:
        values = candidates.bic[g, : k if is_truncated[g] else 1 + count_ordinary_starts(k)]
        best[g] = values.argmin()
        if not is_truncated[g]:
            values = np.append(values[0], values[1:].min(initial=np.inf))
        bic[g, : len(values)] = np.where(np.isinf(values), np.nan, values)
        n_selected = int(n_components[g, best[g]])
        if shrinking_k and n_selected > 1:
            k = n_selected
    mixture = Mixture(*(part[row, best] for part in candidates.mixture)).sort_by_mean()
    return MixtureFits(mixture, bic, candidates.converged[row, best])
