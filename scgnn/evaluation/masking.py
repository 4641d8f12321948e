"""Hiding of counts, entries or gene identities before imputation."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, issparse

from scgnn.seeding import generator
from scgnn.state import Matrix


def thin(counts: csr_matrix, fraction: float, seed: int) -> tuple[csr_matrix, csr_matrix]:
    """Split counts into visible and hidden molecules.

    Each molecule is hidden with probability ``fraction``, independently, so that the hidden part of
    a count n is Binomial(n, fraction). If counts are Poisson with mean λ, both parts are
    independent Poisson counts with means (1 − fraction) λ and fraction · λ.

    Parameters
    ----------
    counts
        Integer counts, cells x genes.
    fraction
        Fraction of the molecules to hide, 0 to 1.
    seed
        Seed of the split.

    Returns
    -------
    visible, hidden
        New matrices whose sum is ``counts``, cells x genes.

    References
    ----------
    Batson, Royer, Webber (2019) Molecular cross-validation for single-cell RNA-seq. bioRxiv
    786269. Neufeld et al. (2024) Inference after latent variable estimation for single-cell RNA
    sequencing data. Biostatistics 25:270.
    """
    visible = _canonicalize(counts)
    hidden = visible.copy()
    molecules = visible.data.astype(np.int64)
    drawn = generator(seed).binomial(molecules, fraction)
    hidden.data, visible.data = drawn.astype(np.float32), (molecules - drawn).astype(np.float32)
    for part in (visible, hidden):
        part.eliminate_zeros()
    return visible, hidden


def hide_nonzeros(
    counts: csr_matrix, fraction: float, seed: int
) -> tuple[csr_matrix, np.ndarray, np.ndarray]:
    """Set a random fraction of the non-zero entries to zero, as in the scGNN benchmark.

    ``floor(fraction * n)`` of the n non-zeros in row-major order are drawn without replacement by
    numpy's legacy generator.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    fraction
        Fraction of the non-zero entries to hide, 0 to 1.
    seed
        Seed of the draw.

    Returns
    -------
    visible, rows, columns
        A new matrix without the hidden entries, cells x genes, and their positions [entries].
    """
    visible = _canonicalize(counts)
    rows = np.repeat(np.arange(visible.shape[0]), np.diff(visible.indptr))
    rng = np.random.RandomState(seed)
    hidden = rng.choice(visible.nnz, int(np.floor(fraction * visible.nnz)), replace=False)
    rows, columns = rows[hidden], visible.indices[hidden].astype(rows.dtype)
    visible.data[hidden] = 0
    visible.eliminate_zeros()
    return visible, rows, columns


def permute_genes(x: Matrix, fraction: float, seed: int) -> tuple[Matrix, np.ndarray]:
    """Permute the values of some genes over the cells, each gene independently.

    Correlations of these genes with any others are then due to chance.

    Parameters
    ----------
    x
        Expression, cells x genes.
    fraction
        Fraction of the genes to permute, at least two.
    seed
        Seed of the permutations.

    Returns
    -------
    x, genes
        A new matrix, cells x genes, and the permuted columns in increasing order.
    """
    rng = generator(seed)
    n_cells, n_genes = x.shape
    n = min(max(2, int(np.floor(fraction * n_genes))), n_genes)
    genes = np.sort(rng.permutation(n_genes)[:n])
    if not issparse(x):
        new = np.array(x)
        for gene in genes:
            new[:, gene] = new[rng.permutation(n_cells), gene]
        return new, genes
    by_gene = csc_matrix(x, copy=True)
    for gene in genes:
        rows = by_gene.indices[by_gene.indptr[gene] : by_gene.indptr[gene + 1]]
        rows[:] = rng.permutation(n_cells)[rows]
    by_gene.has_sorted_indices = False
    return csr_matrix(by_gene), genes


def _canonicalize(counts: csr_matrix) -> csr_matrix:
    """Return a copy with sorted indices, without duplicates and explicit zeros."""
    new = csr_matrix(counts, copy=True)
    new.sum_duplicates()
    new.eliminate_zeros()
    return new
