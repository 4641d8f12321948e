"""Newton's method for the corrected likelihood: where EM would creep, it arrives.

Coordinates θ of a component: log p, μ, log σ, all components' log p first. Steps are measured
against the information that complete data would hold (the cells of a component known), so that 1 is
the length of an EM step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scgnn.components.ltmg.expectation import Below, Evidence, Moments
from scgnn.components.ltmg.mixture import ROOT_2PI, Mixture
from scgnn.components.ltmg.quadrature import NODES, Sample
from scgnn.components.ltmg.sorted_values import Bools, Floats

FEWEST = 1e-10  # cells a component keeps, so that its logarithm stays finite
FLATTEST = 1e-6  # of the curvature of complete data; flatter is as good as flat
LONGEST = (1.0, 1.0, 0.5)  # steps at most: of log p, of μ in σ, of log σ
NARROWEST = 0.05  # σ in log units: 5 % of the expression, below the noise of any protocol


class Slope(NamedTuple):
    """The log likelihood around a point; genes x coordinates (x coordinates)."""

    gradient: Floats
    hessian: Floats
    metric: Floats  # diagonal of the complete-data information


def slope(evidence: Evidence, here: Mixture, moments: Moments) -> Slope:
    """First and second derivatives, from the responsibilities of the last E-step."""
    sample, (weight, mean, sd) = evidence.sample, here
    k, total = mean.shape[1], sample.n + sample.censored
    cells = np.maximum(moments.cells, FEWEST)
    precision = 1 / sd**2
    gradient = [
        moments.cells - total * weight,
        moments.first * precision,
        moments.second * precision - moments.cells,
    ]
    metric = np.concatenate([cells, cells * precision, 2 * cells], 1)
    hessian = _seen(evidence, here) + _unseen(evidence.below(here), sample.censored, sd)
    hessian[:, :k, :k] += total[:, :, None] * weight[:, :, None] * weight[:, None, :]
    diagonal = np.arange(k)
    hessian[:, diagonal, diagonal] -= total * weight
    return Slope(np.concatenate(gradient, 1), hessian, metric)


def _seen(evidence: Evidence, here: Mixture) -> Floats:
    """Σ_i [Σ_j r_ij ∂² + (∂)² of log p_j φ_j] − (Σ_j r_ij ∂ log p_j φ_j)², over the values seen."""
    sample, (weight, mean, sd) = evidence.sample, here
    root = np.sqrt(sample.by_node(sample.count))[:, None, :]
    height = weight / (sd * ROOT_2PI)
    inverse = np.divide(1, root, out=np.zeros_like(root), where=root > 0)
    k = mean.shape[1]
    s = np.empty((len(mean), 3 * k, sample.node.shape[1]))  # scores: r, ru, ru² per root cell
    u = np.matmul(np.stack([1 / sd, -mean / sd], 2), evidence.lines)  # (y − μ)/σ
    np.multiply(evidence.r, inverse, out=s[:, :k])
    np.multiply(s[:, :k], u, out=s[:, k : 2 * k])
    np.multiply(s[:, k : 2 * k], u, out=s[:, 2 * k :])
    m0, m1, m2 = np.moveaxis((s @ np.swapaxes(root, 1, 2)).reshape(-1, 3, k), 1, 0)
    np.multiply(u, root, out=evidence.squares)
    m3 = np.einsum("gkn,gkn->gk", s[:, 2 * k :], evidence.squares)
    np.multiply(u, evidence.squares, out=evidence.squares)
    m4 = np.einsum("gkn,gkn->gk", s[:, 2 * k :], evidence.squares)
    m0, m1, m2, m3, m4 = (height * m for m in (m0, m1, m2, m3, m4))  # Σ r_ij u^0 … u^4
    s[:, 2 * k :] -= s[:, :k]
    s = sample.by_value(s)
    scale = np.concatenate([height, height / sd, height], 1)  # to r, ru/σ, r(u² − 1)
    products = scale[:, :, None] * (s @ np.swapaxes(s, 1, 2)) * scale[:, None, :]
    return (
        _blocks(m0, m1 / sd, m2 - m0, (m2 - m0) / sd**2, (m3 - 3 * m1) / sd, m4 - 4 * m2 + m0)
        - products
    )


def _unseen(below: Below, censored: Floats, sd: Floats) -> Floats:
    """The same for the cells below the cut-off, from the derivatives of p_j Φ(z_j)."""
    z, share, hazard, _ = below
    rate = share * hazard
    score = np.concatenate([share, -rate / sd, -rate * z], 1)
    within = _blocks(
        share,
        -rate / sd,
        -rate * z,
        -rate * z / sd**2,
        rate * (1 - z * z) / sd,
        rate * (z - z**3),
    )
    return censored[:, :, None] * (within - score[:, :, None] * score[:, None, :])


def _blocks(aa: Floats, ab: Floats, ac: Floats, bb: Floats, bc: Floats, cc: Floats) -> Floats:
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


def step(sample: Sample, here: Mixture, at: Slope, damping: Floats) -> tuple[Mixture, Floats]:
    """Where Newton's method goes next, and how much a whole step would gain; genes.

    Coordinates at a bound stay there if the slope, or else the step, pushes beyond it.
    """
    free = ~_pushed(sample, here, at.gradient)
    move, gain = _move(at, free, damping)
    beyond = free & _pushed(sample, here, move)
    again = beyond.any(1)
    if again.any():
        some = Slope(*(part[again] for part in at))
        move[again], _ = _move(some, (free & ~beyond)[again], damping[again])
    parts = move.reshape(len(move), 3, -1) / np.stack(
        [
            np.full_like(here.sd, LONGEST[0]),
            LONGEST[1] * here.sd,
            np.full_like(here.sd, LONGEST[2]),
        ],
        1,
    )
    move /= np.maximum(1, np.abs(parts).max((1, 2)))[:, None]
    log_weight, mean, log_sd = np.moveaxis(move.reshape(parts.shape), 1, 0)
    weight = np.maximum(here.weight * np.exp(log_weight), FEWEST)
    there = Mixture(weight, here.mean + mean, here.sd * np.exp(log_sd))
    return within_bounds(sample, there), gain


def _move(at: Slope, free: Bools, damping: Floats) -> tuple[Floats, Floats]:
    """The step of the free coordinates, and half the Newton decrement.

    Curvature counts by its size, so that a saddle is left and not sought (Dauphin et al. 2014);
    ``damping`` is added to it (Levenberg 1944).
    """
    unit = free / np.sqrt(at.metric)
    curvature = -at.hessian * unit[:, :, None] * unit[:, None, :]
    value, vector = np.linalg.eigh(curvature)
    along = np.matmul((at.gradient * unit)[:, None, :], vector)[:, 0]
    size = np.maximum(np.abs(value), FLATTEST)
    gain = (along**2 / size).sum(1) / 2
    whole = (along / (size + damping[:, None]))[:, :, None]
    return unit * np.matmul(vector, whole)[:, :, 0], gain


def within_bounds(sample: Sample, mixture: Mixture) -> Mixture:
    """Weights that sum to 1, "not expressed" at or below the cut-off, no σ below its floor."""
    weight, mean, sd = mixture
    mean = np.minimum(mean, highest(sample, mean.shape[1]))
    return Mixture(weight / weight.sum(1, keepdims=True), mean, np.maximum(sd, narrowest(sample)))


def highest(sample: Sample, n_components: int) -> Floats:
    """μ_1 ≤ q in genes with censored cells and more than one component; genes x components."""
    bound = np.full((len(sample.gene), n_components), np.inf)
    if n_components > 1:
        bound[:, :1] = np.where(sample.censored > 0, sample.cutoff, np.inf)
    return bound


def narrowest(sample: Sample) -> Floats:
    """The least σ: ``NARROWEST``, or what quadrature of the smallest count resolves; genes x 1."""
    interval = np.log1p(sample.unit * np.exp(-sample.cutoff))  # from q to q and one unit
    return np.maximum(NARROWEST, interval / NODES)


def _pushed(sample: Sample, here: Mixture, towards: Floats) -> Bools:
    """Coordinates at a bound that a direction would push beyond it; genes x coordinates."""
    _, of_mean, of_sd = np.split(towards, 3, axis=1)
    high = (here.mean >= highest(sample, here.mean.shape[1])) & (of_mean > 0)
    low = (here.sd <= narrowest(sample)) & (of_sd < 0)
    return np.concatenate([np.zeros_like(high), high, low], 1)
