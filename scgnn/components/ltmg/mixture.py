"""Gaussian mixtures of many genes at once: densities, the sums of an EM step, and states.

Notation of the paper (Wan et al. 2019, Methods): y log expression, q the cut-off, p, μ, σ the
weight, mean and standard deviation of each component, z = (q − μ)/σ. Shapes: genes x components.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scgnn.components.ltmg.sorted_values import Bools, Floats, Integers, Observed, blocks

LARGE = 1e300  # stands for the density of a component without width


ROOT_2PI = np.sqrt(2 * np.pi)


NOT_EXPRESSED = (0.0, -np.inf, 1e-4)  # p, μ, σ where no fitted component is "not expressed"


class Mixture(NamedTuple):
    """Weights, means and standard deviations; each genes x components, NaN where there is none."""

    weight: Floats
    mean: Floats
    sd: Floats

    def rows(self, keep: Bools | Integers) -> Mixture:
        """Only some of the genes."""
        return Mixture(self.weight[keep], self.mean[keep], self.sd[keep])

    def put(self, keep: Bools | Integers, other: Mixture) -> None:
        """Write the components of some of the genes, of which there may be fewer."""
        for mine, theirs in zip(self, other, strict=True):
            if len(theirs):
                mine[keep, : theirs.shape[1]] = theirs

    def after_not_expressed(self) -> Mixture:
        """With "not expressed" of weight 0 in front."""
        column = np.ones((len(self.mean), 1))
        parts = zip(NOT_EXPRESSED, self, strict=True)
        return Mixture(*(np.column_stack([column * first, part]) for first, part in parts))

    def join(self, other: Mixture) -> Mixture:
        """These genes and others."""
        return Mixture(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))

    def sorted(self) -> Mixture:
        """Components by rising mean, those without one last."""
        order = np.argsort(self.mean, axis=1, kind="stable")  # NaN sorts last
        return Mixture(*(np.take_along_axis(part, order, 1) for part in self))


class Fits(NamedTuple):
    """The mixture chosen for every gene."""

    mixture: Mixture  # genes x components, by rising mean
    n_components: Integers  # genes; 0 where there is no fit
    bic: Floats  # genes x K = 1 …; NaN where there is no fit
    converged: Bools  # genes


def no_fits(n_genes: int, n_components: int) -> Fits:
    """Before any gene is fitted."""
    return Fits(
        Mixture(*(np.full((n_genes, n_components), np.nan) for _ in range(3))),
        np.zeros(n_genes, np.int64),
        np.full((n_genes, n_components), np.nan),
        np.zeros(n_genes, bool),
    )


def assign(
    observed: Observed, cutoff: Floats, mixture: Mixture, *, underflow: float = -np.inf
) -> np.ndarray:
    """argmax_j p_j φ(y; μ_j, σ_j), from 0, of every value above its gene's cut-off; else 0.

    Parameters
    ----------
    mixture
        Components by rising mean.
    underflow
        Values whose log density is nowhere above this get 0.
    """
    state = np.zeros(len(observed.value), np.uint8)
    several = np.flatnonzero((~np.isnan(mixture.mean)).sum(1) > 1)
    above = observed.n_above(cutoff) > 0
    for block in blocks(observed, several[above[several]], cutoff, mixture.mean.shape[1]):
        weight, mean, sd = (part[block.gene, :, None] for part in mixture)
        with np.errstate(all="ignore"):
            score = np.log(weight / (sd * ROOT_2PI)) - ((block.y[:, None] - mean) / sd) ** 2 / 2
        score = np.where(np.isnan(score) | (score < underflow), -np.inf, score)
        chosen = (block.count > 0) & (block.y > block.cutoff)
        state[block.index[chosen]] = score.argmax(1)[chosen]
    return state
