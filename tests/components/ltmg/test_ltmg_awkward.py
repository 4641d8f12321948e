"""LTMG on awkward genes, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from ltmg_genes import VARIANTS
from scgnn.components.ltmg import LTMG

AWKWARD = {
    "all zero": np.zeros(30),
    "one value": np.r_[5.0, np.zeros(29)],
    "two values": np.r_[5.0, 7.0, np.zeros(28)],
    "two far values": np.r_[1.0, 1e6, np.zeros(28)],
    "two far values, many": np.r_[np.full(15, 1.0), np.full(15, 1e6)],
    "all equal": np.full(30, 3.0),
    "all equal where expressed": np.r_[np.full(20, 3.0), np.zeros(10)],
    "ties": np.r_[np.repeat([1.0, 2.0, 3.0], 8), np.zeros(6)],
    "huge and tiny": np.r_[1e-300, 1e300, np.linspace(1, 2, 28)],
    "below one": np.linspace(0.01, 0.9, 30),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("cutoff", ["gene_minimum", "crossing", 0.5, -0.5])
def test_awkward_genes_get_states_and_a_status(variant, cutoff):
    x = np.stack(list(AWKWARD.values()), 1)
    fit = LTMG(variant=variant, cutoff=cutoff).fit(x)
    assert fit.states.dtype == np.uint8 and fit.states.shape == x.shape
    assert not fit.states.toarray()[x == 0].any()
    status = dict(zip(AWKWARD, fit.status, strict=True))
    assert status["all zero"] == "all zero"
    assert sum(fit.status_counts.values()) == len(AWKWARD)
    assert np.isfinite(fit.sd[~np.isnan(fit.mean)]).all() or variant == "published"


def test_few_values_are_reported():
    fit = LTMG().fit(np.stack(list(AWKWARD.values()), 1))
    status = dict(zip(AWKWARD, fit.status, strict=True))
    assert status["one value"] == "too few values"
    assert status["all equal"] == "one active state"
    assert status["two far values, many"] == "several active states"


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("x", [np.array([[0.0, 3.0]]), np.zeros((1, 1)), np.empty((4, 0))])
def test_one_cell_or_no_gene(variant, x):
    assert LTMG(variant=variant).fit(x).states.shape == x.shape


@pytest.mark.parametrize(
    ("value", "problem"),
    [(-0.5, "is negative"), (np.nan, "is not finite"), (np.inf, "is not finite")],
)
def test_what_cannot_be_expression_is_refused_with_its_place(value, problem):
    x = np.ones((3, 4))
    x[2, 1] = value
    with pytest.raises(ValueError, match=rf"cell 2, gene 1 {problem}"):
        LTMG().fit(sparse.csr_matrix(x))


@pytest.mark.parametrize("wrong", [{"max_components": 1}, {"shrinking_k": True}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LTMG(**wrong)
