"""E-step of the left-truncated mixture, for many genes at once."""

from __future__ import annotations

from operator import add
from typing import NamedTuple

import numpy as np

from scgnn.components.ltmg.mixture import SQRT_2PI, Mixture
from scgnn.components.ltmg.padding import PaddedGenes
from scgnn.components.ltmg.sorted_expression import BoolArray, FloatArray

MIN_DENSITY = 1e-280  # density below which double precision loses digits


class Moments(NamedTuple):
    """Expected sums over cells; genes x components."""

    responsibility_sum: FloatArray  # Σ_i r_ij
    value_sum: FloatArray  # Σ_i r_ij E[y_i]
    first_moment: FloatArray  # Σ_i r_ij E[y_i − μ_j]
    second_moment: FloatArray  # Σ_i r_ij E[(y_i − μ_j)²]


class CensoredMoments(NamedTuple):
    """Expectations for one cell below the cut-off q; genes x components."""

    z: FloatArray  # (q − μ_j)/σ_j
    responsibility: FloatArray  # r_j ∝ p_j Φ(z_j)
    inverse_mills_ratio: FloatArray  # λ_j = φ(z_j)/Φ(z_j)
    log_probability: FloatArray  # log Σ_j p_j Φ(z_j); genes


class EStep:
    """E-step of padded genes, which reuses its arrays from step to step.

    Parameters
    ----------
    padded_genes
        Values at or above the cut-off.
    n_components
        Number of components K.
    log_space
        Whether to compute densities and probabilities that would underflow in log space. If not,
        they become 0, as in the R program, and components without any density become NaN.
    """

    def __init__(
        self, padded_genes: PaddedGenes, n_components: int, log_space: bool = True
    ) -> None:
        self.padded_genes, self.log_space = padded_genes, log_space
        node, ones = padded_genes.node, np.ones_like(padded_genes.node)
        self.affine_basis = np.stack([node, ones], 1)  # genes x 2 x nodes
        self.moment_basis = np.stack([ones, node], 2)  # genes x nodes x 2
        self.squared_deviations = np.empty((len(node), n_components, node.shape[1]))
        self.r = np.empty_like(self.squared_deviations)

    def retain(self, mask: BoolArray) -> None:
        """Drop all but some of the genes."""
        self.padded_genes = self.padded_genes.take(mask)
        self.affine_basis, self.moment_basis = self.affine_basis[mask], self.moment_basis[mask]
        n_genes = len(self.affine_basis)
        self.squared_deviations, self.r = self.squared_deviations[:n_genes], self.r[:n_genes]

    def __call__(self, mixture: Mixture) -> Moments:
        """Sum over all cells."""
        return Moments(*map(add, self.sum_uncensored(mixture), self.sum_censored(mixture)))

    def compute_log_likelihood(self, include_censored: bool = True) -> FloatArray:
        """Return Σ_i log f(y_i), + C log Σ_j p_j Φ(z_j), of the last E-step; genes."""
        with np.errstate(divide="ignore", invalid="ignore"):
            log_density = np.log(self.density) + self.log_scale
            log_likelihood = (self.padded_genes.count * log_density).sum(1)
        if include_censored:
            log_likelihood += self.padded_genes.n_censored[:, 0] * self.censored.log_probability
        return log_likelihood

    def sum_uncensored(self, mixture: Mixture) -> Moments:
        """Sum over cells at or above the cut-off: r_ij = p_j φ(y_i; μ_j, σ_j) / f(y_i)."""
        genes, (weight, mean, sd) = self.padded_genes, mixture
        height = weight / (sd * SQRT_2PI)
        slope = np.stack([np.ones_like(mean), -mean], 2)
        np.matmul(slope, self.affine_basis, out=self.squared_deviations)  # y − μ
        np.multiply(self.squared_deviations, self.squared_deviations, out=self.squared_deviations)
        np.multiply(self.squared_deviations, (-0.5 / sd**2)[:, :, None], out=self.r)
        np.exp(self.r, out=self.r)
        node_density = np.matmul(height[:, None, :], self.r)[:, 0]
        self.density = genes.reduce_nodes(genes.weight_nodes(node_density))  # f, genes x values
        self.log_scale: FloatArray | float = 0.0
        if self.log_space and (self.density < MIN_DENSITY).any():
            self._recompute_in_log_space(height, sd)
        factor = genes.weight_nodes(genes.repeat_for_nodes(genes.count / self.density))
        np.multiply(self.r, factor[:, None, :], out=self.r)
        n, total = np.moveaxis(height[:, :, None] * np.matmul(self.r, self.moment_basis), 2, 0)
        np.multiply(self.r, self.squared_deviations, out=self.squared_deviations)
        return Moments(n, total, total - mean * n, height * self.squared_deviations.sum(2))

    def _recompute_in_log_space(self, height: FloatArray, sd: FloatArray) -> None:
        """Divide the densities of values by the largest component's, which does not change r_ij.

        ``log_scale`` is its logarithm.
        """
        mask = np.any(self.density < MIN_DENSITY, axis=1)
        genes = self.padded_genes.take(mask)
        exponent = -0.5 * self.squared_deviations[mask] / sd[mask, :, None] ** 2
        largest = (exponent + np.log(height[mask])[:, :, None]).max(1)
        log_scale = genes.reduce_nodes(largest, np.maximum)
        r = np.exp(exponent - genes.repeat_for_nodes(log_scale)[:, None, :])
        node_density = np.matmul(height[mask, None, :], r)[:, 0]
        self.r[mask] = r
        self.density[mask] = genes.reduce_nodes(genes.weight_nodes(node_density))
        self.log_scale = np.zeros_like(self.density)
        self.log_scale[mask] = log_scale

    def sum_censored(self, mixture: Mixture) -> Moments:
        """Sum over cells below the cut-off: the moments of each component truncated at z_j."""
        from scipy.special import log_ndtr, ndtr

        z = (self.padded_genes.cutoff - mixture.mean) / mixture.sd
        if self.log_space:
            log_cdf = log_ndtr(z)
            ratio = np.exp(-z * z / 2 - log_cdf) / SQRT_2PI
        else:
            cdf = ndtr(z)
            log_cdf = np.log(cdf)
            ratio = np.exp(-z * z / 2) / (SQRT_2PI * cdf)
            ratio[np.isnan(ratio)] = 0
        log_joint = np.log(mixture.weight) + log_cdf
        largest = log_joint.max(1, keepdims=True)
        joint = np.exp(log_joint - largest)
        total = joint.sum(1, keepdims=True)
        log_probability = (largest + np.log(total))[:, 0]
        self.censored = CensoredMoments(z, joint / total, ratio, log_probability)
        n = self.padded_genes.n_censored * self.censored.responsibility
        mean, sd = mixture.mean - mixture.sd * ratio, mixture.sd
        return Moments(n, n * mean, -n * sd * ratio, n * sd**2 * (1 - z * ratio))
