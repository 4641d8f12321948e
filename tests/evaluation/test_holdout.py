"""Thinning of molecules and permutation of genes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse, stats

from scgnn.evaluation.masking import permute_genes, thin

seeds = st.integers(0, 2**32 - 1)


def draw_counts(seed=0):
    rng = np.random.default_rng(seed)
    return sparse.csr_matrix(rng.poisson(2.0, (40, 12)), dtype=np.float32)


@given(seeds, st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_thinning_conserves_every_molecule(seed, fraction):
    counts = draw_counts(seed=seed % 7)
    before = counts.copy()
    visible, hidden = thin(counts, fraction, seed)
    assert_array_equal((visible + hidden).toarray(), before.toarray())
    assert_array_equal(counts.toarray(), before.toarray())
    for part in (visible, hidden):
        assert part.dtype == np.float32
        assert (part.data > 0).all()
        assert part.has_canonical_format


@given(seeds, st.floats(0.05, 0.95))
@settings(max_examples=20, deadline=None)
def test_the_hidden_part_of_a_count_is_binomial(seed, fraction):
    n = 6
    counts = sparse.csr_matrix(np.full((100, 50), n, dtype=np.float32))
    hidden = thin(counts, fraction, seed)[1].toarray().astype(int).ravel()
    expected = stats.binom.pmf(np.arange(n + 1), n, fraction) * hidden.size
    often = expected > 5
    observed = np.bincount(hidden, minlength=n + 1)
    pooled = [np.append(part[often], part[~often].sum()) for part in (observed, expected)]
    observed, expected = (part[pooled[1] > 0] for part in pooled)
    assert stats.chisquare(observed, expected).pvalue > 1e-5


def test_split_depends_on_the_seed():
    one, same, other = (thin(draw_counts(), 0.5, seed)[0] for seed in (3, 3, 4))
    assert_array_equal(one.toarray(), same.toarray())
    assert (one != other).nnz


@given(seeds, st.floats(0.01, 0.99))
@settings(max_examples=20, deadline=None)
def test_only_permuted_genes_change(seed, fraction):
    x = draw_counts()
    new, genes = permute_genes(x, fraction, seed)
    assert len(genes) == max(2, int(fraction * 12))
    rest = np.setdiff1d(np.arange(12), genes)
    assert_array_equal(new.toarray()[:, rest], x.toarray()[:, rest])
    assert_array_equal(np.sort(new.toarray(), axis=0), np.sort(x.toarray(), axis=0))
    assert new.has_canonical_format
    assert permute_genes(x.toarray(), fraction, seed)[0].shape == x.shape
