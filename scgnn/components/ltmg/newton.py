"""Newton's method for the corrected likelihood: where EM would creep, it arrives.

Coordinates θ of a component: log p, μ, log σ, all components' log p first. Steps are measured
against the information that complete data would hold (the cells of a component known), so that 1 is
the length of an EM step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scgnn.components.ltmg.expectation import CensoredMoments, EStep, Moments
from scgnn.components.ltmg.mixture import SQRT_2PI, Mixture
from scgnn.components.ltmg.quadrature import N_NODES, PaddedGenes
from scgnn.components.ltmg.sorted_values import BoolArray, FloatArray

MIN_CELLS = 1e-10  # cells a component keeps, so that its logarithm stays finite
MIN_CURVATURE = 1e-6  # of the curvature of complete data; flatter is as good as flat
MAX_STEP = (1.0, 1.0, 0.5)  # steps at most: of log p, of μ in σ, of log σ
MIN_SD = 0.05  # σ in log units: 5 % of the expression, below the noise of any protocol


class Derivatives(NamedTuple):
    """The log likelihood around a point; genes x coordinates (x coordinates)."""

    gradient: FloatArray
    hessian: FloatArray
    information: FloatArray  # diagonal of the complete-data information


def compute_derivatives(e_step: EStep, mixture: Mixture, moments: Moments) -> Derivatives:
    """First and second derivatives, from the responsibilities of the last E-step."""
    sample, (weight, mean, sd) = e_step.padded_genes, mixture
    k, total = mean.shape[1], sample.n_uncensored + sample.n_censored
    cells = np.maximum(moments.responsibility_sum, MIN_CELLS)
    precision = 1 / sd**2
    gradient = [
        moments.responsibility_sum - total * weight,
        moments.first_moment * precision,
        moments.second_moment * precision - moments.responsibility_sum,
    ]
    metric = np.concatenate([cells, cells * precision, 2 * cells], 1)
    hessian = _compute_uncensored_hessian(e_step, mixture) + _compute_censored_hessian(
        e_step.compute_censored_moments(mixture), sample.n_censored, sd
    )
    hessian[:, :k, :k] += total[:, :, None] * weight[:, :, None] * weight[:, None, :]
    diagonal = np.arange(k)
    hessian[:, diagonal, diagonal] -= total * weight
    return Derivatives(np.concatenate(gradient, 1), hessian, metric)


def _compute_uncensored_hessian(e_step: EStep, mixture: Mixture) -> FloatArray:
    """Σ_i [Σ_j r_ij ∂² + (∂)² of log p_j φ_j] − (Σ_j r_ij ∂ log p_j φ_j)², over the values seen."""
    sample, (weight, mean, sd) = e_step.padded_genes, mixture
    root = np.sqrt(sample.repeat_for_nodes(sample.count))[:, None, :]
    height = weight / (sd * SQRT_2PI)
    inverse = np.divide(1, root, out=np.zeros_like(root), where=root > 0)
    k = mean.shape[1]
    s = np.empty((len(mean), 3 * k, sample.node.shape[1]))  # scores: r, ru, ru² per root cell
    u = np.matmul(np.stack([1 / sd, -mean / sd], 2), e_step.affine_basis)  # (y − μ)/σ
    np.multiply(e_step.r, inverse, out=s[:, :k])
    np.multiply(s[:, :k], u, out=s[:, k : 2 * k])
    np.multiply(s[:, k : 2 * k], u, out=s[:, 2 * k :])
    m0, m1, m2 = np.moveaxis((s @ np.swapaxes(root, 1, 2)).reshape(-1, 3, k), 1, 0)
    np.multiply(u, root, out=e_step.squared_deviations)
    m3 = np.einsum("gkn,gkn->gk", s[:, 2 * k :], e_step.squared_deviations)
    np.multiply(u, e_step.squared_deviations, out=e_step.squared_deviations)
    m4 = np.einsum("gkn,gkn->gk", s[:, 2 * k :], e_step.squared_deviations)
    m0, m1, m2, m3, m4 = (height * m for m in (m0, m1, m2, m3, m4))  # Σ r_ij u^0 … u^4
    s[:, 2 * k :] -= s[:, :k]
    s = sample.reduce_nodes(s)
    scale = np.concatenate([height, height / sd, height], 1)  # to r, ru/σ, r(u² − 1)
    products = scale[:, :, None] * (s @ np.swapaxes(s, 1, 2)) * scale[:, None, :]
    return (
        _assemble_hessian(
            m0, m1 / sd, m2 - m0, (m2 - m0) / sd**2, (m3 - 3 * m1) / sd, m4 - 4 * m2 + m0
        )
        - products
    )


def _compute_censored_hessian(
    moments: CensoredMoments, n_censored: FloatArray, sd: FloatArray
) -> FloatArray:
    """The same for the cells below the cut-off, from the derivatives of p_j Φ(z_j)."""
    z, share, hazard, _ = moments
    rate = share * hazard
    score = np.concatenate([share, -rate / sd, -rate * z], 1)
    within = _assemble_hessian(
        share,
        -rate / sd,
        -rate * z,
        -rate * z / sd**2,
        rate * (1 - z * z) / sd,
        rate * (z - z**3),
    )
    return n_censored[:, :, None] * (within - score[:, :, None] * score[:, None, :])


def _assemble_hessian(
    aa: FloatArray, ab: FloatArray, ac: FloatArray, bb: FloatArray, bc: FloatArray, cc: FloatArray
) -> FloatArray:
    """Symmetric matrices that join only coordinates of one component; genes x 3K x 3K."""
    genes, k = aa.shape
    matrix = np.zeros((genes, 3, k, 3, k))
    j = np.arange(k)
    for (row, column), part in zip(
        [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)], [aa, ab, ac, bb, bc, cc], strict=True
    ):
        matrix[:, row, j, column, j] = part
        matrix[:, column, j, row, j] = part
    return matrix.reshape(genes, 3 * k, 3 * k)


def compute_newton_step(
    padded_genes: PaddedGenes, mixture: Mixture, derivatives: Derivatives, damping: FloatArray
) -> tuple[Mixture, FloatArray]:
    """Where Newton's method goes next, and how much a whole step would gain; genes.

    Coordinates at a bound stay there if the slope, or else the step, pushes beyond it.
    """
    free = ~_find_active_bounds(padded_genes, mixture, derivatives.gradient)
    move, gain = _solve_step(derivatives, free, damping)
    beyond = free & _find_active_bounds(padded_genes, mixture, move)
    again = beyond.any(1)
    if again.any():
        some = Derivatives(*(part[again] for part in derivatives))
        move[again], _ = _solve_step(some, (free & ~beyond)[again], damping[again])
    parts = move.reshape(len(move), 3, -1) / np.stack(
        [
            np.full_like(mixture.sd, MAX_STEP[0]),
            MAX_STEP[1] * mixture.sd,
            np.full_like(mixture.sd, MAX_STEP[2]),
        ],
        1,
    )
    move /= np.maximum(1, np.abs(parts).max((1, 2)))[:, None]
    log_weight, mean, log_sd = np.moveaxis(move.reshape(parts.shape), 1, 0)
    weight = np.maximum(mixture.weight * np.exp(log_weight), MIN_CELLS)
    there = Mixture(weight, mixture.mean + mean, mixture.sd * np.exp(log_sd))
    return clip_to_bounds(padded_genes, there), gain


def _solve_step(
    derivatives: Derivatives, free: BoolArray, damping: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The step of the free coordinates, and half the Newton decrement.

    Curvature counts by its size, so that a saddle is left and not sought (Dauphin et al. 2014);
    ``damping`` is added to it (Levenberg 1944).
    """
    unit = free / np.sqrt(derivatives.information)
    curvature = -derivatives.hessian * unit[:, :, None] * unit[:, None, :]
    value, vector = np.linalg.eigh(curvature)
    along = np.matmul((derivatives.gradient * unit)[:, None, :], vector)[:, 0]
    size = np.maximum(np.abs(value), MIN_CURVATURE)
    gain = (along**2 / size).sum(1) / 2
    whole = (along / (size + damping[:, None]))[:, :, None]
    return unit * np.matmul(vector, whole)[:, :, 0], gain


def clip_to_bounds(padded_genes: PaddedGenes, mixture: Mixture) -> Mixture:
    """Weights that sum to 1, "not expressed" at or below the cut-off, no σ below its floor."""
    weight, mean, sd = mixture
    mean = np.minimum(mean, compute_max_mean(padded_genes, mean.shape[1]))
    return Mixture(
        weight / weight.sum(1, keepdims=True), mean, np.maximum(sd, compute_min_sd(padded_genes))
    )


def compute_max_mean(padded_genes: PaddedGenes, n_components: int) -> FloatArray:
    """μ_1 ≤ q in genes with censored cells and more than one component; genes x components."""
    bound = np.full((len(padded_genes.gene), n_components), np.inf)
    if n_components > 1:
        bound[:, :1] = np.where(padded_genes.n_censored > 0, padded_genes.cutoff, np.inf)
    return bound


def compute_min_sd(padded_genes: PaddedGenes) -> FloatArray:
    """The least σ: ``NARROWEST``, or what quadrature of the smallest count resolves; genes x 1."""
    interval = np.log1p(
        padded_genes.count_unit * np.exp(-padded_genes.cutoff)
    )  # from q to q and one unit
    return np.maximum(MIN_SD, interval / N_NODES)


def _find_active_bounds(
    padded_genes: PaddedGenes, mixture: Mixture, direction: FloatArray
) -> BoolArray:
    """Coordinates at a bound that a direction would push beyond it; genes x coordinates."""
    _, of_mean, of_sd = np.split(direction, 3, axis=1)
    high = (mixture.mean >= compute_max_mean(padded_genes, mixture.mean.shape[1])) & (of_mean > 0)
    low = (mixture.sd <= compute_min_sd(padded_genes)) & (of_sd < 0)
    return np.concatenate([np.zeros_like(high), high, low], 1)
