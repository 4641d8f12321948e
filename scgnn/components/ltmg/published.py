"""LTMG as the R program computes it: 100 plain EM steps, BIC of the values seen, jittered ties.

Genes with cells at or below the global cut-off get a left-truncated mixture; genes without get one
Gaussian or an ordinary two-component mixture, with a component "not expressed" of weight 0.
"""

from __future__ import annotations

import numpy as np

from scgnn.components.ltmg.expectation import UncensoredEStep
from scgnn.components.ltmg.mixture import SQRT_2PI, Mixture, MixtureFits, allocate_fits
from scgnn.components.ltmg.model_selection import Candidates, allocate_candidates, compute_bic
from scgnn.components.ltmg.ordinary import fit_ordinary
from scgnn.components.ltmg.sorted_values import (
    BoolArray,
    FloatArray,
    GeneBlock,
    IntArray,
    SortedExpression,
    iter_gene_blocks,
)

MIN_LOG_DENSITY = -745.2  # the log of a density that is 0 in double precision


def fit_truncated(
    expression: SortedExpression,
    genes: IntArray,
    cutoff: FloatArray,
    max_components: int,
    max_iterations: int,
    tolerance: float,
    censored_bic: bool,
) -> Candidates:
    """Left-truncated mixtures of K = 2 … ``max_components`` for genes with censored cells."""
    width, tries = max_components, range(2, max_components + 1)
    out = allocate_candidates(len(genes), len(tries), width)
    row = np.full(expression.n_genes, -1)
    row[genes] = np.arange(len(genes))
    seen = expression.count_above(cutoff)[genes]
    empty = (seen == 0) & (expression.n_expressed[genes] > 0)
    out.bic[empty, 0] = 2 * np.log(expression.n_cells)  # the R program's empty sum
    out.n_components[empty, 0] = 1
    for part in out.mixtures[0]:
        part[empty, 0] = 0
    for at, k in enumerate(tries):
        for block in iter_gene_blocks(expression, genes[seen > k], cutoff, k):
            fit, converged = _run_truncated_em(block, k, max_iterations, tolerance)
            i = row[block.gene]
            out.bic[i, at], out.n_components[i, at] = compute_bic(
                block, fit, expression.n_cells, censored_bic
            )
            out.converged[i, at] = converged
            lost = np.isnan(fit.mean)
            for store, part in zip(out.mixtures[at], fit, strict=True):
                store[i, :k] = np.where(lost, np.nan, part)
    return out


def _initialize(block: GeneBlock, k: int) -> Mixture:
    """Quantiles j/(K + 1), the outer two moved beyond the data; equal weights; σ of all values."""
    n = block.n_uncensored  # genes x 1
    rank = np.arange(1, k + 1) * n // (k + 1)  # genes x components, from 1
    below = np.cumsum(block.count, 1)[:, None, :] < rank[:, :, None]
    mean = np.take_along_axis(block.y, below.sum(2), 1)
    mean[:, 0] = block.y[:, 0] - 1
    mean[:, -1] = block.y[:, -1] + 1
    centre = (block.count * block.y).sum(1, keepdims=True) / n
    variance = (block.count * (block.y - centre) ** 2).sum(1, keepdims=True) / (n - 1)
    ones = np.ones_like(mean)
    return Mixture(ones / k, mean, ones * np.sqrt(variance))


def _run_truncated_em(
    block: GeneBlock, k: int, max_iterations: int, tolerance: float
) -> tuple[Mixture, BoolArray]:
    """EM until a σ is NaN, nothing moves any more, or the iterations are used up."""
    now = _initialize(block, k)
    expectation = UncensoredEStep(block, k)
    fit = Mixture(*(np.empty_like(part) for part in now))
    converged = np.zeros(len(block.gene), bool)
    going = np.arange(len(block.gene))
    with np.errstate(all="ignore"):  # a component that loses its cells becomes NaN and is dropped
        for _ in range(max_iterations):
            before, now = now, _compute_em_step(block, expectation, now)
            still = _has_converged(before, now, tolerance)
            stop = still | np.isnan(now.sd).any(1)
            if stop.any():
                fit.put(going[stop], now.take(stop))
                converged[going[still]] = True
                going, now, block = going[~stop], now.take(~stop), block.take(~stop)
                expectation.retain(~stop)
                if not len(going):
                    break
    fit.put(going, now)
    return fit, converged


def _has_converged(previous: Mixture, current: Mixture, tolerance: float) -> BoolArray:
    """Whether weights, means and σ each moved by no more than ``tolerance`` on average."""
    still = np.ones(len(current.mean), bool)
    for old, new in zip(previous, current, strict=True):
        still &= np.abs(new - old).mean(1) <= tolerance
        if not still.any():
            break
    return still


def _compute_em_step(block: GeneBlock, e_step: UncensoredEStep, mixture: Mixture) -> Mixture:
    """One EM step; σ about the old mean, as in the R program."""
    from scipy.special import ndtr

    seen = e_step(mixture)
    z = (block.cutoff - mixture.mean) / mixture.sd
    below = ndtr(z)  # Φ(z)
    share = mixture.weight * below
    unseen = block.n_censored * share / share.sum(1, keepdims=True)  # C w_j
    hazard = np.exp(-z * z / 2) / (SQRT_2PI * below)  # λ = φ(z)/Φ(z)
    hazard[np.isnan(hazard)] = 0
    cells = seen.responsibility_sum + unseen  # D_j
    cells[(mixture.sd == 0) & (seen.responsibility_sum > 0)] = (
        np.nan
    )  # one value alone: its density is infinite
    mean = (seen.value_sum + unseen * (mixture.mean - mixture.sd * hazard)) / cells
    variance = (seen.squared_deviation_sum + unseen * mixture.sd**2 * (1 - z * hazard)) / cells
    return Mixture(cells / (block.n_uncensored + block.n_censored), mean, np.sqrt(variance))


def fit_published(
    expression: SortedExpression,
    cutoff: FloatArray,
    is_truncated: BoolArray,
    starts: FloatArray,
    *,
    max_components: int = 5,
    max_iterations: int = 100,
    tolerance: float = 1e-10,
    censored_bic: bool = False,
    shrinking_k: bool = False,
) -> MixtureFits:
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
    n_genes = expression.n_genes
    censored, full = np.flatnonzero(is_truncated), np.flatnonzero(~is_truncated)
    kinds = [
        fit_truncated(
            expression, censored, cutoff, max_components, max_iterations, tolerance, censored_bic
        ),
        fit_ordinary(expression, full, cutoff, starts[full]),
    ]
    fits = allocate_fits(n_genes, max(max_components, 3))
    bic = np.full((n_genes, max_components), np.nan)
    fits = fits._replace(bic=bic)
    place = np.empty(n_genes, np.int64)
    place[censored], place[full] = np.arange(len(censored)), np.arange(len(full))
    k = max_components
    for g in range(n_genes):
        candidates = kinds[0 if is_truncated[g] else 1]
        found = _store_best_candidate(fits, g, candidates, place[g], k, bool(is_truncated[g]))
        k = found if shrinking_k and found > 1 else k
    return fits._replace(mixture=fits.mixture.sort_by_mean())


def count_ordinary_starts(max_components: int) -> int:
    """How many two-component starts a gene without censored cells gets: K in 2:(k - 1)."""
    return 2 if max_components == 2 else max_components - 2


def _store_best_candidate(
    fits: MixtureFits,
    gene: int,
    candidates: Candidates,
    row: int,
    max_components: int,
    is_truncated: bool,
) -> int:
    """Write the try of smallest BIC among those for ``k``; how many components it has."""
    tries = max_components - 1 if is_truncated else 1 + count_ordinary_starts(max_components)
    bic = candidates.bic[row, :tries]
    best = int(bic.argmin())
    found = int(candidates.n_components[row, best])
    fits.n_components[gene] = found
    fits.converged[gene] = candidates.converged[row, best]
    for store, part in zip(fits.mixture, candidates.mixtures[best], strict=True):
        store[gene, : part.shape[1]] = part[row]
    by_k = bic if is_truncated else np.array([bic[0], bic[1:].min(initial=np.inf)])
    columns = slice(1, 1 + len(by_k)) if is_truncated else slice(0, 2)
    fits.bic[gene, columns] = np.where(np.isinf(by_k), np.nan, by_k)[: fits.bic[gene, columns].size]
    return found
