"""What the R program chooses from: fits of every gene, and the BIC by which they are compared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scgnn.components.ltmg.mixture import ROOT_2PI, Mixture
from scgnn.components.ltmg.sorted_values import Block, Bools, Floats, Integers


class Candidates(NamedTuple):
    """Fits of every gene, one for each number of components or start that was tried."""

    bic: Floats  # genes x tries; inf where there is no fit
    n_components: Integers  # genes x tries
    mixture: list[Mixture]  # one per try
    converged: Bools  # genes x tries


def no_candidates(n_genes: int, tries: int, width: int) -> Candidates:
    """Before any gene is fitted: no try has a fit."""
    return Candidates(
        np.full((n_genes, tries), np.inf),
        np.zeros((n_genes, tries), np.int64),
        [Mixture(*(np.full((n_genes, width), np.nan) for _ in range(3))) for _ in range(tries)],
        np.zeros((n_genes, tries), bool),
    )


def bic_of(
    block: Block, fit: Mixture, n_cells: Floats | int, censored: bool = False
) -> tuple[Floats, Integers]:
    """(3R − 1) log N − 2 Σ log f(y) of the values seen, R the components that have a mean.

    With ``censored`` also − 2 C log Σ_j p_j Φ(z_j), which the R program leaves out.
    """
    from scipy.special import ndtr

    kept = ~np.isnan(fit.mean)
    n_components = kept.sum(1)
    with np.errstate(all="ignore"):
        deviation = (block.y[:, None, :] - fit.mean[:, :, None]) / fit.sd[:, :, None]
        height = fit.weight / (fit.sd * ROOT_2PI)
        density = height[:, :, None] * np.exp(-(deviation**2) / 2)
        f = np.where(kept[:, :, None], density, 0).sum(1)
        likelihood = (block.count * np.log(f)).sum(1)
        if censored:
            below = fit.weight * ndtr((block.cutoff - fit.mean) / fit.sd)
            likelihood += block.censored[:, 0] * np.log(np.nansum(below, 1))
    bic = (3 * n_components - 1) * np.log(n_cells) - 2 * likelihood
    return np.where(np.isnan(bic) | (n_components == 0), np.inf, bic), n_components
