"""Maximization of the left-truncated likelihood: a few exact EM steps, then Newton's method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from scgnn.components.ltmg.expectation import EStep, Moments
from scgnn.components.ltmg.mixture import Mixture
from scgnn.components.ltmg.newton import (
    MIN_CELLS,
    Derivatives,
    clip_to_bounds,
    compute_derivatives,
    compute_newton_step,
)
from scgnn.components.ltmg.padding import MAX_ELEMENTS, GenePadder, PaddedGenes
from scgnn.components.ltmg.sorted_expression import BoolArray, FloatArray, IntArray

DAMPING_INCREASE, DAMPING_DECREASE = 8.0, 0.5  # after a step that fails, or succeeds
MIN_DAMPING, INITIAL_DAMPING, MAX_DAMPING = 1e-9, 1e-2, 1e6
GAIN_SAFETY_FACTOR = 100.0  # by which the quadratic model may underestimate the gain
LIKELIHOOD_ROUNDING = 1e-9  # by which a log likelihood may seem to fall

Initializer = Callable[[PaddedGenes], Mixture]


class Optimum(NamedTuple):
    """Maximum of each gene's likelihood; arrays of all genes, filled for those fitted."""

    mixture: Mixture  # genes x components
    converged: BoolArray  # genes


class Iterate(NamedTuple):
    """A point with its log likelihood and derivatives; every array begins with the genes."""

    mixture: Mixture
    log_likelihood: FloatArray
    derivatives: Derivatives


class OptimizerState(NamedTuple):
    """State of the genes in progress; every array begins with the genes."""

    current: Iterate
    proposal: Mixture  # evaluated in the next step
    damping: FloatArray
    n_steps: IntArray


def maximize_likelihood(
    padder: GenePadder,
    genes: IntArray,
    n_components: int,
    initialize: Initializer,
    tolerance: float,
    max_iterations: int,
    n_em_steps: int = 0,
    min_log_likelihood: FloatArray | None = None,
) -> Optimum:
    """Maximize the likelihood until half the Newton decrement is below ``tolerance``.

    Genes that finish are replaced by others, so that arrays stay long.

    Parameters
    ----------
    padder
        Values of all genes.
    genes
        Indices of the genes to fit.
    n_components
        Number of components K.
    initialize
        Returns the first mixture of padded genes.
    tolerance
        Gain of log likelihood below which a gene has converged.
    max_iterations
        Maximum number of Newton steps.
    n_em_steps
        Number of EM steps before them.
    min_log_likelihood
        Log likelihood of use to the caller; a gene ends when ``GAIN_SAFETY_FACTOR`` times the
        expected gain does not reach it; [all genes].
    """
    n_genes = padder.expression.n_genes
    if min_log_likelihood is None:
        min_log_likelihood = np.full(n_genes, -np.inf)
    optimum = Optimum(Mixture.allocate(n_genes, n_components), np.zeros(n_genes, bool))
    for queue, length in padder.group_by_length(genes):
        capacity = max(1, MAX_ELEMENTS // (n_components * length))
        state: OptimizerState | None = None
        while len(queue) or state is not None:
            n_free = capacity - (len(state.n_steps) if state else 0)
            if len(queue) and n_free >= (capacity + 3) // 4:
                padded = padder.pad(queue[:n_free])
                queue = queue[n_free:]
                new_e_step = EStep(padded, n_components)
                new = _initialize_state(new_e_step, initialize(padded), n_em_steps)
                if state is None:
                    e_step, state = new_e_step, new
                else:
                    e_step = EStep(e_step.padded_genes.concatenate(padded), n_components)
                    state = _map_arrays(lambda a, b: np.concatenate([a, b]), state, new)
            assert state is not None
            state = _advance(e_step, state, optimum, min_log_likelihood, tolerance, max_iterations)
    return optimum


def _initialize_state(e_step: EStep, mixture: Mixture, n_em_steps: int) -> OptimizerState:
    """Start at a mixture, or some EM steps from it."""
    n_genes, k = mixture.mean.shape
    for _ in range(n_em_steps):
        mixture = _compute_m_step(e_step.padded_genes, mixture, e_step(mixture))
    zeros = np.zeros((n_genes, 3 * k))
    unknown = Derivatives(zeros, np.zeros((n_genes, 3 * k, 3 * k)), zeros)
    current = Iterate(mixture, np.full(n_genes, -np.inf), unknown)
    damping = np.full(n_genes, INITIAL_DAMPING)
    return OptimizerState(current, mixture, damping, np.zeros(n_genes, np.int64))


def _compute_m_step(genes: PaddedGenes, mixture: Mixture, moments: Moments) -> Mixture:
    """Return the exact M-step: σ about the new mean, within bounds."""
    n = np.maximum(moments.responsibility_sum, MIN_CELLS)
    shift = moments.first_moment / n
    result = clip_to_bounds(genes, Mixture(n, mixture.mean + shift, mixture.sd))
    moved = result.mean - mixture.mean
    variance = moments.second_moment / n - 2 * moved * shift + moved**2
    return clip_to_bounds(genes, result._replace(sd=np.sqrt(np.maximum(variance, 0))))


def _advance(
    e_step: EStep,
    state: OptimizerState,
    optimum: Optimum,
    min_log_likelihood: FloatArray,
    tolerance: float,
    max_iterations: int,
) -> OptimizerState | None:
    """Evaluate the proposals, accept those that are higher, and store genes that finish."""
    genes, proposal = e_step.padded_genes, state.proposal
    moments = e_step(proposal)
    log_likelihood = e_step.compute_log_likelihood()
    new = Iterate(proposal, log_likelihood, compute_derivatives(e_step, proposal, moments))
    accept = log_likelihood >= state.current.log_likelihood - LIKELIHOOD_ROUNDING
    current = _map_arrays(lambda a, b: _where_rows(accept, a, b), new, state.current)
    damping = state.damping * np.where(accept, DAMPING_DECREASE, DAMPING_INCREASE)
    damping = np.maximum(damping, MIN_DAMPING)
    proposal, gain = compute_newton_step(genes, current.mixture, current.derivatives, damping)
    n_steps = state.n_steps + 1
    converged = gain < tolerance
    bound = current.log_likelihood + GAIN_SAFETY_FACTOR * gain
    stop = converged | (bound < min_log_likelihood[genes.gene])
    stop |= (n_steps >= max_iterations) | (damping > MAX_DAMPING)
    optimum.mixture.put(genes.gene[stop], current.mixture.take(stop))
    optimum.converged[genes.gene[stop]] = converged[stop]
    if stop.all():
        return None
    if stop.any():
        e_step.retain(~stop)
    state = OptimizerState(current, proposal, damping, n_steps)
    return _map_arrays(lambda part: part[~stop], state)


def _map_arrays(function: Callable[..., np.ndarray], tree: Any, *others: Any) -> Any:
    """Apply a function to the arrays of nested named tuples."""
    if isinstance(tree, np.ndarray):
        return function(tree, *others)
    parts = zip(tree, *others, strict=True)
    return type(tree)(*(_map_arrays(function, *part) for part in parts))


def _where_rows(mask: BoolArray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(mask.reshape(-1, *[1] * (a.ndim - 1)), a, b)
