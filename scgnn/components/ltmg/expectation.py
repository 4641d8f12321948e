"""The E-step of the corrected likelihood, for many genes at once and in log space where needed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scgnn.components.ltmg.mixture import LARGE, ROOT_2PI, Mixture
from scgnn.components.ltmg.quadrature import Sample
from scgnn.components.ltmg.sorted_values import Block, Bools, Floats

LEAST = 1e-280  # density below which double precision loses it


class Moments(NamedTuple):
    """Expected sums over all cells, those below the cut-off included."""

    likelihood: Floats  # Σ_i log f(y_i) + C log Σ_j p_j Φ(z_j); genes
    cells: Floats  # Σ_i r_ij; genes x components
    first: Floats  # Σ_i r_ij E[y_i − μ_j]; genes x components
    second: Floats  # Σ_i r_ij E[(y_i − μ_j)²]; genes x components


class Below(NamedTuple):
    """A cell below the cut-off q; genes x components."""

    z: Floats  # (q − μ_j)/σ_j
    share: Floats  # r_j ∝ p_j Φ(z_j)
    hazard: Floats  # λ_j = φ(z_j)/Φ(z_j)
    log_probability: Floats  # log Σ_j p_j Φ(z_j); genes


class Evidence:
    """Responsibilities of the components for the cells of a sample, summed.

    Keeps its arrays from one step to the next.
    """

    def __init__(self, sample: Sample, n_components: int) -> None:
        self.sample = sample
        ones = np.ones_like(sample.node)
        self.lines = np.stack([sample.node, ones], 1)  # genes x 2 x nodes
        self.columns = np.stack([ones, sample.node], 2)  # genes x nodes x 2
        self.squares = np.empty((len(sample.gene), n_components, sample.node.shape[1]))
        self.r = np.empty_like(self.squares)

    def __call__(self, mixture: Mixture) -> Moments:
        seen = self.seen(mixture)
        unseen = self.unseen(mixture)
        return Moments(*(a + b for a, b in zip(seen, unseen, strict=True)))

    def rows(self, keep: Bools) -> None:
        """Go on with some of the genes."""
        self.sample = self.sample.rows(keep)
        self.lines, self.columns = self.lines[keep], self.columns[keep]
        self.squares, self.r = self.squares[: len(self.lines)], self.r[: len(self.lines)]

    def seen(self, mixture: Mixture) -> Moments:
        """Cells at or above the cut-off: r_ij = p_j φ(y_i; μ_j, σ_j) / f(y_i)."""
        weight, mean, sd = mixture
        height = weight / (sd * ROOT_2PI)
        np.matmul(np.stack([np.ones_like(mean), -mean], 2), self.lines, out=self.squares)  # y − μ
        np.multiply(self.squares, self.squares, out=self.squares)
        np.multiply(self.squares, (-0.5 / sd**2)[:, :, None], out=self.r)
        np.exp(self.r, out=self.r)
        density = self.sample.by_value(
            np.matmul(height[:, None, :], self.r)[:, 0] * self.sample.share
        )
        lost = np.any(density < LEAST, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            likelihood = (self.sample.count * np.log(density)).sum(1)
        if lost.any():
            likelihood[lost] = self._in_log_space(lost, height, sd, density)
        per_density = self.sample.by_node(self.sample.count / density) * self.sample.share
        np.multiply(self.r, per_density[:, None, :], out=self.r)
        cells, values = np.moveaxis(height[:, :, None] * np.matmul(self.r, self.columns), 2, 0)
        np.multiply(self.r, self.squares, out=self.squares)
        second = height * self.squares.sum(2)
        return Moments(likelihood, cells, values - mean * cells, second)

    def _in_log_space(self, lost: Bools, height: Floats, sd: Floats, density: Floats) -> Floats:
        """Values so far from every component that their density is 0 in double precision.

        Divides all densities of such a value by the largest of them, which leaves its r_ij; the log
        likelihood gets it back.
        """
        sample = self.sample.rows(lost)
        exponent = -0.5 * self.squares[lost] / sd[lost, :, None] ** 2  # genes x components x nodes
        largest = (exponent + np.log(height[lost])[:, :, None]).max(1)
        of_value = sample.by_value(largest, np.maximum)
        r = np.exp(exponent - sample.by_node(of_value)[:, None, :])
        self.r[lost] = r
        density[lost] = sample.by_value(np.matmul(height[lost, None, :], r)[:, 0] * sample.share)
        return (sample.count * (np.log(density[lost]) + of_value)).sum(1)

    def unseen(self, mixture: Mixture) -> Moments:
        """Cells below the cut-off: the moments of each component cut off at z_j."""
        below = self.below(mixture)
        censored, sd = self.sample.censored, mixture.sd
        cells = censored * below.share
        return Moments(
            likelihood=censored[:, 0] * below.log_probability,
            cells=cells,
            first=-cells * sd * below.hazard,
            second=cells * sd**2 * (1 - below.z * below.hazard),
        )

    def below(self, mixture: Mixture) -> Below:
        """What one cell below the cut-off says."""
        from scipy.special import log_ndtr

        z = (self.sample.cutoff - mixture.mean) / mixture.sd
        log_below = log_ndtr(z)
        log_share = np.log(mixture.weight) + log_below
        top = log_share.max(1, keepdims=True)
        share = np.exp(log_share - top)
        total = share.sum(1, keepdims=True)
        hazard = np.exp(-z * z / 2 - log_below) / ROOT_2PI
        return Below(z, share / total, hazard, (top + np.log(total))[:, 0])


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
