"""Scores of clusters with and without truth, and of imputed values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scgnn.evaluation.clustering import score_against_labels, score_separation
from scgnn.evaluation.imputation import score_hidden_entries
from scgnn.evaluation.masking import hide_nonzeros

from . import assert_near

ARRAYS = {
    r"labels_true|labels_pred|embedding|edge_true|edge_pred|edge_score_names|l1_names": "input",
    r"counts|dropout_seed|dropout_rate|imputed|imputed_log": "input",
    r"(silhouette|calinski_harabasz|davies_bouldin)_published": (
        "test_scores_without_truth_in_single_precision"
    ),
    r"\w+_float64input_published": "test_scores_without_truth_in_double_precision",
    r"(ari|ami|nmi|completeness|fowlkes_mallows|v_measure|homogeneity)_published": (
        "test_scores_against_the_truth"
    ),
    r"edge_scores_published": "test_scores_of_degenerate_labels",
    r"counts_dropout_published|nz_[ij]|mask_ix|n_nonzero|n_masked": (
        "test_the_same_entries_are_hidden"
    ),
    r"l1_(log_)?(dense|sparse)_published": "test_l1_on_the_hidden_entries",
    r"cosine_(log_)?(dense|sparse)_published": "test_cosine_on_the_hidden_entries",
}

LABEL_SCORES = (
    "ari",
    "ami",
    "nmi",
    "completeness",
    "fowlkes_mallows",
    "v_measure",
    "homogeneity",
)


@pytest.fixture
def hidden(arrays):
    """Return the counts with hidden entries, and the positions of these."""
    fraction, seed = float(arrays["dropout_rate"]), int(arrays["dropout_seed"])
    return hide_nonzeros(sparse.csr_matrix(arrays["counts"]), fraction, seed)


def test_scores_without_truth_in_single_precision(arrays):
    scores = score_separation(arrays["embedding"], arrays["labels_pred"], seed=0)
    assert_near(scores["silhouette"], arrays["silhouette_published"], atol=1e-6)
    for name in ("calinski_harabasz", "davies_bouldin"):
        assert_near(scores[name], arrays[f"{name}_published"], rtol=1e-5)


def test_scores_without_truth_in_double_precision(arrays):
    scores = score_separation(arrays["embedding"].astype(float), arrays["labels_pred"], seed=0)
    for name in ("silhouette", "calinski_harabasz", "davies_bouldin"):
        assert_near(scores[name], arrays[f"{name}_float64input_published"], rtol=1e-10)


def test_scores_against_the_truth(arrays):
    scores = score_against_labels(arrays["labels_true"].astype(str), arrays["labels_pred"])
    assert tuple(scores) == LABEL_SCORES
    for name, score in scores.items():
        assert_near(score, arrays[f"{name}_published"], atol=1e-10)


@pytest.mark.parametrize(
    "row", range(5), ids=["identical", "one cluster", "singletons", "both constant", "swapped"]
)
def test_scores_of_degenerate_labels(arrays, row):
    scores = score_against_labels(arrays["edge_true"][row].astype(str), arrays["edge_pred"][row])
    ordered = [scores[name] for name in arrays["edge_score_names"]]
    assert_near(ordered, arrays["edge_scores_published"][row], atol=1e-10)


def test_cells_without_a_true_label_do_not_count(arrays):
    truth = np.append(arrays["labels_true"].astype(str), ["", ""])
    labels = np.append(arrays["labels_pred"], [0, 9])
    assert_near(score_against_labels(truth, labels)["ari"], arrays["ari_published"], atol=1e-10)


def test_the_same_entries_are_hidden(arrays, hidden):
    counts, rows, columns = hidden
    np.testing.assert_array_equal(counts.toarray(), arrays["counts_dropout_published"])
    np.testing.assert_array_equal(rows, arrays["nz_i"][arrays["mask_ix"]])
    np.testing.assert_array_equal(columns, arrays["nz_j"][arrays["mask_ix"]])
    assert len(rows) == int(arrays["n_masked"])
    assert np.count_nonzero(arrays["counts"]) == int(arrays["n_nonzero"])


def scores_of(arrays, hidden, scale):
    """Return the scores of the imputed values at the hidden entries in float64."""
    _, *where = hidden
    truth = arrays["counts"][tuple(where)].astype(float)
    imputed = arrays[f"imputed{scale}"][tuple(where)].astype(float)
    return score_hidden_entries(imputed, np.log1p(truth) if scale else truth)


both_scales = pytest.mark.parametrize("scale", ["", "_log"])
both_forms = pytest.mark.parametrize("form", ["dense", "sparse"])


@both_forms
@both_scales
def test_l1_on_the_hidden_entries(arrays, hidden, scale, form):
    scores = scores_of(arrays, hidden, scale)
    ordered = [scores[f"{name}_l1"] for name in arrays["l1_names"]]
    assert_near(ordered, arrays[f"l1{scale}_{form}_published"], rtol=1e-9)


@both_forms
@both_scales
def test_cosine_on_the_hidden_entries(arrays, hidden, scale, form):
    scores = scores_of(arrays, hidden, scale)
    assert_near(scores["cosine"], arrays[f"cosine{scale}_{form}_published"], rtol=1e-9)


def test_single_precision_is_enough(arrays, hidden):
    _, *where = hidden
    truth, imputed = arrays["counts"][tuple(where)], arrays["imputed"][tuple(where)]
    scores = score_hidden_entries(imputed, truth.astype(np.float32))
    ordered = [scores[f"{name}_l1"] for name in arrays["l1_names"]]
    assert_near(ordered, arrays["l1_dense_published"], rtol=1e-5)
    assert_near(scores["cosine"], arrays["cosine_dense_published"], rtol=1e-6)
