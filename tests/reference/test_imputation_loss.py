"""Loss of the imputation: errors of cells weighted by degree and cluster size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from scgnn.components.decoders import MLPDecoder as Decoder
from scgnn.components.regularizers import (
    BinaryLTMGWeightedError,
    ClusterSizeWeightedError,
    DegreeWeightedError,
    ForwardPass,
)
from scgnn.state import State

from . import assert_near

ARRAYS = {
    r"x|xhat|adj|adj_asymmetric|labels|ltmg": "input",
    r"graph_coef|celltype_coef": "test_the_weights_are_those_of_the_published_code",
    r"celltype_matrix_published": "test_cluster_sizes_are_the_sums_of_the_cell_type_matrix",
    r"total_gamma05?(_mean)?_published": "test_totals_of_the_published_code",
    r"total_(graphonly|celltypeR)_\w+": "test_totals_of_the_other_types",
    r"(graph|celltype)_term_published|sse_published": "test_each_term_alone",
    r"graph_term_asymmetric_published": "test_columns_count_where_the_graph_is_not_symmetric",
    r"grad_xhat_\w+": "test_gradients_of_the_reconstruction",
    r"err_per_cell": "test_error_of_each_cell",
    r"degree|cluster_size": "test_weights_of_cells_are_degree_and_cluster_size",
    r"identity_(graph|celltype)_described": "test_the_matrix_products_are_row_weights",
    r"identity_asymmetric_colsum_described|asymmetric_rowsum_wrong_reading": (
        "test_columns_count_where_the_graph_is_not_symmetric"
    ),
    r"total_gamma05?_described": "test_totals_in_double_precision",
}

GAMMAS = {"gamma0": 0.0, "gamma05": 0.5}
REGULARIZERS = (DegreeWeightedError(), ClusterSizeWeightedError())
both_gammas = pytest.mark.parametrize("gamma", GAMMAS)


def state(arrays, graph="adj"):
    x = arrays["x"]
    return State(
        x,
        np.arange(x.shape[1]).astype(str),
        np.arange(x.shape[0]).astype(str),
        ltmg_states=sparse.csr_matrix(arrays["ltmg"].astype(np.int8)),
        graph=sparse.csr_matrix(arrays[graph], dtype=np.float32),
        clusters=arrays["labels"],
    )


def tensors(arrays, dtype=torch.float32):
    return torch.from_numpy(arrays["xhat"]).to(dtype), torch.from_numpy(arrays["x"]).to(dtype)


def forward_pass(x_hat, x):
    return ForwardPass(x, x_hat, None, None)


def value(arrays, regularizer, dtype=torch.float32, graph="adj"):
    prepared = regularizer.prepare(state(arrays, graph))
    return float(regularizer.loss(forward_pass(*tensors(arrays, dtype)), prepared, None))


def total(arrays, x_hat, x, gamma, regularizers=REGULARIZERS):
    """Return ``γ Σ (x − x̂)² + Σ regularizers``, the loss of the imputation."""
    loss, batch = gamma * Decoder().loss(x_hat, x), forward_pass(x_hat, x)
    for regularizer in regularizers:
        loss = loss + regularizer.loss(batch, regularizer.prepare(state(arrays)), None)
    return loss


def test_the_weights_are_those_of_the_published_code(arrays):
    assert DegreeWeightedError().weight == float(arrays["graph_coef"])
    assert ClusterSizeWeightedError().weight == float(arrays["celltype_coef"])


def test_weights_of_cells_are_degree_and_cluster_size(arrays):
    np.testing.assert_array_equal(DegreeWeightedError().prepare(state(arrays)), arrays["degree"])
    np.testing.assert_array_equal(
        ClusterSizeWeightedError().prepare(state(arrays)), arrays["cluster_size"]
    )


def test_cluster_sizes_are_the_sums_of_the_cell_type_matrix(arrays):
    labels, matrix = arrays["labels"], arrays["celltype_matrix_published"]
    np.testing.assert_array_equal(labels[:, None] == labels, matrix)
    np.testing.assert_array_equal(
        ClusterSizeWeightedError().prepare(state(arrays)), matrix.sum(axis=0)
    )


def test_each_term_alone(arrays):
    assert_near(
        value(arrays, DegreeWeightedError(weight=1.0)), arrays["graph_term_published"], rtol=2e-6
    )
    sizes = value(arrays, ClusterSizeWeightedError(weight=1.0))
    assert_near(sizes, arrays["celltype_term_published"], rtol=2e-6)
    assert_near(float(Decoder().loss(*tensors(arrays))), arrays["sse_published"], rtol=2e-6)


def test_the_matrix_products_are_row_weights(arrays):
    graph = value(arrays, DegreeWeightedError(weight=1.0), torch.float64)
    assert_near(graph, arrays["identity_graph_described"], rtol=1e-12)
    sizes = value(arrays, ClusterSizeWeightedError(weight=1.0), torch.float64)
    assert_near(sizes, arrays["identity_celltype_described"], rtol=1e-12)


def test_columns_count_where_the_graph_is_not_symmetric(arrays):
    term = value(arrays, DegreeWeightedError(weight=1.0), torch.float64, graph="adj_asymmetric")
    assert_near(term, arrays["identity_asymmetric_colsum_described"], rtol=1e-12)
    assert_near(term, arrays["graph_term_asymmetric_published"], rtol=2e-6)
    assert abs(term - float(arrays["asymmetric_rowsum_wrong_reading"])) > 1


def test_error_of_each_cell(arrays):
    """The weights of all cells but one set to 0."""
    x_hat, x = tensors(arrays, torch.float64)
    alone = torch.eye(len(x), dtype=torch.float64)
    batch, term = forward_pass(x_hat, x), DegreeWeightedError(weight=1.0)
    errors = [float(term.loss(batch, one, None)) for one in alone]
    assert_near(errors, arrays["err_per_cell"], rtol=1e-12)


@both_gammas
def test_totals_of_the_published_code(arrays, gamma):
    loss = float(total(arrays, *tensors(arrays), GAMMAS[gamma]))
    assert_near(loss, arrays[f"total_{gamma}_published"], rtol=2e-6)
    assert_near(loss / arrays["x"].size, arrays[f"total_{gamma}_mean_published"], rtol=2e-6)


@both_gammas
def test_totals_in_double_precision(arrays, gamma):
    loss = float(total(arrays, *tensors(arrays, torch.float64), GAMMAS[gamma]))
    assert_near(loss, arrays[f"total_{gamma}_described"], rtol=1e-12)


@both_gammas
def test_totals_of_the_other_types(arrays, gamma):
    """Type Graph leaves the clusters out; CelltypeR adds 1 − γ of the error on expressed values."""
    x_hat, x = tensors(arrays)
    graph_only = float(total(arrays, x_hat, x, GAMMAS[gamma], (DegreeWeightedError(),)))
    assert_near(graph_only, arrays[f"total_graphonly_{gamma}_published"], rtol=2e-6)
    expressed = BinaryLTMGWeightedError(weight=1 - GAMMAS[gamma])
    with_states = float(total(arrays, x_hat, x, GAMMAS[gamma], (*REGULARIZERS, expressed)))
    assert_near(with_states, arrays[f"total_celltypeR_{gamma}_published"], rtol=2e-6)


@both_gammas
def test_gradients_of_the_reconstruction(arrays, gamma):
    x_hat, x = tensors(arrays)
    x_hat.requires_grad_()
    total(arrays, x_hat, x, GAMMAS[gamma]).backward()
    assert_near(x_hat.grad, arrays[f"grad_xhat_{gamma}_published"], atol=1e-5)


def test_terms_of_batches_sum_to_the_full_term(arrays):
    x_hat, x = tensors(arrays, torch.float64)
    for regularizer in (*REGULARIZERS, BinaryLTMGWeightedError()):
        prepared = regularizer.prepare(state(arrays))
        full = regularizer.loss(forward_pass(x_hat, x), prepared, None)
        batches = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).split(7)
        parts = [
            regularizer.loss(forward_pass(x_hat[rows], x[rows]), prepared, rows) for rows in batches
        ]
        assert_near(float(sum(parts)), float(full), rtol=1e-12)
