"""Gaussian mixtures of many genes at once: densities, the sums of an EM step, and states.

Notation of the paper (Wan et al. 2019, Methods): y log expression, q the cut-off, p, μ, σ the
weight, mean and standard deviation of each component, z = (q − μ)/σ. Shapes: genes x components.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scgnn.components.ltmg.observed import Block, Bools, Floats, Integers, Observed, blocks

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


class Sums(NamedTuple):
    """What the M-step needs of the values seen; genes x components."""

    cells: Floats  # Σ_i r_ij
    values: Floats  # Σ_i r_ij y_i
    squares: Floats  # Σ_i r_ij (y_i − μ_j)², about the mean of the E-step


class Expectation:
    """The E-step for the values of a block; keeps its arrays from one step to the next."""

    def __init__(self, block: Block, n_components: int) -> None:
        self.count = block.count[:, None, :]  # genes x 1 x values
        ones = np.ones_like(block.y)
        self.rows = np.stack([block.y, ones], 1)  # genes x 2 x values
        self.squares = np.empty((len(block.y), n_components, block.y.shape[1]))
        self.r = np.empty_like(self.squares)

    def density(self, mixture: Mixture) -> tuple[Floats, Floats]:
        """p_j / σ_j √2π, and f(y) = Σ_j p_j φ(y; μ_j, σ_j) as genes x 1 x values."""
        weight, mean, sd = mixture
        np.matmul(np.stack([np.ones_like(mean), -mean], 2), self.rows, out=self.squares)  # y − μ
        np.multiply(self.squares, self.squares, out=self.squares)
        steepness = np.maximum(-0.5 / sd**2, -LARGE)[:, :, None]
        np.multiply(self.squares, steepness, out=self.r)
        np.exp(self.r, out=self.r)
        height = np.minimum(weight / (sd * ROOT_2PI), LARGE)
        return height, np.matmul(height[:, None, :], self.r)

    def __call__(self, mixture: Mixture) -> Sums:
        """r_ij = p_j φ(y_i; μ_j, σ_j) / f(y_i), summed over cells."""
        height, self.f = self.density(mixture)
        per_density = self.count / self.f  # genes x 1 x values
        weights = np.swapaxes(self.rows * per_density, 1, 2)
        values, cells = np.moveaxis(np.matmul(self.r, weights), 2, 0)
        np.multiply(self.r, self.squares, out=self.squares)
        squares = np.matmul(self.squares, weights[:, :, 1:])[:, :, 0]
        return Sums(height * cells, height * values, height * squares)

    def likelihood(self) -> Floats:
        """Σ_i log f(y_i) where the last E-step was made; genes."""
        return (self.count * np.log(self.f))[:, 0].sum(1)

    def rows_only(self, keep: Bools) -> None:
        """Go on with some of the genes."""
        self.count, self.rows = self.count[keep], self.rows[keep]
        self.squares, self.r = self.squares[: len(self.count)], self.r[: len(self.count)]


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
