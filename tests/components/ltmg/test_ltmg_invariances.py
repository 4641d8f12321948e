"""What must not matter to LTMG does not."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from ltmg_genes import VARIANTS
from scgnn.components.ltmg import LTMG

few = settings(max_examples=25, deadline=None)
matrices = hnp.arrays(
    np.int64, st.tuples(st.integers(2, 40), st.integers(1, 4)), elements=st.integers(0, 30)
)


@few
@given(x=matrices, variant=st.sampled_from(VARIANTS), data=st.data())
def test_permuting_cells_and_genes_permutes_states(x, variant, data):
    cells = data.draw(st.permutations(range(x.shape[0])))
    genes = data.draw(st.permutations(range(x.shape[1])))
    model = LTMG(variant=variant)
    before, after = model.fit(x), model.fit(x[cells][:, genes])
    np.testing.assert_array_equal(after.states.toarray(), before.states.toarray()[cells][:, genes])
    np.testing.assert_array_equal(after.mean, before.mean[genes])


@few
@given(x=matrices, gene=st.integers(0, 2**32 - 1), variant=st.sampled_from(VARIANTS))
def test_adding_a_gene_changes_no_other(x, gene, variant):
    model, more = LTMG(variant=variant), np.random.default_rng(gene).poisson(2, len(x))
    before, after = model.fit(x), model.fit(np.column_stack([more, x]))
    np.testing.assert_array_equal(after.states.toarray()[:, 1:], before.states.toarray())
    np.testing.assert_array_equal(after.sd[1:], before.sd)


@few
@given(x=matrices, by=st.floats(0.01, 100))
def test_scaling_counts_shifts_means_by_its_log_and_leaves_states(x, by):
    before, after = LTMG().fit(x), LTMG().fit(x * by)
    np.testing.assert_array_equal(after.states.toarray(), before.states.toarray())
    np.testing.assert_allclose(after.mean, before.mean + np.log(by), atol=1e-3)


@few
@given(x=matrices, variant=st.sampled_from(VARIANTS))
def test_log_input_dense_or_sparse_and_a_second_time_are_the_same(x, variant):
    model = LTMG(variant=variant)
    states = model.fit(x).states.toarray()
    np.testing.assert_array_equal(model.fit(sparse.csr_matrix(x)).states.toarray(), states)
    if variant == "mle":
        single = np.log1p(x).astype(np.float32)
        np.testing.assert_array_equal(LTMG(input="log").fit(single).states.toarray(), states)


def test_the_matrix_is_left_alone():
    x = sparse.random(50, 5, 0.5, "csc", random_state=0)
    before = x.copy()
    LTMG().fit(x)
    np.testing.assert_array_equal(x.toarray(), before.toarray())
