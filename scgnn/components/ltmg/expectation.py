"""The E-step of the corrected likelihood, for many genes at once and in log space where needed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scgnn.components.ltmg.mixture import MAX_DENSITY, SQRT_2PI, Mixture
from scgnn.components.ltmg.quadrature import PaddedGenes
from scgnn.components.ltmg.sorted_values import BoolArray, FloatArray, GeneBlock

MIN_DENSITY = 1e-280  # density below which double precision loses it


class Moments(NamedTuple):
    """Expected sums over all cells, those below the cut-off included."""

    log_likelihood: FloatArray  # Σ_i log f(y_i) + C log Σ_j p_j Φ(z_j); genes
    responsibility_sum: FloatArray  # Σ_i r_ij; genes x components
    first_moment: FloatArray  # Σ_i r_ij E[y_i − μ_j]; genes x components
    second_moment: FloatArray  # Σ_i r_ij E[(y_i − μ_j)²]; genes x components


class CensoredMoments(NamedTuple):
    """A cell below the cut-off q; genes x components."""

    z: FloatArray  # (q − μ_j)/σ_j
    responsibility: FloatArray  # r_j ∝ p_j Φ(z_j)
    inverse_mills_ratio: FloatArray  # λ_j = φ(z_j)/Φ(z_j)
    log_probability: FloatArray  # log Σ_j p_j Φ(z_j); genes


class EStep:
    """Responsibilities of the components for the cells of a sample, summed.

    Keeps its arrays from one step to the next.
    """

    def __init__(self, padded_genes: PaddedGenes, n_components: int) -> None:
        self.padded_genes = padded_genes
        ones = np.ones_like(padded_genes.node)
        self.affine_basis = np.stack([padded_genes.node, ones], 1)  # genes x 2 x nodes
        self.moment_basis = np.stack([ones, padded_genes.node], 2)  # genes x nodes x 2
        self.squared_deviations = np.empty(
            (len(padded_genes.gene), n_components, padded_genes.node.shape[1])
        )
        self.r = np.empty_like(self.squared_deviations)

    def __call__(self, mixture: Mixture) -> Moments:
        seen = self.sum_uncensored(mixture)
        unseen = self.sum_censored(mixture)
        return Moments(*(a + b for a, b in zip(seen, unseen, strict=True)))

    def retain(self, keep: BoolArray) -> None:
        """Go on with some of the genes."""
        self.padded_genes = self.padded_genes.take(keep)
        self.affine_basis, self.moment_basis = self.affine_basis[keep], self.moment_basis[keep]
        self.squared_deviations, self.r = (
            self.squared_deviations[: len(self.affine_basis)],
            self.r[: len(self.affine_basis)],
        )

    def sum_uncensored(self, mixture: Mixture) -> Moments:
        """Cells at or above the cut-off: r_ij = p_j φ(y_i; μ_j, σ_j) / f(y_i)."""
        weight, mean, sd = mixture
        height = weight / (sd * SQRT_2PI)
        np.matmul(
            np.stack([np.ones_like(mean), -mean], 2), self.affine_basis, out=self.squared_deviations
        )  # y − μ
        np.multiply(self.squared_deviations, self.squared_deviations, out=self.squared_deviations)
        np.multiply(self.squared_deviations, (-0.5 / sd**2)[:, :, None], out=self.r)
        np.exp(self.r, out=self.r)
        density = self.padded_genes.reduce_nodes(
            np.matmul(height[:, None, :], self.r)[:, 0] * self.padded_genes.node_weight
        )
        lost = np.any(density < MIN_DENSITY, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            likelihood = (self.padded_genes.count * np.log(density)).sum(1)
        if lost.any():
            likelihood[lost] = self._recompute_in_log_space(lost, height, sd, density)
        per_density = (
            self.padded_genes.repeat_for_nodes(self.padded_genes.count / density)
            * self.padded_genes.node_weight
        )
        np.multiply(self.r, per_density[:, None, :], out=self.r)
        cells, values = np.moveaxis(height[:, :, None] * np.matmul(self.r, self.moment_basis), 2, 0)
        np.multiply(self.r, self.squared_deviations, out=self.squared_deviations)
        second = height * self.squared_deviations.sum(2)
        return Moments(likelihood, cells, values - mean * cells, second)

    def _recompute_in_log_space(
        self, underflowed: BoolArray, height: FloatArray, sd: FloatArray, density: FloatArray
    ) -> FloatArray:
        """Values so far from every component that their density is 0 in double precision.

        Divides all densities of such a value by the largest of them, which leaves its r_ij; the log
        likelihood gets it back.
        """
        sample = self.padded_genes.take(underflowed)
        exponent = (
            -0.5 * self.squared_deviations[underflowed] / sd[underflowed, :, None] ** 2
        )  # genes x components x nodes
        largest = (exponent + np.log(height[underflowed])[:, :, None]).max(1)
        of_value = sample.reduce_nodes(largest, np.maximum)
        r = np.exp(exponent - sample.repeat_for_nodes(of_value)[:, None, :])
        self.r[underflowed] = r
        density[underflowed] = sample.reduce_nodes(
            np.matmul(height[underflowed, None, :], r)[:, 0] * sample.node_weight
        )
        return (sample.count * (np.log(density[underflowed]) + of_value)).sum(1)

    def sum_censored(self, mixture: Mixture) -> Moments:
        """Cells below the cut-off: the moments of each component cut off at z_j."""
        below = self.compute_censored_moments(mixture)
        censored, sd = self.padded_genes.n_censored, mixture.sd
        cells = censored * below.responsibility
        return Moments(
            log_likelihood=censored[:, 0] * below.log_probability,
            responsibility_sum=cells,
            first_moment=-cells * sd * below.inverse_mills_ratio,
            second_moment=cells * sd**2 * (1 - below.z * below.inverse_mills_ratio),
        )

    def compute_censored_moments(self, mixture: Mixture) -> CensoredMoments:
        """What one cell below the cut-off says."""
        from scipy.special import log_ndtr

        z = (self.padded_genes.cutoff - mixture.mean) / mixture.sd
        log_below = log_ndtr(z)
        log_share = np.log(mixture.weight) + log_below
        top = log_share.max(1, keepdims=True)
        share = np.exp(log_share - top)
        total = share.sum(1, keepdims=True)
        hazard = np.exp(-z * z / 2 - log_below) / SQRT_2PI
        return CensoredMoments(z, share / total, hazard, (top + np.log(total))[:, 0])


class SufficientStatistics(NamedTuple):
    """What the M-step needs of the values seen; genes x components."""

    responsibility_sum: FloatArray  # Σ_i r_ij
    value_sum: FloatArray  # Σ_i r_ij y_i
    squared_deviation_sum: FloatArray  # Σ_i r_ij (y_i − μ_j)², about the mean of the E-step


class UncensoredEStep:
    """The E-step for the values of a block; keeps its arrays from one step to the next."""

    def __init__(self, block: GeneBlock, n_components: int) -> None:
        self.count = block.count[:, None, :]  # genes x 1 x values
        ones = np.ones_like(block.y)
        self.affine_basis = np.stack([block.y, ones], 1)  # genes x 2 x values
        self.squared_deviations = np.empty((len(block.y), n_components, block.y.shape[1]))
        self.r = np.empty_like(self.squared_deviations)

    def compute_density(self, mixture: Mixture) -> tuple[FloatArray, FloatArray]:
        """p_j / σ_j √2π, and f(y) = Σ_j p_j φ(y; μ_j, σ_j) as genes x 1 x values."""
        weight, mean, sd = mixture
        np.matmul(
            np.stack([np.ones_like(mean), -mean], 2), self.affine_basis, out=self.squared_deviations
        )  # y − μ
        np.multiply(self.squared_deviations, self.squared_deviations, out=self.squared_deviations)
        steepness = np.maximum(-0.5 / sd**2, -MAX_DENSITY)[:, :, None]
        np.multiply(self.squared_deviations, steepness, out=self.r)
        np.exp(self.r, out=self.r)
        height = np.minimum(weight / (sd * SQRT_2PI), MAX_DENSITY)
        return height, np.matmul(height[:, None, :], self.r)

    def __call__(self, mixture: Mixture) -> SufficientStatistics:
        """r_ij = p_j φ(y_i; μ_j, σ_j) / f(y_i), summed over cells."""
        height, self.density = self.compute_density(mixture)
        per_density = self.count / self.density  # genes x 1 x values
        weights = np.swapaxes(self.affine_basis * per_density, 1, 2)
        values, cells = np.moveaxis(np.matmul(self.r, weights), 2, 0)
        np.multiply(self.r, self.squared_deviations, out=self.squared_deviations)
        squares = np.matmul(self.squared_deviations, weights[:, :, 1:])[:, :, 0]
        return SufficientStatistics(height * cells, height * values, height * squares)

    def compute_log_likelihood(self) -> FloatArray:
        """Σ_i log f(y_i) where the last E-step was made; genes."""
        return (self.count * np.log(self.density))[:, 0].sum(1)

    def retain(self, keep: BoolArray) -> None:
        """Go on with some of the genes."""
        self.count, self.affine_basis = self.count[keep], self.affine_basis[keep]
        self.squared_deviations, self.r = (
            self.squared_deviations[: len(self.count)],
            self.r[: len(self.count)],
        )
