"""LTMG as the R program computes it: 100 plain EM steps, BIC of the values seen, jittered ties.

Genes with cells at or below the global cut-off get a left-truncated mixture; genes without get one
Gaussian or an ordinary two-component mixture, with a component "not expressed" of weight 0.
"""

from __future__ import annotations

import numpy as np

from scgnn.components.ltmg.expectation import Expectation
from scgnn.components.ltmg.mixture import ROOT_2PI, Fits, Mixture, no_fits
from scgnn.components.ltmg.model_selection import Candidates, bic_of, no_candidates
from scgnn.components.ltmg.ordinary import fit_ordinary
from scgnn.components.ltmg.sorted_values import Block, Bools, Floats, Integers, Observed, blocks

UNDERFLOW = -745.2  # the log of a density that is 0 in double precision


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
    out = no_candidates(len(genes), len(tries), width)
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
            out.bic[i, at], out.n_components[i, at] = bic_of(
                block, fit, observed.n_cells, censored_bic
            )
            out.converged[i, at] = converged
            lost = np.isnan(fit.mean)
            for store, part in zip(out.mixture[at], fit, strict=True):
                store[i, :k] = np.where(lost, np.nan, part)
    return out


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
    from scipy.special import ndtr

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
