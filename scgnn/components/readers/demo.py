"""Simulated counts with known groups and known true means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scgnn.components.readers.contract import Reader, make_anndata
from scgnn.field_types import NonNegativeFloat, PositiveFloat, PositiveInt, ProperFraction, Seed

if TYPE_CHECKING:
    from anndata import AnnData

CELLS_PER_BLOCK = 2**12  # simulated together
MAX_PROBED_SHAPE = 100, 20_000  # cells and genes, to know how many counts are not zero


@Reader.register("demo")
@dataclass(frozen=True)
class Demo(Reader):
    """Simulated counts: groups with marker genes, library sizes, over-dispersion and dropout.

    Gene means are gamma distributed; each group raises its own random set of marker genes by
    log-normal factors; a cell's means add up to its library size; counts are gamma-Poisson
    around them; a count is then lost with a probability that falls with its mean. Group sizes
    fall linearly from the first to the last.

    ``obs["group"]`` is the group of each cell, ``var["marker_of"]`` the groups a gene marks.

    Parameters
    ----------
    n_cells
        Number of cells.
    n_genes
        Number of genes.
    n_groups
        Number of groups of cells.
    marker_fraction
        Share of all genes that mark each group.
    marker_strength
        Mean natural logarithm of the factor by which a marker gene is raised.
    library_size
        Median of the expected total count of a cell, before dropout.
    library_size_log_std
        Standard deviation of the natural logarithm of library sizes.
    dispersion
        Squared coefficient of variation of a gene within a group, beyond Poisson noise.
    dropout
        Mean count at which half of the counts are lost; at mean m the share lost is
        dropout / (dropout + m). 0 loses none.
    true_mean
        Whether ``layers["true_mean"]`` holds the mean of each count before dropout: dense, 4 bytes
        for each of cells x genes.
    seed
        Seed of the simulation; the same fields give the same bits.

    References
    ----------
    Zappia, Phipson, Oshlack (2017) Splatter: simulation of single-cell RNA sequencing data.
    Genome Biology 18:174. Dropout is its logistic function of the log mean with shape -1.
    """

    n_cells: PositiveInt = 600
    n_genes: PositiveInt = 1000
    n_groups: PositiveInt = 5
    marker_fraction: ProperFraction = 0.05
    marker_strength: NonNegativeFloat = 1.0
    library_size: PositiveFloat = 2000.0
    library_size_log_std: NonNegativeFloat = 0.2
    dispersion: PositiveFloat = 0.5
    dropout: NonNegativeFloat = 1.0
    true_mean: bool = True
    seed: Seed = 1

    def peek_shape(self) -> tuple[int, int, int]:
        cells, genes = map(min, (self.n_cells, self.n_genes), MAX_PROBED_SHAPE)
        library = self.library_size * genes / self.n_genes
        few = replace(self, n_cells=cells, n_genes=genes, library_size=library, true_mean=False)
        density = few._simulate()[0].nnz / (cells * genes)
        return self.n_cells, self.n_genes, round(density * self.n_cells * self.n_genes)

    def __call__(self) -> AnnData:
        counts, means, group, marks = self._simulate()
        adata = self._annotate(counts, group, marks)
        if means:
            adata.layers["true_mean"] = np.concatenate(means)
        return adata

    def _simulate(self) -> tuple[sparse.csr_matrix, list[np.ndarray], np.ndarray, np.ndarray]:
        """Counts, their means if these are kept, each cell's group, and which genes mark which."""
        rng = np.random.default_rng(self.seed)
        profiles, marks = self._sample_profiles(rng)  # groups x genes
        group = self._assign_groups(rng)
        library = self.library_size * np.exp(
            self.library_size_log_std * rng.normal(size=self.n_cells)
        )
        counts, means = [], []
        for start in range(0, self.n_cells, CELLS_PER_BLOCK):
            rows = slice(start, start + CELLS_PER_BLOCK)
            mean = library[rows, None] * profiles[group[rows]]  # cells x genes
            counts.append(self._sample_counts(rng, mean))
            if self.true_mean:
                means.append(mean.astype(np.float32))
        return sparse.vstack(counts, "csr"), means, group, marks

    def _sample_counts(self, rng: np.random.Generator, mean: np.ndarray) -> sparse.csr_matrix:
        """Counts of some cells around their means, cells x genes."""
        counts = rng.poisson(rng.gamma(1 / self.dispersion, self.dispersion * mean))
        if self.dropout:
            counts[rng.random(counts.shape) < self.dropout / (self.dropout + mean)] = 0
        return sparse.csr_matrix(counts.astype(np.float32))

    def _sample_profiles(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Expression profile of each group (rows add up to 1) and which genes mark it."""
        base = rng.gamma(0.6, size=self.n_genes)
        marks = rng.random((self.n_groups, self.n_genes)) < self.marker_fraction
        factors = np.exp(rng.normal(self.marker_strength, 0.4, marks.shape))
        profiles = base * np.where(marks, factors, 1.0)
        return profiles / profiles.sum(axis=1, keepdims=True), marks

    def _assign_groups(self, rng: np.random.Generator) -> np.ndarray:
        """A group for each cell, in random order, sizes falling linearly."""
        shares = np.cumsum(np.arange(self.n_groups, 0, -1))
        rank = (np.arange(self.n_cells) + 0.5) / self.n_cells
        return rng.permutation(np.searchsorted(shares / shares[-1], rank))

    def _annotate(self, counts: sparse.csr_matrix, group: np.ndarray, marks: np.ndarray) -> AnnData:
        import pandas as pd

        names = np.array([f"group_{i + 1}" for i in range(self.n_groups)])
        obs = {
            "names": [f"cell_{i + 1}" for i in range(self.n_cells)],
            "group": pd.Categorical(names[group], names),
        }
        var = {
            "names": [f"gene_{i + 1}" for i in range(self.n_genes)],
            "marker_of": [",".join(names[marked]) for marked in marks.T],
        }
        return make_anndata(counts, obs, var)
