"""LTMG: which activity state each gene is in, in each cell."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from scgnn.components.ltmg.cutoffs import compute_global_cutoff
from scgnn.components.ltmg.expression import compute_log_expression
from scgnn.components.ltmg.jitter import add_jitter, draw_random_starts
from scgnn.components.ltmg.maximum_likelihood import (
    assign_states_maximum_likelihood,
    fit_maximum_likelihood,
)
from scgnn.components.ltmg.mixture import MixtureFits, assign_states
from scgnn.components.ltmg.published import MIN_LOG_DENSITY, count_ordinary_starts, fit_published
from scgnn.components.ltmg.quadrature import compute_cutoffs, find_count_units
from scgnn.components.ltmg.sorted_values import (
    BoolArray,
    FloatArray,
    IntArray,
    SortedExpression,
    sort_expression,
)
from scgnn.field_types import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt


@dataclass(frozen=True)
class LTMGFit:
    """The states of a matrix and the mixture of every gene.

    Parameters
    ----------
    states
        0 not expressed (not stored), 1, 2, … rising activity; cells x genes, uint8.
    weight, mean, sd
        Components by rising mean, on the log scale, NaN-padded; genes x components.
    n_components
        Components of each gene, the one "not expressed" included; genes.
    cutoff
        Log expression below which a value is censored; NaN without expression; genes.
    bic
        Bayesian information criterion by number of components, NaN where not fitted; genes x K.
    converged
        Whether the chosen fit stopped moving; genes.
    status
        "all zero", "too few values", "no active state", "one active state" or "several active
        states"; genes.
    """

    states: sparse.csr_matrix
    weight: FloatArray
    mean: FloatArray
    sd: FloatArray
    n_components: IntArray
    cutoff: FloatArray
    bic: FloatArray
    converged: BoolArray
    status: NDArray[np.str_]

    @property
    def n_active_states(self) -> IntArray:
        """Active states of each gene."""
        return np.maximum(self.n_components - 1, 0)

    @property
    def status_counts(self) -> dict[str, int]:
        """How many genes have each status."""
        return dict(sorted(Counter(self.status.tolist()).items()))


@dataclass(frozen=True)
class LTMG:
    """The left-truncated mixture of Gaussians (Wan et al., Nucleic Acids Research 2019).

    Log expression of a gene is a mixture of Gaussians seen only above a cut-off; zeros are the
    censored part. Each value becomes the index of its component: 0 "not expressed", then 1, 2, …
    by rising mean.

    Parameters
    ----------
    variant
        "mle" maximizes the likelihood to convergence; "published" computes what the R program
        RunLTMG computes, 100 EM steps and random jitter.
    max_components
        Most components of a gene, the one "not expressed" included; 2 or more (R: k = 5).
    max_iterations
        Steps at most; None: the variant's own (corrected 500, published 100).
    tolerance
        Corrected: log likelihood that may be left to gain. Published: how far weights, means and
        standard deviations may still move in a step, on average. None: the variant's own (1e-6,
        1e-10).
    cutoff
        Log expression below which values are censored: each gene's smallest value, where the two
        groups of smallest values of all genes cross, or a number (R as installed: 0), never below
        the gene's smallest value.
    input
        What the matrix holds: counts, or log(count + 1).
    jitter
        Standard deviation of the noise that breaks ties, in log units; None: the variant's own
        (corrected 0: tied counts stand for the interval that was rounded to them; published 1e-4).
    criterion
        Which values the BIC counts: also the censored ones, or as published those seen; None: the
        variant's own ("censored" and "published").
    shrinking_k
        No gene tries more components than the one before it got, a slip of the R program that
        makes states depend on the order of genes; published only.
    ordinary_starts
        Random starts of the two-component mixture of a gene without zeros; 0 gives it one Gaussian,
        as the R program does where mixtools is not attached; None: as many as the R program.
        Published only.
    """

    variant: Literal["published", "mle"] = "mle"
    max_components: PositiveInt = 5
    max_iterations: PositiveInt | None = None
    tolerance: PositiveFloat | None = None
    cutoff: Literal["gene_minimum", "crossing"] | float = "gene_minimum"
    input: Literal["counts", "log"] = "counts"
    jitter: NonNegativeFloat | None = None
    criterion: Literal["censored", "published"] | None = None
    shrinking_k: bool = False
    ordinary_starts: NonNegativeInt | None = None

    def __post_init__(self) -> None:
        if self.max_components < 2:
            raise ValueError(f"max_components must be 2 or more, not {self.max_components}.")
        if self.variant == "mle" and (self.shrinking_k or self.ordinary_starts is not None):
            raise ValueError("shrinking_k and ordinary_starts belong to variant: published.")

    def fit(self, x: sparse.spmatrix | NDArray[np.floating], seed: int = 0) -> LTMGFit:
        """Fit every gene and find the state of every value.

        Parameters
        ----------
        x
            Expression, cells x genes, sparse or dense; not negative.
        seed
            Of the jitter and the random starts; each gene has numbers of its own.

        Raises
        ------
        ValueError
            Where a value is negative, infinite or not a number.
        """
        observed, entries = sort_expression(compute_log_expression(x, self.input))
        fit = self._fit_published if self.variant == "published" else self._fit_maximum_likelihood
        cutoff, fits, state = fit(observed, seed)
        return LTMGFit(
            states=entries.to_states(state),
            weight=fits.mixture.weight,
            mean=fits.mixture.mean,
            sd=fits.mixture.sd,
            n_components=fits.n_components,
            cutoff=np.where(np.isinf(cutoff), np.nan, cutoff),
            bic=fits.bic,
            converged=fits.converged,
            status=_classify_genes(observed, fits),
        )

    def _fit_maximum_likelihood(
        self, expression: SortedExpression, seed: int
    ) -> tuple[FloatArray, MixtureFits, NDArray[np.uint8]]:
        """Cut-offs, fits and the state of every distinct value."""
        seen = add_jitter(expression, self.jitter, seed) if self.jitter else expression
        unit = find_count_units(seen)
        shared = compute_global_cutoff(expression, self.cutoff)
        cutoff = compute_cutoffs(seen, unit, shared)
        fits = fit_maximum_likelihood(
            seen,
            cutoff,
            unit,
            max_components=self.max_components,
            max_iterations=self.max_iterations or 500,
            tolerance=self.tolerance or 1e-6,
            censored_bic=self.criterion != "published",
        )
        if seen is not expression:  # each cell's own value decides its state
            cutoff = compute_cutoffs(expression, unit, shared)
        return (
            cutoff,
            fits,
            assign_states_maximum_likelihood(expression, cutoff, unit, fits.mixture),
        )

    def _fit_published(
        self, expression: SortedExpression, seed: int
    ) -> tuple[FloatArray, MixtureFits, NDArray[np.uint8]]:
        """Cut-offs, fits and the state of every distinct value."""
        shared = compute_global_cutoff(expression, self.cutoff)
        cutoff = np.maximum(expression.compute_minimum(), shared)
        with np.errstate(over="ignore"):  # the R program compares counts with the log cut-off
            smallest = np.where(
                expression.n_expressed < expression.n_cells, 0, np.exp(expression.compute_minimum())
            )
        truncated = smallest <= (0 if self.cutoff == "gene_minimum" else shared)
        truncated |= expression.n_expressed == 0
        sd = 1e-4 if self.jitter is None else self.jitter
        noisy = add_jitter(expression, sd, seed) if sd > 0 else expression
        tries = max(2, count_ordinary_starts(self.max_components))
        if self.ordinary_starts is not None:
            tries = self.ordinary_starts
        fits = fit_published(
            noisy,
            cutoff,
            truncated,
            draw_random_starts(noisy, ~truncated, tries, seed),
            max_components=self.max_components,
            max_iterations=self.max_iterations or 100,
            tolerance=self.tolerance or 1e-10,
            censored_bic=self.criterion == "censored",
            shrinking_k=self.shrinking_k,
        )
        return (
            cutoff,
            fits,
            assign_states(expression, cutoff, fits.mixture, min_log_density=MIN_LOG_DENSITY),
        )


def _classify_genes(expression: SortedExpression, fits: MixtureFits) -> NDArray[np.str_]:
    """What became of each gene."""
    n = fits.n_components
    return np.select(
        [expression.n_expressed == 0, n == 0, n == 1, n == 2],
        ["all zero", "too few values", "no active state", "one active state"],
        "several active states",
    )
