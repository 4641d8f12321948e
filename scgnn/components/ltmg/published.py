"""LTMG as the R program computes it: 100 plain EM steps, BIC of the values seen, jittered ties.

Genes with cells at or below the global cut-off get a left-truncated mixture; genes without get one
Gaussian or an ordinary two-component mixture, with a component "not expressed" of weight 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from scgnn.components.ltmg.mixture import (
    ROOT_2PI,
    Expectation,
    Fits,
    Mixture,
    Sums,
    no_fits,
)
from scgnn.components.ltmg.observed import Block, Bools, Floats, Integers, Observed, blocks

SINGULAR = 1e-8  # σ at which an ordinary mixture is given up
UNDERFLOW = -745.2  # the log of a density that is 0 in double precision
ORDINARY_ITERATIONS = 1000
ORDINARY_TOLERANCE = 1e-8  # rise of the log likelihood


class Candidates(NamedTuple):
    """Fits of every gene, one for each number of components or start that was tried."""

    bic: Floats  # genes x tries; inf where there is no fit
    n_components: Integers  # genes x tries
    mixture: list[Mixture]  # one per try
    converged: Bools  # genes x tries


def fit_truncated(
    observed: Observed,
    genes: Integers,
    cutoff: Floats,
    max_components: int,
    max_iterations: int,
    tolerance: float,
    censored_bic: bool,
) -> Candidates:
    """Left-truncated mixtures of K = 2 … ``max_components`` for genes with censored cells."""
    width, tries = max_components, range(2, max_components + 1)
    out = _no_fits(len(genes), len(tries), width)
    row = np.full(observed.n_genes, -1)
    row[genes] = np.arange(len(genes))
    seen = observed.n_above(cutoff)[genes]
    empty = (seen == 0) & (observed.n_expressed[genes] > 0)
    out.bic[empty, 0] = 2 * np.log(observed.n_cells)  # the R program's empty sum
    out.n_components[empty, 0] = 1
    for part in out.mixture[0]:
        part[empty, 0] = 0
    for at, k in enumerate(tries):
        for block in blocks(observed, genes[seen > k], cutoff, k):
            fit, converged = _em_truncated(block, k, max_iterations, tolerance)
            i = row[block.gene]
            out.bic[i, at], out.n_components[i, at] = _bic(
                block, fit, observed.n_cells, censored_bic
            )
            out.converged[i, at] = converged
            lost = np.isnan(fit.mean)
            for store, part in zip(out.mixture[at], fit, strict=True):
                store[i, :k] = np.where(lost, np.nan, part)
    return out


def _no_fits(n_genes: int, tries: int, width: int) -> Candidates:
    return Candidates(
        np.full((n_genes, tries), np.inf),
        np.zeros((n_genes, tries), np.int64),
        [Mixture(*(np.full((n_genes, width), np.nan) for _ in range(3))) for _ in range(tries)],
        np.zeros((n_genes, tries), bool),
    )


def _start(block: Block, k: int) -> Mixture:
    """Quantiles j/(K + 1), the outer two moved beyond the data; equal weights; σ of all values."""
    n = block.n  # genes x 1
    rank = np.arange(1, k + 1) * n // (k + 1)  # genes x components, from 1
    below = np.cumsum(block.count, 1)[:, None, :] < rank[:, :, None]
    mean = np.take_along_axis(block.y, below.sum(2), 1)
    mean[:, 0] = block.y[:, 0] - 1
    mean[:, -1] = block.y[:, -1] + 1
    centre = (block.count * block.y).sum(1, keepdims=True) / n
    variance = (block.count * (block.y - centre) ** 2).sum(1, keepdims=True) / (n - 1)
    ones = np.ones_like(mean)
    return Mixture(ones / k, mean, ones * np.sqrt(variance))


def _em_truncated(
    block: Block, k: int, max_iterations: int, tolerance: float
) -> tuple[Mixture, Bools]:
    """EM until a σ is NaN, nothing moves any more, or the iterations are used up."""
    now = _start(block, k)
    expectation = Expectation(block, k)
    fit = Mixture(*(np.empty_like(part) for part in now))
    converged = np.zeros(len(block.gene), bool)
    going = np.arange(len(block.gene))
    with np.errstate(all="ignore"):  # a component that loses its cells becomes NaN and is dropped
        for _ in range(max_iterations):
            before, now = now, _step(block, expectation, now)
            still = _still(before, now, tolerance)
            stop = still | np.isnan(now.sd).any(1)
            if stop.any():
                fit.put(going[stop], now.rows(stop))
                converged[going[still]] = True
                going, now, block = going[~stop], now.rows(~stop), block.rows(~stop)
                expectation.rows_only(~stop)
                if not len(going):
                    break
    fit.put(going, now)
    return fit, converged


def _still(before: Mixture, now: Mixture, tolerance: float) -> Bools:
    """Whether weights, means and σ each moved by no more than ``tolerance`` on average."""
    still = np.ones(len(now.mean), bool)
    for old, new in zip(before, now, strict=True):
        still &= np.abs(new - old).mean(1) <= tolerance
        if not still.any():
            break
    return still


def _step(block: Block, expectation: Expectation, old: Mixture) -> Mixture:
    """One EM step; σ about the old mean, as in the R program."""
    seen = expectation(old)
    z = (block.cutoff - old.mean) / old.sd
    below = ndtr(z)  # Φ(z)
    share = old.weight * below
    unseen = block.censored * share / share.sum(1, keepdims=True)  # C w_j
    hazard = np.exp(-z * z / 2) / (ROOT_2PI * below)  # λ = φ(z)/Φ(z)
    hazard[np.isnan(hazard)] = 0
    cells = seen.cells + unseen  # D_j
    cells[(old.sd == 0) & (seen.cells > 0)] = np.nan  # one value alone: its density is infinite
    mean = (seen.values + unseen * (old.mean - old.sd * hazard)) / cells
    variance = (seen.squares + unseen * old.sd**2 * (1 - z * hazard)) / cells
    return Mixture(cells / (block.n + block.censored), mean, np.sqrt(variance))


def _bic(
    block: Block, fit: Mixture, n_cells: Floats | int, censored: bool = False
) -> tuple[Floats, Integers]:
    """(3R − 1) log N − 2 Σ log f(y) of the values seen, R the components that have a mean.

    With ``censored`` also − 2 C log Σ_j p_j Φ(z_j), which the R program leaves out.
    """
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


def fit_ordinary(observed: Observed, genes: Integers, cutoff: Floats, starts: Floats) -> Candidates:
    """One Gaussian, and a two-component mixture from each start, for genes without censored cells.

    Parameters
    ----------
    starts
        p, μ, σ to begin from; genes x starts x 3 x 2. No starts: one Gaussian.
    """
    tries = 1 + starts.shape[1]
    out = _no_fits(len(genes), tries, 3)
    out.n_components[:, 0] = 2
    row = np.full(observed.n_genes, -1)
    row[genes] = np.arange(len(genes))
    single = _gaussians(observed, genes, cutoff)
    out.mixture[0].put(np.arange(len(genes)), single.after_not_expressed())
    above = np.nextafter(cutoff, np.inf)
    several = observed.n_above(above)[genes] > 2
    for block in blocks(observed, genes[several], above, 2):
        i = row[block.gene]
        out.bic[i, 0], _ = _bic(block, single.rows(i), block.n[:, 0])
        for at in range(1, tries):
            start = Mixture(*np.moveaxis(starts[i, at - 1], 1, 0))
            fit, out.converged[i, at] = em_ordinary(block, start)
            bic, _ = _bic(block, fit, block.n[:, 0])
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
        for _ in range(ORDINARY_ITERATIONS):
            before = likelihood
            now = Mixture(seen.cells / block.n, seen.values / seen.cells, now.sd)
            seen = expectation(now)  # conditional maximization: σ comes after its own E-step
            now = Mixture(seen.cells / block.n, now.mean, np.sqrt(seen.squares / seen.cells))
            seen, likelihood = expectation(now), expectation.likelihood()
            rise = likelihood - before
            lost = ~(now.sd >= SINGULAR).all(1) | np.isnan(rise)
            fit.put(going[~lost], now.rows(~lost))
            converged[going] = ~lost & (rise <= ORDINARY_TOLERANCE)
            go_on = ~lost & (rise > ORDINARY_TOLERANCE)
            fit.put(going[lost], Mixture(*(np.full_like(p[lost], np.nan) for p in now)))
            going, now, block = going[go_on], now.rows(go_on), block.rows(go_on)
            seen, likelihood = Sums(*(part[go_on] for part in seen)), likelihood[go_on]
            if not len(going):
                break
            expectation.rows_only(go_on)
    return fit, converged


def fit_published(
    observed: Observed,
    cutoff: Floats,
    truncated: Bools,
    starts: Floats,
    *,
    max_components: int = 5,
    max_iterations: int = 100,
    tolerance: float = 1e-10,
    censored_bic: bool = False,
    shrinking_k: bool = False,
) -> Fits:
    """The mixture of smallest BIC of every gene.

    Parameters
    ----------
    cutoff
        Of each gene.
    truncated
        Genes with cells at or below the global cut-off.
    censored_bic
        Whether the BIC counts the censored cells.
    shrinking_k
        No gene tries more components than the one before it got.
    starts
        For the other genes; genes x starts x 3 (p, μ, σ) x 2.
    """
    n_genes = observed.n_genes
    censored, full = np.flatnonzero(truncated), np.flatnonzero(~truncated)
    kinds = [
        fit_truncated(
            observed, censored, cutoff, max_components, max_iterations, tolerance, censored_bic
        ),
        fit_ordinary(observed, full, cutoff, starts[full]),
    ]
    fits = no_fits(n_genes, max(max_components, 3))
    bic = np.full((n_genes, max_components), np.nan)
    fits = fits._replace(bic=bic)
    place = np.empty(n_genes, np.int64)
    place[censored], place[full] = np.arange(len(censored)), np.arange(len(full))
    k = max_components
    for g in range(n_genes):
        candidates = kinds[0 if truncated[g] else 1]
        found = _take(fits, g, candidates, place[g], k, bool(truncated[g]))
        k = found if shrinking_k and found > 1 else k
    return fits._replace(mixture=fits.mixture.sorted())


def n_starts(k: int) -> int:
    """How many two-component starts a gene without censored cells gets: K in 2:(k - 1)."""
    return 2 if k == 2 else k - 2


def _take(fits: Fits, g: int, candidates: Candidates, i: int, k: int, truncated: bool) -> int:
    """Write the try of smallest BIC among those for ``k``; how many components it has."""
    tries = k - 1 if truncated else 1 + n_starts(k)
    bic = candidates.bic[i, :tries]
    best = int(bic.argmin())
    found = int(candidates.n_components[i, best])
    fits.n_components[g] = found
    fits.converged[g] = candidates.converged[i, best]
    for store, part in zip(fits.mixture, candidates.mixture[best], strict=True):
        store[g, : part.shape[1]] = part[i]
    by_k = bic if truncated else np.array([bic[0], bic[1:].min(initial=np.inf)])
    columns = slice(1, 1 + len(by_k)) if truncated else slice(0, 2)
    fits.bic[g, columns] = np.where(np.isinf(by_k), np.nan, by_k)[: fits.bic[g, columns].size]
    return found
