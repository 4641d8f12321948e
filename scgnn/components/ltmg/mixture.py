"""Gaussian mixtures of many genes at once: densities, the sums of an EM step, and states.

Notation of the paper (Wan et al. 2019, Methods): y log expression, q the cut-off, p, μ, σ the
weight, mean and standard deviation of each component, z = (q − μ)/σ. Shapes: genes x components.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scgnn.components.ltmg.sorted_values import (
    BoolArray,
    FloatArray,
    IntArray,
    SortedExpression,
    iter_gene_blocks,
)

MAX_DENSITY = 1e300  # stands for the density of a component without width


SQRT_2PI = np.sqrt(2 * np.pi)


NOT_EXPRESSED_COMPONENT = (
    0.0,
    -np.inf,
    1e-4,
)  # p, μ, σ where no fitted component is "not expressed"


class Mixture(NamedTuple):
    """Weights, means and standard deviations; each genes x components, NaN where there is none."""

    weight: FloatArray
    mean: FloatArray
    sd: FloatArray

    def take(self, index: BoolArray | IntArray) -> Mixture:
        """Only some of the genes."""
        return Mixture(self.weight[index], self.mean[index], self.sd[index])

    def put(self, index: BoolArray | IntArray, other: Mixture) -> None:
        """Write the components of some of the genes, of which there may be fewer."""
        for mine, theirs in zip(self, other, strict=True):
            if len(theirs):
                mine[index, : theirs.shape[1]] = theirs

    def prepend_not_expressed(self) -> Mixture:
        """With "not expressed" of weight 0 in front."""
        column = np.ones((len(self.mean), 1))
        parts = zip(NOT_EXPRESSED_COMPONENT, self, strict=True)
        return Mixture(*(np.column_stack([column * first, part]) for first, part in parts))

    def concatenate(self, other: Mixture) -> Mixture:
        """These genes and others."""
        return Mixture(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))

    def sort_by_mean(self) -> Mixture:
        """Components by rising mean, those without one last."""
        order = np.argsort(self.mean, axis=1, kind="stable")  # NaN sorts last
        return Mixture(*(np.take_along_axis(part, order, 1) for part in self))


class MixtureFits(NamedTuple):
    """The mixture chosen for every gene."""

    mixture: Mixture  # genes x components, by rising mean
    n_components: IntArray  # genes; 0 where there is no fit
    bic: FloatArray  # genes x K = 1 …; NaN where there is no fit
    converged: BoolArray  # genes


def allocate_fits(n_genes: int, n_components: int) -> MixtureFits:
    """Before any gene is fitted."""
    return MixtureFits(
        Mixture(*(np.full((n_genes, n_components), np.nan) for _ in range(3))),
        np.zeros(n_genes, np.int64),
        np.full((n_genes, n_components), np.nan),
        np.zeros(n_genes, bool),
    )


def assign_states(
    expression: SortedExpression,
    cutoff: FloatArray,
    mixture: Mixture,
    *,
    min_log_density: float = -np.inf,
) -> np.ndarray:
    """argmax_j p_j φ(y; μ_j, σ_j), from 0, of every value above its gene's cut-off; else 0.

    Parameters
    ----------
    mixture
        Components by rising mean.
    underflow
        Values whose log density is nowhere above this get 0.
    """
    state = np.zeros(len(expression.value), np.uint8)
    several = np.flatnonzero((~np.isnan(mixture.mean)).sum(1) > 1)
    above = expression.count_above(cutoff) > 0
    for block in iter_gene_blocks(
        expression, several[above[several]], cutoff, mixture.mean.shape[1]
    ):
        weight, mean, sd = (part[block.gene, :, None] for part in mixture)
        with np.errstate(all="ignore"):
            score = np.log(weight / (sd * SQRT_2PI)) - ((block.y[:, None] - mean) / sd) ** 2 / 2
        score = np.where(np.isnan(score) | (score < min_log_density), -np.inf, score)
        chosen = (block.count > 0) & (block.y > block.cutoff)
        state[block.value_index[chosen]] = score.argmax(1)[chosen]
    return state
