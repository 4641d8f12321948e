"""Newton's method for the left-truncated likelihood, which converges where EM is slow.

Coordinates θ of a component: log p, μ, log σ; all components' log p first. Steps are scaled by the
complete-data information (the component of each cell known), so that an EM step has length 1.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np

from scgnn.components.ltmg.count_intervals import N_NODES
from scgnn.components.ltmg.expectation import CensoredMoments, EStep, Moments
from scgnn.components.ltmg.mixture import SQRT_2PI, Mixture
from scgnn.components.ltmg.padding import PaddedGenes
from scgnn.components.ltmg.sorted_expression import BoolArray, FloatArray

MIN_CELLS = 1e-10  # cells of a component at least, so that its logarithm is finite
MIN_CURVATURE = 1e-6  # relative to the complete data; anything flatter is treated alike
MAX_STEP = (1.0, 1.0, 0.5)  # of log p, of μ in units of σ, of log σ
MIN_SD = 0.05  # in log units: 5% of the expression, below the noise of any protocol


class Derivatives(NamedTuple):
    """Derivatives of the log-likelihood; genes x coordinates (x coordinates)."""

    gradient: FloatArray
    hessian: FloatArray
    information: FloatArray  # diagonal of the complete-data information


def compute_derivatives(e_step: EStep, mixture: Mixture, moments: Moments) -> Derivatives:
    """Return the derivatives at the mixture of the last E-step."""
    genes, (weight, mean, sd) = e_step.padded_genes, mixture
    k, n_cells = mean.shape[1], genes.n_uncensored + genes.n_censored
    n = np.maximum(moments.responsibility_sum, MIN_CELLS)
    precision = 1 / sd**2
    gradient = [
        moments.responsibility_sum - n_cells * weight,
        moments.first_moment * precision,
        moments.second_moment * precision - moments.responsibility_sum,
    ]
    information = np.concatenate([n, n * precision, 2 * n], 1)
    hessian = _compute_uncensored_hessian(e_step, mixture)
    hessian = hessian + _compute_censored_hessian(e_step.censored, genes.n_censored, sd)
    hessian[:, :k, :k] += n_cells[:, :, None] * weight[:, :, None] * weight[:, None, :]
    diagonal = np.arange(k)
    hessian[:, diagonal, diagonal] -= n_cells * weight
    return Derivatives(np.concatenate(gradient, 1), hessian, information)


def _compute_uncensored_hessian(e_step: EStep, mixture: Mixture) -> FloatArray:
    """Return Σ_i [Σ_j r_ij (∂² + ∂∂ᵀ) log p_j φ_j − (Σ_j r_ij ∂ log p_j φ_j)(…)ᵀ], y_i ≥ q."""
    genes, (weight, mean, sd) = e_step.padded_genes, mixture
    k = mean.shape[1]
    height = weight / (sd * SQRT_2PI)
    root = np.sqrt(genes.repeat_for_nodes(genes.count))[:, None, :]
    inverse = np.divide(1, root, out=np.zeros_like(root), where=root > 0)
    s = np.empty((len(mean), 3 * k, genes.node.shape[1]))  # scores: r, ru, ru² per root cell
    u = np.matmul(np.stack([1 / sd, -mean / sd], 2), e_step.affine_basis)  # (y − μ)/σ
    np.multiply(e_step.r, inverse, out=s[:, :k])
    np.multiply(s[:, :k], u, out=s[:, k : 2 * k])
    np.multiply(s[:, k : 2 * k], u, out=s[:, 2 * k :])
    m0, m1, m2 = np.moveaxis((s @ np.swapaxes(root, 1, 2)).reshape(-1, 3, k), 1, 0)
    power = np.multiply(u, root, out=e_step.squared_deviations)
    m3 = np.einsum("gkn,gkn->gk", s[:, 2 * k :], power)
    np.multiply(u, power, out=power)
    m4 = np.einsum("gkn,gkn->gk", s[:, 2 * k :], power)
    m0, m1, m2, m3, m4 = (height * m for m in (m0, m1, m2, m3, m4))  # Σ r_ij u^0 … u^4
    s[:, 2 * k :] -= s[:, :k]
    s = genes.reduce_nodes(s)
    scale = np.concatenate([height, height / sd, height], 1)  # to r, ru/σ, r(u² − 1)
    products = scale[:, :, None] * (s @ np.swapaxes(s, 1, 2)) * scale[:, None, :]
    aa, ab, ac = m0, m1 / sd, m2 - m0
    bb, bc, cc = (m2 - m0) / sd**2, (m3 - 3 * m1) / sd, m4 - 4 * m2 + m0
    return _assemble_hessian(aa, ab, ac, bb, bc, cc) - products


def _compute_censored_hessian(
    moments: CensoredMoments, n_censored: FloatArray, sd: FloatArray
) -> FloatArray:
    """Return the same for the cells below the cut-off, from the derivatives of p_j Φ(z_j)."""
    z, r, ratio, _ = moments
    rate = r * ratio
    score = np.concatenate([r, -rate / sd, -rate * z], 1)
    bb, bc, cc = -rate * z / sd**2, rate * (1 - z * z) / sd, rate * (z - z**3)
    hessian = _assemble_hessian(r, -rate / sd, -rate * z, bb, bc, cc)
    return n_censored[:, :, None] * (hessian - score[:, :, None] * score[:, None, :])


def _assemble_hessian(*parts: FloatArray) -> FloatArray:
    """Return symmetric matrices from their upper triangles for each component; genes x 3K x 3K.

    Coordinates of different components are not joined.
    """
    n_genes, k = parts[0].shape
    matrix = np.zeros((n_genes, 3, k, 3, k))
    j = np.arange(k)
    for (row, column), part in zip(combinations_with_replacement(range(3), 2), parts, strict=True):
        matrix[:, row, j, column, j] = part
        matrix[:, column, j, row, j] = part
    return matrix.reshape(n_genes, 3 * k, 3 * k)


def compute_newton_step(
    genes: PaddedGenes, mixture: Mixture, derivatives: Derivatives, damping: FloatArray
) -> tuple[Mixture, FloatArray]:
    """Return the next point, and half the Newton decrement (the gain of an undamped step); genes.

    Coordinates at a bound stay there if the slope, or else the step, points beyond it.
    """
    free = ~_find_active_bounds(genes, mixture, derivatives.gradient)
    step, gain = _solve_step(derivatives, free, damping)
    beyond = free & _find_active_bounds(genes, mixture, step)
    again = beyond.any(1)
    if again.any():
        subset = Derivatives(*(part[again] for part in derivatives))
        step[again], _ = _solve_step(subset, (free & ~beyond)[again], damping[again])
    step = step.reshape(len(step), 3, -1)
    limit = np.stack([np.full_like(mixture.sd, limit) for limit in MAX_STEP], 1)
    limit[:, 1] *= mixture.sd
    step /= np.maximum(1, np.abs(step / limit).max((1, 2)))[:, None, None]
    log_weight, mean, log_sd = np.moveaxis(step, 1, 0)
    weight = np.maximum(mixture.weight * np.exp(log_weight), MIN_CELLS)
    proposal = Mixture(weight, mixture.mean + mean, mixture.sd * np.exp(log_sd))
    return clip_to_bounds(genes, proposal), gain


def _solve_step(
    derivatives: Derivatives, free: BoolArray, damping: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the step of the free coordinates, and half the Newton decrement.

    Curvatures enter by their absolute value, so that saddle points repel (Dauphin et al. 2014);
    ``damping`` is added to them (Levenberg 1944).
    """
    unit = free / np.sqrt(derivatives.information)
    curvature = -derivatives.hessian * unit[:, :, None] * unit[:, None, :]
    value, vector = np.linalg.eigh(curvature)
    slope = np.matmul((derivatives.gradient * unit)[:, None, :], vector)[:, 0]
    size = np.maximum(np.abs(value), MIN_CURVATURE)
    gain = (slope**2 / size).sum(1) / 2
    step = (slope / (size + damping[:, None]))[:, :, None]
    return unit * np.matmul(vector, step)[:, :, 0], gain


def clip_to_bounds(genes: PaddedGenes, mixture: Mixture) -> Mixture:
    """Normalize weights; keep "not expressed" at or below the cut-off, and σ above its minimum."""
    weight, mean, sd = mixture
    mean = np.minimum(mean, _compute_max_mean(genes, mean.shape[1]))
    sd = np.maximum(sd, _compute_min_sd(genes))
    return Mixture(weight / weight.sum(1, keepdims=True), mean, sd)


def _compute_max_mean(genes: PaddedGenes, n_components: int) -> FloatArray:
    """Return q for μ_1 of K > 1 components in genes with censored cells; genes x components."""
    bound = np.full((len(genes.gene), n_components), np.inf)
    if n_components > 1:
        bound[:, :1] = np.where(genes.n_censored > 0, genes.cutoff, np.inf)
    return bound


def _compute_min_sd(genes: PaddedGenes) -> FloatArray:
    """Return ``MIN_SD``, or what quadrature of the smallest count resolves; genes x 1."""
    interval = np.log1p(genes.count_unit * np.exp(-genes.cutoff))  # from q to q and one unit
    return np.maximum(MIN_SD, interval / N_NODES)


def _find_active_bounds(genes: PaddedGenes, mixture: Mixture, direction: FloatArray) -> BoolArray:
    """Return which coordinates are at a bound that a direction crosses; genes x coordinates."""
    _, mean, sd = np.split(direction, 3, axis=1)
    at_max = (mixture.mean >= _compute_max_mean(genes, mixture.mean.shape[1])) & (mean > 0)
    at_min = (mixture.sd <= _compute_min_sd(genes)) & (sd < 0)
    return np.concatenate([np.zeros_like(at_max), at_max, at_min], 1)
