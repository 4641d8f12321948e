"""Simulated counts with known groups and known true means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scgnn.components.readers.contract import Reader, annotated
from scgnn.field_types import Positive, ProperShare, Rate, Seed, Weight

if TYPE_CHECKING:
    from anndata import AnnData

CELLS_AT_ONCE = 2**12  # simulated together
LOOKED_AT = 100, 20_000  # cells and genes, to know how many counts are not zero


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
    cells
        Number of cells.
    genes
        Number of genes.
    groups
        Number of groups of cells.
    marker_share
        Share of all genes that mark each group.
    marker_strength
        Mean natural logarithm of the factor by which a marker gene is raised.
    library_size
        Median of the expected total count of a cell, before dropout.
    library_spread
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

    cells: Positive = 600
    genes: Positive = 1000
    groups: Positive = 5
    marker_share: ProperShare = 0.05
    marker_strength: Weight = 1.0
    library_size: Rate = 2000.0
    library_spread: Weight = 0.2
    dispersion: Rate = 0.5
    dropout: Weight = 1.0
    true_mean: bool = True
    seed: Seed = 1

    def shape(self) -> tuple[int, int, int]:
        cells, genes = map(min, (self.cells, self.genes), LOOKED_AT)
        library = self.library_size * genes / self.genes
        few = replace(self, cells=cells, genes=genes, library_size=library, true_mean=False)
        density = few._drawn()[0].nnz / (cells * genes)
        return self.cells, self.genes, round(density * self.cells * self.genes)

    def __call__(self) -> AnnData:
        counts, means, group, marks = self._drawn()
        adata = self._named(counts, group, marks)
        if means:
            adata.layers["true_mean"] = np.concatenate(means)
        return adata

    def _drawn(self) -> tuple[sparse.csr_matrix, list[np.ndarray], np.ndarray, np.ndarray]:
        """Counts, their means if these are kept, each cell's group, and which genes mark which."""
        rng = np.random.default_rng(self.seed)
        profiles, marks = self._profiles(rng)  # groups x genes
        group = self._groups(rng)
        library = self.library_size * np.exp(self.library_spread * rng.normal(size=self.cells))
        counts, means = [], []
        for start in range(0, self.cells, CELLS_AT_ONCE):
            rows = slice(start, start + CELLS_AT_ONCE)
            mean = library[rows, None] * profiles[group[rows]]  # cells x genes
            counts.append(self._counts(rng, mean))
            if self.true_mean:
                means.append(mean.astype(np.float32))
        return sparse.vstack(counts, "csr"), means, group, marks

    def _counts(self, rng: np.random.Generator, mean: np.ndarray) -> sparse.csr_matrix:
        """Counts of some cells around their means, cells x genes."""
        counts = rng.poisson(rng.gamma(1 / self.dispersion, self.dispersion * mean))
        if self.dropout:
            counts[rng.random(counts.shape) < self.dropout / (self.dropout + mean)] = 0
        return sparse.csr_matrix(counts.astype(np.float32))

    def _profiles(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Expression profile of each group (rows add up to 1) and which genes mark it."""
        base = rng.gamma(0.6, size=self.genes)
        marks = rng.random((self.groups, self.genes)) < self.marker_share
        factors = np.exp(rng.normal(self.marker_strength, 0.4, marks.shape))
        profiles = base * np.where(marks, factors, 1.0)
        return profiles / profiles.sum(axis=1, keepdims=True), marks

    def _groups(self, rng: np.random.Generator) -> np.ndarray:
        """A group for each cell, in random order, sizes falling linearly."""
        shares = np.cumsum(np.arange(self.groups, 0, -1))
        rank = (np.arange(self.cells) + 0.5) / self.cells
        return rng.permutation(np.searchsorted(shares / shares[-1], rank))

    def _named(self, counts: sparse.csr_matrix, group: np.ndarray, marks: np.ndarray) -> AnnData:
        import pandas as pd

        names = np.array([f"group_{i + 1}" for i in range(self.groups)])
        obs = {
            "names": [f"cell_{i + 1}" for i in range(self.cells)],
            "group": pd.Categorical(names[group], names),
        }
        var = {
            "names": [f"gene_{i + 1}" for i in range(self.genes)],
            "marker_of": [",".join(names[marked]) for marked in marks.T],
        }
        return annotated(counts, obs, var)
