"""Maximization of the left-truncated likelihood: a few exact EM steps, then Newton's method."""

from __future__ import annotations

import numpy as np

from scgnn.components.ltmg.count_intervals import TRIM_FRACTION
from scgnn.components.ltmg.expectation import EStep, Moments
from scgnn.components.ltmg.mixture import Mixture
from scgnn.components.ltmg.newton import (
    MIN_CELLS,
    MIN_SD,
    clip_to_bounds,
    compute_derivatives,
    compute_newton_step,
)
from scgnn.components.ltmg.padding import GenePadder, PaddedGenes
from scgnn.components.ltmg.sorted_expression import BoolArray, FloatArray, IntArray

DAMPING_INCREASE, DAMPING_DECREASE = 8.0, 0.5  # after a step that fails, or succeeds
MIN_DAMPING, INITIAL_DAMPING, MAX_DAMPING = 1e-9, 1e-2, 1e6
GAIN_SAFETY_FACTOR = 100.0  # by which the quadratic model may underestimate the gain
N_EM_STEPS = 10  # from an initial guess
LIKELIHOOD_ROUNDING = 1e-9  # by which a log-likelihood may seem to fall


def maximize_likelihood(
    padder: GenePadder,
    genes: IntArray,
    n_components: int,
    tolerance: float,
    max_iterations: int,
    *,
    start: Mixture | None = None,
    min_log_likelihood: FloatArray | None = None,
) -> tuple[Mixture, BoolArray]:
    """Maximize the likelihood until half the Newton decrement is below ``tolerance``.

    Parameters
    ----------
    padder
        Values of all genes.
    genes
        Indices of the genes to fit.
    n_components
        Number of components K.
    tolerance
        Gain of log-likelihood below which a gene has converged.
    max_iterations
        Maximum number of Newton steps.
    start
        Mixtures to start from; None: equal components, after ``N_EM_STEPS`` EM steps; [all genes].
    min_log_likelihood
        Log likelihood of use to the caller; a gene ends when ``GAIN_SAFETY_FACTOR`` times the
        expected gain does not reach it; [all genes].

    Returns
    -------
    mixture, converged
        The maximum of each gene, and whether it was reached; NaN and False for other genes.
    """
    n_genes = padder.expression.n_genes
    if min_log_likelihood is None:
        min_log_likelihood = np.full(n_genes, -np.inf)
    optimum, converged = Mixture.allocate(n_genes, n_components), np.zeros(n_genes, bool)
    for padded in padder.iter_chunks(genes, n_components):
        e_step, damping = EStep(padded, n_components), np.full(len(padded.gene), INITIAL_DAMPING)
        proposal = start.take(padded.gene) if start else _initialize_mixture(e_step, n_components)
        current: list[np.ndarray] = []
        for n_steps in range(1, max_iterations + 1):
            padded, moments = e_step.padded_genes, e_step(proposal)
            log_likelihood = e_step.compute_log_likelihood()
            derivatives = compute_derivatives(e_step, proposal, moments)
            new = [log_likelihood, *proposal, *derivatives]
            current = current or new
            reject = log_likelihood < current[0] - LIKELIHOOD_ROUNDING
            for part, old in zip(new, current, strict=True):
                part[reject] = old[reject]
            mixture, current = proposal, new
            damping = damping * np.where(reject, DAMPING_INCREASE, DAMPING_DECREASE)
            damping = np.maximum(damping, MIN_DAMPING)
            proposal, gain = compute_newton_step(padded, mixture, derivatives, damping)
            converged[padded.gene] = gain < tolerance
            bound = log_likelihood + GAIN_SAFETY_FACTOR * gain
            stop = (gain < tolerance) | (bound < min_log_likelihood[padded.gene])
            stop |= (n_steps == max_iterations) | (damping > MAX_DAMPING)
            optimum.put(padded.gene[stop], mixture.take(stop))
            if stop.all():
                break
            if stop.any():
                e_step.retain(~stop)
                current = [part[~stop] for part in current]
                proposal, damping = proposal.take(~stop), damping[~stop]
    return optimum, converged


def _initialize_mixture(e_step: EStep, n_components: int) -> Mixture:
    """Run EM steps from equal components side by side, and "not expressed" below them."""
    genes = e_step.padded_genes
    total = np.cumsum(genes.repeat_for_nodes(genes.count) * genes.node_weight, 1)
    low, high = (
        np.take_along_axis(genes.node, (total < p * genes.n_uncensored).sum(1, keepdims=True), 1)
        for p in (TRIM_FRACTION, 1 - TRIM_FRACTION)
    )
    has_hidden = (genes.n_censored > 0) & (n_components > 1)  # genes x 1
    n_active = n_components - has_hidden
    width = np.maximum(high - low, 2 * MIN_SD) / n_active
    rank = np.arange(n_components) - has_hidden
    is_hidden = rank < 0
    p0 = np.clip(genes.n_censored / (genes.n_uncensored + genes.n_censored), 0.02, 0.98)
    weight = np.where(has_hidden, np.where(is_hidden, p0, (1 - p0) / n_active), 1 / n_active)
    mean = np.where(is_hidden, genes.cutoff - width / 2, low + width * (rank + 0.5))
    sd = np.where(is_hidden, width / 2, width / 3)
    mixture = clip_to_bounds(genes, Mixture(weight, mean, sd))
    for _ in range(N_EM_STEPS):
        mixture = _compute_m_step(genes, mixture, e_step(mixture))
    return mixture


def _compute_m_step(genes: PaddedGenes, mixture: Mixture, moments: Moments) -> Mixture:
    """Return the exact M-step: σ about the new mean, within bounds."""
    n = np.maximum(moments.responsibility_sum, MIN_CELLS)
    shift = moments.first_moment / n
    result = clip_to_bounds(genes, Mixture(n, mixture.mean + shift, mixture.sd))
    moved = result.mean - mixture.mean
    variance = moments.second_moment / n - 2 * moved * shift + moved**2
    return clip_to_bounds(genes, result._replace(sd=np.sqrt(np.maximum(variance, 0))))
