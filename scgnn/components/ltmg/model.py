"""The LTMG model and its fit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from scgnn.components.ltmg.count_intervals import find_count_units
from scgnn.components.ltmg.cutoffs import compute_gene_cutoffs, compute_global_cutoff
from scgnn.components.ltmg.jitter import add_jitter, draw_random_starts
from scgnn.components.ltmg.log_expression import compute_log_expression
from scgnn.components.ltmg.maximum_likelihood import fit_maximum_likelihood
from scgnn.components.ltmg.mixture import MixtureFits, assign_states
from scgnn.components.ltmg.padding import GenePadder
from scgnn.components.ltmg.published import MIN_LOG_DENSITY, count_ordinary_starts, fit_published
from scgnn.components.ltmg.sorted_expression import (
    BoolArray,
    FloatArray,
    IntArray,
    SortedExpression,
    sort_expression,
    to_states,
)
from scgnn.field_types import (
    Cost,
    DatasetSize,
    NonNegativeFloat,
    NonNegativeInt,
    Number,
    PositiveFloat,
    PositiveInt,
    RepeatCount,
)

SECONDS_PER_GENE = 2.2e-3  # expressed in 250 cells, for the cost estimate


@dataclass(frozen=True)
class LTMGFit:
    """States of an expression matrix and the mixture of every gene.

    Parameters
    ----------
    states
        0 not expressed (not stored), 1, 2, … by rising expression; cells x genes, uint8.
    weight, mean, sd
        Components by rising mean, on the natural log scale, NaN-padded; genes x components.
    n_components
        Number of components, "not expressed" included; genes.
    cutoff
        Log expression below which a value is censored, NaN without expression; genes.
    bic
        Bayesian information criterion by number of components, NaN where not fitted; genes x K.
    converged
        Whether the selected fit converged; genes.
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
        """Number of active states; genes."""
        return np.maximum(self.n_components - 1, 0)

    @property
    def status_counts(self) -> dict[str, int]:
        """Number of genes by status."""
        return dict(sorted(Counter(self.status.tolist()).items()))


@dataclass(frozen=True)
class LTMG:
    """Left-truncated mixture of Gaussians (Wan et al., Nucleic Acids Research 2019).

    The log expression of a gene is a mixture of Gaussians that is observed only above a cut-off;
    zeros are the censored part. Each value becomes the index of its component: 0 "not expressed",
    then 1, 2, … by rising mean.

    Parameters
    ----------
    variant
        "mle" maximizes the likelihood until convergence; "published" reproduces the R program
        RunLTMG, with 100 EM steps and random jitter.
    max_components
        Maximum number of components of a gene, "not expressed" included; 2 or more (R: k = 5).
    max_iterations
        Maximum number of steps. null: 500 for mle, 100 for published.
    tolerance
        mle: expected gain in log-likelihood at convergence. published: mean absolute change of
        weights, means and standard deviations in a step. null: 1e-6 for mle, 1e-10 for published.
    cutoff
        Log expression below which values are censored: the smallest value of each gene
        (gene_minimum), the point where two Gaussians fitted to the smallest values of all genes
        cross (crossing), or a number (R as installed: 0). Never below the gene's smallest value.
    input
        Scale of the matrix: counts, or log for log(count + 1).
    jitter
        Standard deviation of the noise that breaks ties, in log units. null: 0 for mle, where tied
        counts represent the interval that was rounded to them; 1e-4 for published.
    criterion
        Values that the BIC includes: censored, all of them; published, only the uncensored ones.
        null: censored for mle, published for published.
    shrinking_k
        Limit the number of components to that of the previous gene, a bug in the R program that
        makes states depend on the order of genes; published only.
    ordinary_starts
        Number of random starts of the two-component mixture of a gene without zeros; 0: a single
        Gaussian, as in the R program when mixtools is not attached. null: as in the R program.
        Published only.
    """

    variant: Literal["published", "mle"] = "mle"
    max_components: RepeatCount = 5
    max_iterations: PositiveInt | None = None
    tolerance: PositiveFloat | None = None
    cutoff: Literal["gene_minimum", "crossing"] | Number = "gene_minimum"
    input: Literal["counts", "log"] = "counts"
    jitter: NonNegativeFloat | None = None
    criterion: Literal["censored", "published"] | None = None
    shrinking_k: bool = False
    ordinary_starts: NonNegativeInt | None = None

    def __post_init__(self) -> None:
        if self.max_components < 2:
            raise ValueError(f"max_components must be 2 or more, got {self.max_components}")
        if self.variant == "mle" and (self.shrinking_k or self.ordinary_starts is not None):
            raise ValueError("shrinking_k and ordinary_starts require variant: published")

    def fit(self, x: sparse.spmatrix | NDArray[np.floating], seed: int = 0) -> LTMGFit:
        """Fit a mixture to every gene and assign a state to every value.

        Parameters
        ----------
        x
            Non-negative expression, cells x genes, sparse or dense; not modified.
        seed
            Seed of the jitter and the random starts; each gene has its own stream.

        Returns
        -------
        States, mixtures and diagnostics.

        Raises
        ------
        ValueError
            If a value is negative, infinite or NaN.
        """
        expression, value_index = sort_expression(compute_log_expression(x, self.input))
        fit = self._fit_published if self.variant == "published" else self._fit_maximum_likelihood
        cutoff, fits, state = fit(expression, seed)
        n = fits.mixture.n_components
        status = np.select(
            [expression.n_expressed == 0, n == 0, n == 1, n == 2],
            ["all zero", "too few values", "no active state", "one active state"],
            "several active states",
        )
        return LTMGFit(
            states=to_states(value_index, state),
            **fits.mixture._asdict(),
            n_components=n,
            cutoff=np.where(np.isinf(cutoff), np.nan, cutoff),
            bic=fits.bic,
            converged=fits.converged,
            status=status,
        )

    def _fit_maximum_likelihood(
        self, expression: SortedExpression, seed: int
    ) -> tuple[FloatArray, MixtureFits, NDArray[np.uint8]]:
        """Return cut-offs, fits and the state of every distinct value."""
        noisy = add_jitter(expression, self.jitter, seed) if self.jitter else expression
        unit = find_count_units(noisy)
        global_cutoff = compute_global_cutoff(expression, self.cutoff)
        fits = fit_maximum_likelihood(
            noisy,
            compute_gene_cutoffs(noisy, unit, global_cutoff),
            unit,
            max_components=self.max_components,
            max_iterations=self.max_iterations or 500,
            tolerance=self.tolerance or 1e-6,
            censored_bic=self.criterion != "published",
        )
        cutoff = compute_gene_cutoffs(expression, unit, global_cutoff)  # states without jitter
        return cutoff, fits, assign_states(GenePadder(expression, cutoff, unit), fits.mixture)

    def _fit_published(
        self, expression: SortedExpression, seed: int
    ) -> tuple[FloatArray, MixtureFits, NDArray[np.uint8]]:
        """Return cut-offs, fits and the state of every distinct value."""
        global_cutoff = compute_global_cutoff(expression, self.cutoff)
        minimum = expression.compute_minimum()
        cutoff = np.maximum(minimum, global_cutoff)
        has_zeros = expression.n_expressed < expression.n_cells
        with np.errstate(over="ignore"):
            min_count = np.where(has_zeros, 0, np.exp(minimum))
        # the R program compares counts with the log cut-off
        is_truncated = min_count <= (0 if self.cutoff == "gene_minimum" else global_cutoff)
        is_truncated |= expression.n_expressed == 0
        jitter = 1e-4 if self.jitter is None else self.jitter
        noisy = add_jitter(expression, jitter, seed) if jitter else expression
        n_starts = self.ordinary_starts
        if n_starts is None:
            n_starts = max(2, count_ordinary_starts(self.max_components))
        fits = fit_published(
            noisy,
            cutoff,
            is_truncated,
            draw_random_starts(noisy, ~is_truncated, n_starts, seed),
            max_components=self.max_components,
            max_iterations=self.max_iterations or 100,
            tolerance=self.tolerance or 1e-10,
            censored_bic=self.criterion == "censored",
            shrinking_k=self.shrinking_k,
        )
        above = GenePadder(expression, np.nextafter(cutoff, np.inf))
        return cutoff, fits, assign_states(above, fits.mixture, MIN_LOG_DENSITY)

    def estimate_cost(self, size: DatasetSize) -> Cost:
        """Return the cost of fitting the genes of a data set."""
        expressing_cells = size.n_nonzeros / max(size.n_genes, 1)
        seconds = size.n_genes * SECONDS_PER_GENE * (expressing_cells / 250) ** 0.4
        return Cost(seconds, size.n_nonzeros * 12e-6)
