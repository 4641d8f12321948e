"""Simulated counts with known groups and true means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix, vstack

from scgnn.components.readers.contract import Contents, Reader, make_anndata
from scgnn.data.layers import AUTO, MAIN
from scgnn.field_types import (
    LogScale,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ProperFraction,
    RepeatCount,
    Seed,
)

if TYPE_CHECKING:
    from anndata import AnnData

CELLS_PER_BLOCK = 2**12
MAX_RATE = 1e15  # of a count, in the range of NumPy's Poisson distribution
MAX_PROBED_SHAPE = 100, 20_000  # cells x genes simulated to estimate the number of non-zeros


@Reader.register("demo")
@dataclass(frozen=True)
class Demo(Reader):
    """Simulated counts of groups of cells with marker genes.

    Gene means are gamma distributed. Each group multiplies its random marker genes by log-normal
    factors, and means are scaled to the library size of each cell. Counts are gamma-Poisson
    distributed; dropout sets a count to zero with a probability that decreases with its mean. Group
    sizes decrease linearly.

    ``obs["group"]`` is the group of each cell, ``var["marker_of"]`` the groups that a gene marks.

    Parameters
    ----------
    n_cells
        Number of cells.
    n_genes
        Number of genes.
    n_groups
        Number of groups of cells.
    marker_fraction
        Fraction of the genes that mark each group.
    marker_strength
        Mean natural logarithm of the factors of marker genes.
    library_size
        Median of the expected total count of a cell, before dropout.
    library_size_log_std
        Standard deviation of the natural logarithm of library sizes.
    dispersion
        Squared coefficient of variation of a gene within a group, beyond Poisson noise.
    dropout
        Mean at which half of the counts are dropped; at mean m, the probability is
        dropout / (dropout + m). 0 drops none.
    true_mean
        Whether to add ``layers["true_mean"]``, the mean of each count before dropout, a dense
        float32 matrix.
    seed
        Seed of the simulation.

    References
    ----------
    Zappia, Phipson, Oshlack (2017) Splatter: simulation of single-cell RNA sequencing data.
    Genome Biology 18:174. Dropout is its logistic function of the log mean with shape -1.
    """

    n_cells: PositiveInt = 600
    n_genes: PositiveInt = 1000
    n_groups: RepeatCount = 5
    marker_fraction: ProperFraction = 0.05
    marker_strength: LogScale = 1.0
    library_size: PositiveFloat = 2000.0
    library_size_log_std: LogScale = 0.2
    dispersion: PositiveFloat = 0.5
    dropout: NonNegativeFloat = 1.0
    true_mean: bool = True
    seed: Seed = 1

    def peek_shape(self, layer: str = AUTO) -> tuple[int, int, int]:
        n_cells, n_genes = map(min, (self.n_cells, self.n_genes), MAX_PROBED_SHAPE)
        size = self.library_size * n_genes / self.n_genes
        probe = replace(self, n_cells=n_cells, n_genes=n_genes, library_size=size, true_mean=False)
        density = probe._simulate()[0].nnz / (n_cells * n_genes)
        return self.n_cells, self.n_genes, round(density * self.n_cells * self.n_genes)

    def peek_contents(self) -> Contents:
        return Contents(["group"], [MAIN, "true_mean"] if self.true_mean else [MAIN])

    def __call__(self) -> AnnData:
        import pandas as pd

        counts, means, group, markers = self._simulate()
        names = np.array([f"group_{i + 1}" for i in range(self.n_groups)])
        cells = [f"cell_{i + 1}" for i in range(self.n_cells)]
        genes = [f"gene_{i + 1}" for i in range(self.n_genes)]
        obs = {"group": pd.Categorical(names[group], names)}
        marker_of = [",".join(names[marked]) for marked in markers.T]
        adata = make_anndata(counts, cells, genes, obs, {"marker_of": marker_of})
        if means:
            adata.layers["true_mean"] = np.concatenate(means)
        return adata

    def _simulate(self) -> tuple[csr_matrix, list[np.ndarray], np.ndarray, np.ndarray]:
        """Return counts, true means in blocks, groups [cells] and markers, groups x genes."""
        rng = np.random.default_rng(self.seed)
        profiles, markers = self._sample_profiles(rng)
        group = self._assign_groups(rng)
        deviations = self.library_size_log_std * rng.normal(size=self.n_cells)
        library_sizes = self.library_size * np.exp(deviations)
        counts, means = [], []
        for start in range(0, self.n_cells, CELLS_PER_BLOCK):
            cells = slice(start, start + CELLS_PER_BLOCK)
            mean = library_sizes[cells, None] * profiles[group[cells]]  # cells x genes
            counts.append(self._sample_counts(rng, mean))
            if self.true_mean:
                means.append(mean.astype(np.float32))
        return vstack(counts, "csr"), means, group, markers

    def _sample_counts(self, rng: np.random.Generator, mean: np.ndarray) -> csr_matrix:
        """Return random counts with these means, cells x genes."""
        rates = rng.gamma(1 / self.dispersion, self.dispersion * mean)
        counts = rng.poisson(np.minimum(rates, MAX_RATE))
        if self.dropout:
            counts[rng.random(counts.shape) < self.dropout / (self.dropout + mean)] = 0
        return csr_matrix(counts.astype(np.float32))

    def _sample_profiles(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return expression profiles, whose rows sum to 1, and markers, both groups x genes."""
        base = rng.gamma(0.6, size=self.n_genes)
        markers = rng.random((self.n_groups, self.n_genes)) < self.marker_fraction
        factors = np.exp(rng.normal(self.marker_strength, 0.4, markers.shape))
        profiles = base * np.where(markers, factors, 1.0)
        return profiles / profiles.sum(axis=1, keepdims=True), markers

    def _assign_groups(self, rng: np.random.Generator) -> np.ndarray:
        """Return the group of each cell in random order [cells], with linearly decreasing sizes."""
        sizes = np.cumsum(np.arange(self.n_groups, 0, -1))
        rank = (np.arange(self.n_cells) + 0.5) / self.n_cells
        return rng.permutation(np.searchsorted(sizes / sizes[-1], rank))
