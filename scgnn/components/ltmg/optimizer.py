"""Climbing the corrected likelihood: a few exact EM steps, then Newton's method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from scgnn.components.ltmg.expectation import Evidence, Moments
from scgnn.components.ltmg.mixture import Mixture
from scgnn.components.ltmg.newton import FEWEST, Slope, slope, step, within_bounds
from scgnn.components.ltmg.quadrature import Sample, Samples
from scgnn.components.ltmg.sorted_values import BLOCK, Bools, Floats, Integers

CAREFUL, BOLD = 8.0, 0.5  # what a step that fails, or succeeds, does to the damping
LEAST, FIRST, MOST = 1e-9, 1e-2, 1e6  # damping
HOPE = 100.0  # how far wrong a quadratic model may be about what is left to gain
ROUNDING = 1e-9  # by which a log likelihood may seem to fall

Start = Callable[[Sample], Mixture]


class Summit(NamedTuple):
    """Where genes arrived; arrays of all genes, filled for those asked for."""

    mixture: Mixture  # genes x components
    converged: Bools  # genes


def climb(
    samples: Samples,
    genes: Integers,
    n_components: int,
    start: Start,
    tolerance: float,
    max_iterations: int,
    warm_up: int = 0,
    needed: Floats | None = None,
) -> Summit:
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
    n_genes = samples.observed.n_genes
    needed = np.full(n_genes, -np.inf) if needed is None else needed
    nowhere = Mixture(*(np.full((n_genes, n_components), np.nan) for _ in range(3)))
    summit = Summit(nowhere, np.zeros(n_genes, bool))
    for waiting, length in samples.lengths(genes):
        capacity = max(1, BLOCK // (n_components * length))
        climbers: Climbers | None = None
        while len(waiting) or climbers is not None:
            room = capacity - (len(climbers.steps) if climbers else 0)
            if len(waiting) and room >= (capacity + 3) // 4:
                sample = samples.of(waiting[:room])
                waiting = waiting[room:]
                fresh = Climbers.at(sample, start(sample), warm_up)
                climbers = fresh if climbers is None else climbers.join(fresh)
            assert climbers is not None
            climbers = climbers.go(summit, needed, tolerance, max_iterations)
    return summit


def maximize(sample: Sample, old: Mixture, moments: Moments) -> Mixture:
    """The exact M-step: σ about the new mean, within bounds."""
    cells = np.maximum(moments.cells, FEWEST)
    shift = moments.first / cells
    there = within_bounds(sample, Mixture(cells, old.mean + shift, old.sd))
    moved = there.mean - old.mean
    variance = moments.second / cells - 2 * moved * shift + moved**2
    return within_bounds(sample, there._replace(sd=np.sqrt(np.maximum(variance, 0))))


class Place(NamedTuple):
    """A point reached and what is known of it; each array begins with the genes."""

    mixture: Mixture
    likelihood: Floats
    slope: Slope


@dataclass
class Climbers:
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

    evidence: Evidence
    here: Place
    there: Mixture
    damping: Floats
    steps: Integers

    @classmethod
    def at(cls, sample: Sample, start: Mixture, warm_up: int) -> Climbers:
        """Genes at their start, or some EM steps from it."""
        n_genes, k = start.mean.shape
        evidence = Evidence(sample, k)
        for _ in range(warm_up):
            start = maximize(sample, start, evidence(start))
        flat = np.zeros((n_genes, 3 * k))
        unknown = Slope(flat, np.zeros((n_genes, 3 * k, 3 * k)), flat)
        here = Place(start, np.full(n_genes, -np.inf), unknown)
        return cls(evidence, here, start, np.full(n_genes, FIRST), np.zeros(n_genes, np.int64))

    def join(self, other: Climbers) -> Climbers:
        """These and others of the same padded length."""
        k = self.there.mean.shape[1]
        evidence = Evidence(self.evidence.sample.join(other.evidence.sample), k)
        mine, theirs = self._state(), other._state()
        return Climbers(evidence, *_each(lambda a, b: np.concatenate([a, b]), mine, theirs))

    def go(
        self, summit: Summit, needed: Floats, tolerance: float, max_iterations: int
    ) -> Climbers | None:
        """Look at the next point, take it if it is higher; leave out those who arrived."""
        evidence, sample = self.evidence, self.evidence.sample
        moments = evidence(self.there)
        there = Place(self.there, moments.likelihood, slope(evidence, self.there, moments))
        higher = there.likelihood >= self.here.likelihood - ROUNDING
        here = _each(lambda new, old: _choose(higher, new, old), there, self.here)
        damping = np.where(higher, self.damping * BOLD, self.damping * CAREFUL)
        damping = np.maximum(damping, LEAST)
        ahead, gain = step(sample, here.mixture, here.slope, damping)
        steps = self.steps + 1
        arrived = gain < tolerance
        hopeless = here.likelihood + HOPE * gain < needed[sample.gene]
        stop = arrived | hopeless | (steps >= max_iterations) | (damping > MOST)
        summit.mixture.put(sample.gene[stop], here.mixture.rows(stop))
        summit.converged[sample.gene[stop]] = arrived[stop]
        if stop.all():
            return None
        if stop.any():
            evidence.rows(~stop)
        state = _each(lambda part: part[~stop], (here, ahead, damping, steps))
        return Climbers(evidence, *state)

    def _state(self) -> tuple[Place, Mixture, Floats, Integers]:
        return self.here, self.there, self.damping, self.steps


def _each(change: Callable[..., np.ndarray], tree: Any, *others: Any) -> Any:
    """Change every array in nested tuples."""
    if isinstance(tree, np.ndarray):
        return change(tree, *others)
    parts = [_each(change, *part) for part in zip(tree, *others, strict=True)]
    return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)


def _choose(first: Bools, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(first.reshape(-1, *[1] * (a.ndim - 1)), a, b)
