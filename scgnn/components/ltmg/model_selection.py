"""What the R program chooses from: fits of every gene, and the BIC by which they are compared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scgnn.components.ltmg.mixture import SQRT_2PI, Mixture
from scgnn.components.ltmg.sorted_values import BoolArray, FloatArray, GeneBlock, IntArray


class Candidates(NamedTuple):
    """Fits of every gene, one for each number of components or start that was tried."""

    bic: FloatArray  # genes x tries; inf where there is no fit
    n_components: IntArray  # genes x tries
    mixtures: list[Mixture]  # one per try
    converged: BoolArray  # genes x tries


def allocate_candidates(n_genes: int, n_candidates: int, n_components: int) -> Candidates:
    """Before any gene is fitted: no try has a fit."""
    return Candidates(
        np.full((n_genes, n_candidates), np.inf),
        np.zeros((n_genes, n_candidates), np.int64),
        [
            Mixture(*(np.full((n_genes, n_components), np.nan) for _ in range(3)))
            for _ in range(n_candidates)
        ],
        np.zeros((n_genes, n_candidates), bool),
    )


def compute_bic(
    block: GeneBlock, mixture: Mixture, n_cells: FloatArray | int, include_censored: bool = False
) -> tuple[FloatArray, IntArray]:
    """(3R − 1) log N − 2 Σ log f(y) of the values seen, R the components that have a mean.

    With ``censored`` also − 2 C log Σ_j p_j Φ(z_j), which the R program leaves out.
    """
    from scipy.special import ndtr

    kept = ~np.isnan(mixture.mean)
    n_components = kept.sum(1)
    with np.errstate(all="ignore"):
        deviation = (block.y[:, None, :] - mixture.mean[:, :, None]) / mixture.sd[:, :, None]
        height = mixture.weight / (mixture.sd * SQRT_2PI)
        density = height[:, :, None] * np.exp(-(deviation**2) / 2)
        f = np.where(kept[:, :, None], density, 0).sum(1)
        likelihood = (block.count * np.log(f)).sum(1)
        if include_censored:
            below = mixture.weight * ndtr((block.cutoff - mixture.mean) / mixture.sd)
            likelihood += block.n_censored[:, 0] * np.log(np.nansum(below, 1))
    bic = (3 * n_components - 1) * np.log(n_cells) - 2 * likelihood
    return np.where(np.isnan(bic) | (n_components == 0), np.inf, bic), n_components
