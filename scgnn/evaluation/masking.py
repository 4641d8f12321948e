"""What is hidden from a method, to see how well it restores it: molecules, entries, cells."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scgnn.seeding import generator
from scgnn.state import Matrix


def thin(
    counts: sparse.csr_matrix, fraction: float, seed: int
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Split counts into the molecules that are seen and those that are hidden.

    Each molecule is hidden with probability ``share``, independently: the hidden part of a count
    n is Binomial(n, share). If counts are Poisson with mean λ, the two parts are independent
    Poisson counts with means (1 − share) λ and share λ (Neufeld et al. 2024), so that nothing but
    λ tells anything of the hidden ones.

    Parameters
    ----------
    counts
        Whole counts, cells x genes.
    share
        Share of the molecules to hide, 0 to 1.
    seed
        Seed of the draw.

    Returns
    -------
    seen, hidden
        New matrices whose sum is ``counts``.

    References
    ----------
    Batson, Royer, Webber (2019) Molecular cross-validation for single-cell RNA-seq, bioRxiv
    786269. Neufeld et al. (2024) Inference after latent variable estimation for single-cell RNA
    sequencing data, Biostatistics 25:270.
    """
    seen = _canonicalize(counts)
    hidden = seen.copy()
    molecules = seen.data.astype(np.int64)
    gone = generator(seed).binomial(molecules, fraction)
    hidden.data, seen.data = gone.astype(np.float32), (molecules - gone).astype(np.float32)
    for part in (seen, hidden):
        part.eliminate_zeros()
    return seen, hidden


def hide_nonzeros(
    counts: sparse.csr_matrix, fraction: float, seed: int
) -> tuple[sparse.csr_matrix, np.ndarray, np.ndarray]:
    """Set a share of the non-zero entries to zero, to score how well imputation restores them.

    The draw is that of the scGNN benchmark: ``floor(share * n)`` of the n non-zeros in row-major
    order, without replacement, by numpy's legacy generator.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    share
        Share of the non-zero entries to hide, 0 to 1.
    seed
        Seed of the draw.

    Returns
    -------
    counts, rows, columns
        The counts without the hidden entries (a new matrix), and where those were.
    """
    left = _canonicalize(counts)
    rows = np.repeat(np.arange(left.shape[0]), np.diff(left.indptr))
    draw = np.random.RandomState(seed)
    hidden = draw.choice(left.nnz, int(np.floor(fraction * left.nnz)), replace=False)
    rows, columns = rows[hidden], left.indices[hidden].astype(rows.dtype)
    left.data[hidden] = 0
    left.eliminate_zeros()
    return left, rows, columns


def permute_genes(x: Matrix, fraction: float, seed: int) -> tuple[Matrix, np.ndarray]:
    """Permute the values of some genes over the cells, each gene by itself.

    What such genes have to do with each other, or with anything else, is chance.

    Parameters
    ----------
    x
        Expression, cells x genes.
    share
        Share of the genes to permute, of which there are at least two.
    seed
        Seed of the draws.

    Returns
    -------
    x, genes
        A new matrix, and the permuted columns in rising order.
    """
    draw = generator(seed)
    n_cells, n_genes = x.shape
    n = min(max(2, int(np.floor(fraction * n_genes))), n_genes)
    genes = np.sort(draw.permutation(n_genes)[:n])
    if not sparse.issparse(x):
        new = np.array(x)
        for gene in genes:
            new[:, gene] = new[draw.permutation(n_cells), gene]
        return new, genes
    columns = sparse.csc_matrix(x, copy=True)
    for gene in genes:
        rows = columns.indices[columns.indptr[gene] : columns.indptr[gene + 1]]
        rows[:] = draw.permutation(n_cells)[rows]
    columns.has_sorted_indices = False
    return sparse.csr_matrix(columns), genes


def _canonicalize(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """A copy that holds each non-zero once, in order."""
    new = sparse.csr_matrix(counts, copy=True)
    new.sum_duplicates()
    new.eliminate_zeros()
    return new
