"""Mixtures of genes without censored cells, as the R program fits them: one Gaussian or two."""

from __future__ import annotations

import numpy as np

from scgnn.components.ltmg.expectation import Expectation, Sums
from scgnn.components.ltmg.mixture import Mixture
from scgnn.components.ltmg.model_selection import Candidates, bic_of, no_candidates
from scgnn.components.ltmg.sorted_values import Block, Bools, Floats, Integers, Observed, blocks

SINGULAR = 1e-8  # σ at which an ordinary mixture is given up
ITERATIONS = 1000
TOLERANCE = 1e-8  # rise of the log likelihood


def fit_ordinary(observed: Observed, genes: Integers, cutoff: Floats, starts: Floats) -> Candidates:
    """One Gaussian, and a two-component mixture from each start, for genes without censored cells.

    Parameters
    ----------
    starts
        p, μ, σ to begin from; genes x starts x 3 x 2. No starts: one Gaussian.
    """
    tries = 1 + starts.shape[1]
    out = no_candidates(len(genes), tries, 3)
    out.n_components[:, 0] = 2
    row = np.full(observed.n_genes, -1)
    row[genes] = np.arange(len(genes))
    single = _gaussians(observed, genes, cutoff)
    out.mixture[0].put(np.arange(len(genes)), single.after_not_expressed())
    above = np.nextafter(cutoff, np.inf)
    several = observed.n_above(above)[genes] > 2
    for block in blocks(observed, genes[several], above, 2):
        i = row[block.gene]
        out.bic[i, 0], _ = bic_of(block, single.rows(i), block.n[:, 0])
        for at in range(1, tries):
            start = Mixture(*np.moveaxis(starts[i, at - 1], 1, 0))
            fit, out.converged[i, at] = em_ordinary(block, start)
            bic, _ = bic_of(block, fit, block.n[:, 0])
            out.bic[i, at] = np.where(np.isnan(fit.sd).any(1), np.inf, bic)
            out.n_components[i, at] = 3
            out.mixture[at].put(i, fit.after_not_expressed())
    return out


def _gaussians(observed: Observed, genes: Integers, cutoff: Floats) -> Mixture:
    """One Gaussian per gene, σ with n − 1; genes x 1."""
    fits = np.full((3, len(genes), 1), np.nan)
    for i, g in enumerate(genes):
        value, count = observed.gene(g)
        y, m = value[value >= cutoff[g]], count[value >= cutoff[g]]
        with np.errstate(invalid="ignore"):  # NaN where there is one value or none
            mean = (m * y).sum() / m.sum()
            variance = (m * (y - mean) ** 2).sum() / np.maximum(m.sum() - 1, 0)
        fits[:, i, 0] = 1, mean, np.sqrt(variance)
    return Mixture(*fits)


def em_ordinary(block: Block, start: Mixture) -> tuple[Mixture, Bools]:
    """ECM until the log likelihood rises by no more than 1e-8; NaN where a σ fell to nothing."""
    now, expectation = start, Expectation(block, 2)
    fit = Mixture(*(np.full_like(part, np.nan) for part in start))
    converged = np.zeros(len(block.gene), bool)
    going = np.arange(len(block.gene))
    with np.errstate(all="ignore"):
        seen, likelihood = expectation(now), expectation.likelihood()
        for _ in range(ITERATIONS):
            before = likelihood
            now = Mixture(seen.cells / block.n, seen.values / seen.cells, now.sd)
            seen = expectation(now)  # conditional maximization: σ comes after its own E-step
            now = Mixture(seen.cells / block.n, now.mean, np.sqrt(seen.squares / seen.cells))
            seen, likelihood = expectation(now), expectation.likelihood()
            rise = likelihood - before
            lost = ~(now.sd >= SINGULAR).all(1) | np.isnan(rise)
            fit.put(going[~lost], now.rows(~lost))
            converged[going] = ~lost & (rise <= TOLERANCE)
            go_on = ~lost & (rise > TOLERANCE)
            fit.put(going[lost], Mixture(*(np.full_like(p[lost], np.nan) for p in now)))
            going, now, block = going[go_on], now.rows(go_on), block.rows(go_on)
            seen, likelihood = Sums(*(part[go_on] for part in seen)), likelihood[go_on]
            if not len(going):
                break
            expectation.rows_only(go_on)
    return fit, converged
