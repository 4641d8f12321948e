"""Gaussian mixtures of many genes at once, and the states that they assign.

Notation of the paper (Wan et al. 2019, Methods): y log expression, q the cut-off, p, μ, σ the
weight, mean and standard deviation of each component, z = (q − μ)/σ. Shapes: genes x components.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scgnn.components.ltmg.padding import GenePadder
from scgnn.components.ltmg.sorted_expression import BoolArray, FloatArray, IntArray

SQRT_2PI = np.sqrt(2 * np.pi)
NOT_EXPRESSED = (0.0, -np.inf, 1e-4)  # p, μ, σ if no fitted component is "not expressed"


class Mixture(NamedTuple):
    """Weights, means and standard deviations; each genes x components, NaN-padded."""

    weight: FloatArray
    mean: FloatArray
    sd: FloatArray

    @classmethod
    def allocate(cls, *shape: int) -> Mixture:
        """Return a mixture without components."""
        return cls(*np.full((3, *shape), np.nan))

    @property
    def n_components(self) -> IntArray:
        """Number of components of each gene, 0 if it is not fitted."""
        return (~np.isnan(self.weight)).sum(-1)

    def take(self, index: BoolArray | IntArray) -> Mixture:
        """Return the mixtures of some genes."""
        return Mixture(self.weight[index], self.mean[index], self.sd[index])

    def put(self, index: BoolArray | IntArray, other: Mixture) -> None:
        """Write the mixtures of some genes, which may have fewer components."""
        for target, source in zip(self, other, strict=True):
            if len(source):  # else there may be more components
                target[index, : source.shape[1]] = source

    def prepend_not_expressed(self) -> Mixture:
        """Prepend a component "not expressed" of weight 0."""
        column = np.ones((len(self.mean), 1))
        parts = zip(NOT_EXPRESSED, self, strict=True)
        return Mixture(*(np.column_stack([column * first, part]) for first, part in parts))

    def sort_by_mean(self) -> Mixture:
        """Sort components by rising mean; padding comes last."""
        order = np.argsort(self.mean, axis=1, kind="stable")  # NaN sorts last
        return Mixture(*(np.take_along_axis(part, order, 1) for part in self))


class MixtureFits(NamedTuple):
    """Selected mixtures of all genes."""

    mixture: Mixture  # genes x components, by rising mean
    bic: FloatArray  # genes x K = 1 …; NaN if not fitted
    converged: BoolArray  # genes


def assign_states(
    padder: GenePadder, mixture: Mixture, min_log_density: float = -np.inf
) -> NDArray[np.uint8]:
    """Return argmax_j p_j φ(y; μ_j, σ_j), from 0, of every value; 0 below the padder's cut-offs.

    Parameters
    ----------
    padder
        Values to assign; the density of a count is its mean over the count's interval.
    mixture
        Components by rising mean; genes with fewer than two get state 0.
    min_log_density
        Log of the density below which a component counts as having none.
    """
    state = np.zeros(len(padder.expression.value), np.uint8)
    genes = np.flatnonzero((mixture.n_components > 1) & (padder.first_uncensored < padder.end))
    for padded in padder.iter_chunks(genes, mixture.mean.shape[1]):
        weight, mean, sd = (part[padded.gene, :, None] for part in mixture)
        with np.errstate(all="ignore"):
            score = np.log(weight / (sd * SQRT_2PI)) - ((padded.node[:, None] - mean) / sd) ** 2 / 2
        score = np.where(np.isnan(score) | (score < min_log_density), -np.inf, score)
        index, is_value = padder.get_value_index(padded.gene)
        state[index[is_value]] = padded.log_mean_exp(score).argmax(1)[is_value]
    return state
