"""LTMG as the R program computes it: 100 plain EM steps, BIC of uncensored values, jittered ties.

Genes with cells at or below the global cut-off get a left-truncated mixture. Genes without get one
Gaussian or an ordinary two-component mixture (mixtools' ECM), with a component "not expressed" of
weight 0. Densities that underflow become NaN, and so do the components that have them.
"""

from __future__ import annotations

from operator import add
from typing import NamedTuple

import numpy as np

from scgnn.components.ltmg.expectation import EStep, Moments
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
ORDINARY_TOLERANCE = 1e-8  # rise of the log likelihood


class Candidates(NamedTuple):
    """Fits among which the BIC selects; each array is genes x candidates (x components).

    Truncated genes have one candidate for each of K = 2, 3, …; the others have a single Gaussian
    and one mixture for each random start.
    """

    mixture: Mixture
    n_components: IntArray
    bic: FloatArray  # inf if not fitted
    converged: BoolArray

    def get(self, i: int) -> Candidates:
        """Return views of the i-th candidate."""
        mixture = Mixture(*(part[:, i] for part in self.mixture))
        return Candidates(mixture, self.n_components[:, i], self.bic[:, i], self.converged[:, i])


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
    n_genes = expression.n_genes
    shape = n_genes, max(max_components - 1, 1 + starts.shape[1])
    candidates = Candidates(
        Mixture.allocate(*shape, max(max_components, 3)),
        np.zeros(shape, np.int64),
        np.full(shape, np.inf),
        np.zeros(shape, bool),
    )
    n_uncensored = expression.count_above(cutoff)
    first = candidates.get(0)
    empty = is_truncated & (n_uncensored == 0) & (expression.n_expressed > 0)
    first.bic[empty] = 2 * np.log(expression.n_cells)  # the R program's empty sum
    first.n_components[empty] = 1
    first.mixture.put(empty, Mixture(*np.zeros((3, empty.sum(), 1))))
    padder = GenePadder(expression, cutoff)
    for k in range(2, max_components + 1):
        genes = np.flatnonzero(is_truncated & (n_uncensored > k))
        for padded in padder.iter_chunks(genes, k):
            _fit_truncated(
                candidates.get(k - 2), padded, k, max_iterations, tolerance, censored_bic
            )
    _fit_ordinary(candidates, padder, np.flatnonzero(~is_truncated), starts)
    return _select(candidates, is_truncated, max_components, shrinking_k)


def _fit_truncated(
    candidate: Candidates,
    genes: PaddedGenes,
    k: int,
    max_iterations: int,
    tolerance: float,
    censored_bic: bool,
) -> None:
    """Run EM until nothing moves or a σ is NaN; components with NaN mean are dropped."""
    current = _initialize_quantiles(genes, k)
    n_genes = len(genes.gene)
    fit, converged, active = (
        Mixture.allocate(n_genes, k),
        np.zeros(n_genes, bool),
        np.arange(n_genes),
    )
    e_step = EStep(genes, k, log_space=False)
    with np.errstate(all="ignore"):
        for _ in range(max_iterations):
            previous, current = current, _compute_em_step(e_step, current)
            change = np.abs(np.subtract(current, previous)).mean(2)  # 3 x genes
            converged[active] = (change <= tolerance).all(0)
            go_on = ~(converged[active] | np.isnan(current.sd).any(1))
            if not go_on.all():
                fit.put(active, current)
                active, current = active[go_on], current.take(go_on)
                if not len(active):
                    break
                e_step.retain(go_on)
    fit.put(active, current)
    dropped = np.isnan(fit.mean)
    fit = Mixture(*(np.where(dropped, np.nan, part) for part in fit))
    candidate.mixture.put(genes.gene, fit)
    candidate.n_components[genes.gene] = (~dropped).sum(1)
    candidate.converged[genes.gene] = converged
    n_cells = genes.n_uncensored + genes.n_censored
    candidate.bic[genes.gene] = _compute_bic(genes, fit, n_cells, censored_bic)


def _initialize_quantiles(genes: PaddedGenes, k: int) -> Mixture:
    """Start at the quantiles j/(K + 1), the outer two moved beyond the data; σ of all values."""
    rank = np.arange(1, k + 1) * genes.n_uncensored // (k + 1)  # genes x components, from 1
    index = (np.cumsum(genes.count, 1)[:, None, :] < rank[:, :, None]).sum(2)
    mean = np.take_along_axis(genes.node, index, 1)
    mean[:, 0] = genes.node.min(1) - 1
    mean[:, -1] = genes.node.max(1) + 1
    ones = np.ones_like(mean)
    return Mixture(ones / k, mean, ones * _fit_gaussian(genes).sd)


def _compute_em_step(e_step: EStep, mixture: Mixture) -> Mixture:
    """Return the mixture after an EM step; σ about the old mean, as in the R program."""
    sd = mixture.sd
    uncensored = e_step.sum_uncensored(mixture._replace(sd=np.maximum(sd, TINY_SD)))
    censored = e_step.sum_censored(mixture)
    n, value_sum, _, second = map(add, uncensored, censored)
    n[(sd == 0) & (uncensored.responsibility_sum > 0)] = np.nan  # φ(y_i) is infinite
    n_cells = e_step.padded_genes.n_uncensored + e_step.padded_genes.n_censored
    mean, sd = value_sum / n, np.sqrt(second / n)
    sd[sd <= 4 * np.spacing(np.abs(mean))] = 0  # one distinct value, up to rounding
    return Mixture(n / n_cells, mean, sd)


def _fit_ordinary(
    candidates: Candidates, padder: GenePadder, genes: IntArray, starts: FloatArray
) -> None:
    """Fit one Gaussian, and a two-component mixture from each start."""
    single, expression = candidates.get(0), padder.expression
    single.n_components[genes] = 2
    for padded in padder.iter_chunks(genes, 1):
        single.mixture.put(padded.gene, _fit_gaussian(padded).prepend_not_expressed())
    above = np.nextafter(padder.cutoff, np.inf)
    several = genes[expression.count_above(above)[genes] > 2]
    for padded in GenePadder(expression, above).iter_chunks(several, 2):
        g, n = padded.gene, padded.n_uncensored
        gaussian = Mixture(*(part[g, 1:2] for part in single.mixture))
        single.bic[g] = _compute_bic(padded, gaussian, n)
        for i in range(starts.shape[1]):
            candidate = candidates.get(1 + i)
            fit, candidate.converged[g] = run_ordinary_em(
                padded, Mixture(*np.moveaxis(starts[g, i], 1, 0))
            )
            candidate.mixture.put(g, fit.prepend_not_expressed())
            candidate.n_components[g] = 3
            candidate.bic[g] = _compute_bic(padded, fit, n)


def _fit_gaussian(genes: PaddedGenes) -> Mixture:
    """Fit one Gaussian to the values, σ with n − 1 (NaN if there is one value); genes x 1."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (genes.count * genes.node).sum(1, keepdims=True) / genes.n_uncensored
        squares = (genes.count * (genes.node - mean) ** 2).sum(1, keepdims=True)
        return Mixture(
            np.ones_like(mean), mean, np.sqrt(squares / np.maximum(genes.n_uncensored - 1, 0))
        )


def run_ordinary_em(genes: PaddedGenes, start: Mixture) -> tuple[Mixture, BoolArray]:
    """Run ECM until the log likelihood stops rising; NaN where a σ vanishes.

    The cells below the cut-off are ignored. σ has its own E-step, after the mean
    (Meng and Rubin 1993).

    Returns
    -------
    The mixtures, and whether each converged.
    """
    n_genes = len(genes.gene)
    e_step, current = EStep(genes, 2, log_space=False), start
    fit, converged, active = (
        Mixture.allocate(n_genes, 2),
        np.zeros(n_genes, bool),
        np.arange(n_genes),
    )
    log_likelihood = np.full(n_genes, -np.inf)
    with np.errstate(all="ignore"):
        for _ in range(1 + MAX_ORDINARY_ITERATIONS):
            moments = e_step.sum_uncensored(current)
            previous, log_likelihood = log_likelihood, e_step.compute_log_likelihood(False)
            rise = log_likelihood - previous
            failed = ~(current.sd >= SINGULAR_SD).all(1) | np.isnan(rise)
            fit.put(active, Mixture(*(np.where(failed[:, None], np.nan, part) for part in current)))
            converged[active] = ~failed & (rise <= ORDINARY_TOLERANCE)
            go_on = ~failed & (rise > ORDINARY_TOLERANCE)
            if not go_on.all():
                active, current = active[go_on], current.take(go_on)
                if not len(active):
                    break
                moments = Moments(*(part[go_on] for part in moments))
                log_likelihood = log_likelihood[go_on]
                e_step.retain(go_on)
            n, mean = moments.responsibility_sum, moments.value_sum / moments.responsibility_sum
            n_cells = e_step.padded_genes.n_uncensored
            n, _, _, second = e_step.sum_uncensored(Mixture(n / n_cells, mean, current.sd))
            current = Mixture(n / n_cells, mean, np.sqrt(second / n))
    return fit, converged


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
    best, bic = np.zeros_like(row), np.full((len(row), max_components), np.inf)
    for g in row:
        n_candidates = k - 1 if is_truncated[g] else 1 + count_ordinary_starts(k)
        values = candidates.bic[g, :n_candidates]
        best[g] = values.argmin()
        by_k = np.append(values[0], values[1:].min(initial=np.inf))
        if is_truncated[g]:
            by_k = np.append(np.inf, values)
        bic[g, : len(by_k)] = by_k[:max_components]
        n_selected = int(candidates.n_components[g, best[g]])
        if shrinking_k and n_selected > 1:
            k = n_selected
    bic[np.isinf(bic)] = np.nan
    mixture = Mixture(*(part[row, best] for part in candidates.mixture)).sort_by_mean()
    n_components, converged = candidates.n_components[row, best], candidates.converged[row, best]
    return MixtureFits(mixture, n_components, bic, converged)
