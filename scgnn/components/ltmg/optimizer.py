"""Climbing the corrected likelihood: a few exact EM steps, then Newton's method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
from scgnn.components.ltmg.quadrature import GenePadder, PaddedGenes
from scgnn.components.ltmg.sorted_values import MAX_BLOCK_ELEMENTS, BoolArray, FloatArray, IntArray

DAMPING_INCREASE, DAMPING_DECREASE = (
    8.0,
    0.5,
)  # what a step that fails, or succeeds, does to the damping
MIN_DAMPING, INITIAL_DAMPING, MAX_DAMPING = 1e-9, 1e-2, 1e6  # damping
GAIN_SAFETY_FACTOR = 100.0  # how far wrong a quadratic model may be about what is left to gain
LIKELIHOOD_ROUNDING = 1e-9  # by which a log likelihood may seem to fall

Initializer = Callable[[PaddedGenes], Mixture]


class Optimum(NamedTuple):
    """Where genes arrived; arrays of all genes, filled for those asked for."""

    mixture: Mixture  # genes x components
    converged: BoolArray  # genes


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
    """Climb from ``start`` until no more than ``tolerance`` of log likelihood is left to gain.

    As genes arrive others take their place, so that arrays stay long.

    Parameters
    ----------
    warm_up
        EM steps before Newton's.
    needed
        Log likelihood below which a gene is of no use; it gives up when even ``HOPE`` times what
        is left to gain would not reach it. [all genes]
    """
    n_genes = padder.expression.n_genes
    min_log_likelihood = (
        np.full(n_genes, -np.inf) if min_log_likelihood is None else min_log_likelihood
    )
    nowhere = Mixture(*(np.full((n_genes, n_components), np.nan) for _ in range(3)))
    summit = Optimum(nowhere, np.zeros(n_genes, bool))
    for waiting, length in padder.group_by_length(genes):
        capacity = max(1, MAX_BLOCK_ELEMENTS // (n_components * length))
        climbers: OptimizerState | None = None
        while len(waiting) or climbers is not None:
            room = capacity - (len(climbers.n_steps) if climbers else 0)
            if len(waiting) and room >= (capacity + 3) // 4:
                sample = padder.pad(waiting[:room])
                waiting = waiting[room:]
                fresh = OptimizerState.initialize(sample, initialize(sample), n_em_steps)
                climbers = fresh if climbers is None else climbers.concatenate(fresh)
            assert climbers is not None
            climbers = climbers.advance(summit, min_log_likelihood, tolerance, max_iterations)
    return summit


def compute_m_step(padded_genes: PaddedGenes, mixture: Mixture, moments: Moments) -> Mixture:
    """The exact M-step: σ about the new mean, within bounds."""
    cells = np.maximum(moments.responsibility_sum, MIN_CELLS)
    shift = moments.first_moment / cells
    there = clip_to_bounds(padded_genes, Mixture(cells, mixture.mean + shift, mixture.sd))
    moved = there.mean - mixture.mean
    variance = moments.second_moment / cells - 2 * moved * shift + moved**2
    return clip_to_bounds(padded_genes, there._replace(sd=np.sqrt(np.maximum(variance, 0))))


class Iterate(NamedTuple):
    """A point reached and what is known of it; each array begins with the genes."""

    mixture: Mixture
    log_likelihood: FloatArray
    derivatives: Derivatives


@dataclass
class OptimizerState:
    """Genes on their way.

    Parameters
    ----------
    evidence
        Their E-step.
    here
        Where each is.
    there
        Where each looks next.
    damping
        Of the next step.
    steps
        Steps made.
    """

    e_step: EStep
    current: Iterate
    proposal: Mixture
    damping: FloatArray
    n_steps: IntArray

    @classmethod
    def initialize(
        cls, padded_genes: PaddedGenes, mixture: Mixture, n_em_steps: int
    ) -> OptimizerState:
        """Genes at their start, or some EM steps from it."""
        n_genes, k = mixture.mean.shape
        evidence = EStep(padded_genes, k)
        for _ in range(n_em_steps):
            mixture = compute_m_step(padded_genes, mixture, evidence(mixture))
        flat = np.zeros((n_genes, 3 * k))
        unknown = Derivatives(flat, np.zeros((n_genes, 3 * k, 3 * k)), flat)
        here = Iterate(mixture, np.full(n_genes, -np.inf), unknown)
        return cls(
            evidence, here, mixture, np.full(n_genes, INITIAL_DAMPING), np.zeros(n_genes, np.int64)
        )

    def concatenate(self, other: OptimizerState) -> OptimizerState:
        """These and others of the same padded length."""
        k = self.proposal.mean.shape[1]
        evidence = EStep(self.e_step.padded_genes.concatenate(other.e_step.padded_genes), k)
        mine, theirs = self._fields(), other._fields()
        return OptimizerState(
            evidence, *_map_arrays(lambda a, b: np.concatenate([a, b]), mine, theirs)
        )

    def advance(
        self,
        optimum: Optimum,
        min_log_likelihood: FloatArray,
        tolerance: float,
        max_iterations: int,
    ) -> OptimizerState | None:
        """Look at the next point, take it if it is higher; leave out those who arrived."""
        evidence, sample = self.e_step, self.e_step.padded_genes
        moments = evidence(self.proposal)
        there = Iterate(
            self.proposal,
            moments.log_likelihood,
            compute_derivatives(evidence, self.proposal, moments),
        )
        higher = there.log_likelihood >= self.current.log_likelihood - LIKELIHOOD_ROUNDING
        here = _map_arrays(lambda new, old: _where_rows(higher, new, old), there, self.current)
        damping = np.where(higher, self.damping * DAMPING_DECREASE, self.damping * DAMPING_INCREASE)
        damping = np.maximum(damping, MIN_DAMPING)
        ahead, gain = compute_newton_step(sample, here.mixture, here.derivatives, damping)
        steps = self.n_steps + 1
        arrived = gain < tolerance
        hopeless = here.log_likelihood + GAIN_SAFETY_FACTOR * gain < min_log_likelihood[sample.gene]
        stop = arrived | hopeless | (steps >= max_iterations) | (damping > MAX_DAMPING)
        optimum.mixture.put(sample.gene[stop], here.mixture.take(stop))
        optimum.converged[sample.gene[stop]] = arrived[stop]
        if stop.all():
            return None
        if stop.any():
            evidence.retain(~stop)
        state = _map_arrays(lambda part: part[~stop], (here, ahead, damping, steps))
        return OptimizerState(evidence, *state)

    def _fields(self) -> tuple[Iterate, Mixture, FloatArray, IntArray]:
        return self.current, self.proposal, self.damping, self.n_steps


def _map_arrays(function: Callable[..., np.ndarray], tree: Any, *other_trees: Any) -> Any:
    """Change every array in nested tuples."""
    if isinstance(tree, np.ndarray):
        return function(tree, *other_trees)
    parts = [_map_arrays(function, *part) for part in zip(tree, *other_trees, strict=True)]
    return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)


def _where_rows(mask: BoolArray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(mask.reshape(-1, *[1] * (a.ndim - 1)), a, b)
