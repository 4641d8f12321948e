"""Lazy reconstructions have the values of stored ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from anndata import read_h5ad
from scipy import sparse

import scgnn
from feature_autoencoders import expression
from scgnn.components.decoders import MLPDecoder
from scgnn.components.encoders import MLPEncoder as Encoder
from scgnn.execution.cache import StageCache
from scgnn.execution.stages import Stages
from scgnn.pipelines import reconstruction
from scgnn.pipelines.autoencoders import (
    Autoencoder,
    WarmStart,
    fit_cluster_autoencoders,
    fit_feature_autoencoder,
    reconstruct,
)
from scgnn.pipelines.reconstruction import LazyReconstruction, count_zero_columns
from scgnn.recipe.load import load_recipe
from scgnn.runs.run import execute
from scgnn.training.settings import Training


@pytest.fixture
def lazy(monkeypatch):
    monkeypatch.setattr(reconstruction, "MAX_STORED_VALUES", 0)
    monkeypatch.setattr(reconstruction, "ROWS_PER_BLOCK", 7)


def run(changes):
    return execute(load_recipe("scgnn", changes)).state


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pipeline.cluster_autoencoders": False},
        {"pipeline.imputation": "reconstruction"},
        {"pipeline.cluster_initialization": "continue", "pipeline.iteration_target": "input"},
    ],
    ids=str,
)
def test_run_has_the_same_history(request, make_small_changes, changes):
    changes = make_small_changes("scgnn") | changes
    stored = run(changes)
    request.getfixturevalue("lazy")
    lazy = run(changes)
    assert isinstance(stored.imputed, np.ndarray)
    assert isinstance(lazy.imputed, LazyReconstruction)
    assert np.isfinite(lazy.imputed.toarray()).all()
    first, second = (
        [record for record in state.history if record.iteration == 0] for state in (lazy, stored)
    )
    assert first == second  # later iterations round differently


@pytest.mark.parametrize("rule", ["copy", "continue"])
def test_cluster_autoencoders_have_the_same_reconstruction(request, rule):
    state = expression()
    autoencoder = Autoencoder(Encoder(hidden=(24, 8)), MLPDecoder(), 1.0)
    start = fit_feature_autoencoder(autoencoder, Training(epochs=5), state, 0, None)
    clusters = np.arange(state.n_cells) % 3

    def reconstruct_clusters():
        clustered = replace(state, clusters=clusters)
        warm_start = WarmStart(start.weights, start.optimizer_state if rule == "continue" else {})
        fitted = fit_cluster_autoencoders(
            autoencoder, Training(epochs=5), clustered, warm_start, rule, "own", 1
        )
        return reconstruct(autoencoder, fitted, state.n_genes, clusters)

    stored = reconstruct_clusters()
    request.getfixturevalue("lazy")
    lazy = reconstruct_clusters()
    assert isinstance(lazy, LazyReconstruction)
    np.testing.assert_allclose(lazy.toarray(), stored, atol=1e-4)
    assert count_zero_columns(lazy) == count_zero_columns(stored)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_reconstruction_of_a_gpu_is_read_where_there_is_none(lazy, make_small_changes):
    imputed = run(make_small_changes("scgnn")).imputed
    np.testing.assert_array_equal(replace(imputed, device="cuda")[:5], imputed[:5])


def test_single_pass_is_the_same(request):
    changes = {
        "data.reader.n_cells": 40,
        "data.reader.n_genes": 30,
        "pipeline.feature_decoder": "mlp",
    }
    changes |= {"pipeline.feature_encoder": {"name": "mlp", "hidden": [16, 8]}}
    changes |= {"pipeline.feature_training.epochs": 3}
    expected = scgnn.run("pca_leiden", **changes)
    request.getfixturevalue("lazy")
    result = scgnn.run("pca_leiden", **changes)
    imputed = result.layers["scgnn_imputed"].compute()
    np.testing.assert_allclose(imputed, expected.layers["scgnn_imputed"], atol=1e-5)


def test_result_file_has_all_values(lazy, make_small_changes, tmp_path):
    changes = make_small_changes("scgnn")
    scgnn.run("scgnn", out=tmp_path / "out", **changes)
    written = read_h5ad(tmp_path / "out" / "result.h5ad").layers["scgnn_imputed"]
    np.testing.assert_allclose(written, run(changes).imputed.toarray(), atol=1e-6)


def test_cache_has_weights_and_no_matrix(lazy, make_small_changes, tmp_path):
    cache = StageCache(tmp_path / "stages")
    first = execute(load_recipe("scgnn", make_small_changes("scgnn")), stages=Stages(cache)).state
    sizes = [
        entries[name].shape
        for path in (tmp_path / "stages").glob("*.npz")
        for entries in [np.load(path)]
        for name in entries.files
        if name.endswith("reconstruction")
    ]
    assert sizes == []
    stages = Stages(cache)
    second = execute(load_recipe("scgnn", make_small_changes("scgnn")), stages=stages).state
    assert stages.n_from_cache == len(stages.costs) - 1  # reading is timed and not stored
    np.testing.assert_array_equal(first.imputed.toarray(), second.imputed.toarray())


def test_lazy_imputation_is_scored(lazy, make_small_changes):
    result = execute(
        load_recipe("scgnn", make_small_changes("scgnn") | {"data.thinning_fraction": 0.5})
    ).metrics
    assert all(np.isfinite(value) for value in result["thinning"].values())


def test_rows_are_computed_in_any_order(lazy):
    state = expression()
    autoencoder = Autoencoder(Encoder(hidden=(24, 8)), MLPDecoder(), 1.0)
    fitted = fit_feature_autoencoder(autoencoder, Training(epochs=5), state, 0, None)
    lazy = reconstruct(autoencoder, fitted, state.n_genes)
    rows = lazy.toarray()
    assert lazy.shape == rows.shape == (40, 30)
    cells = np.array([30, 2, 2, 7])
    np.testing.assert_allclose(lazy[cells], rows[cells], atol=1e-6)
    np.testing.assert_allclose(lazy[rows[:, 5] > 0], rows[rows[:, 5] > 0], atol=1e-6)
    assert count_zero_columns(lazy) == (rows == 0).all(0).sum()


@pytest.mark.parametrize("stored", [True, False])
def test_imputed_values_may_be_sparse(request, make_small_changes, tmp_path, stored):
    changes = make_small_changes("scgnn") | {"pipeline.imputation_threshold": 0.5}
    if not stored:
        request.getfixturevalue("lazy")
    dense = run(changes).imputed
    result = scgnn.run(
        "scgnn", out=tmp_path / "out", **changes, **{"pipeline.imputed_format": "sparse"}
    )
    layer = result.layers["scgnn_imputed"]
    assert isinstance(layer, sparse.csr_matrix)
    np.testing.assert_array_equal(layer.toarray(), dense if stored else dense.toarray())
    assert 0 < layer.nnz < np.prod(layer.shape)
    written = read_h5ad(tmp_path / "out" / "result.h5ad").layers["scgnn_imputed"]
    assert (written != layer).nnz == 0


def test_sparse_imputed_values_have_the_scores_of_dense_ones(make_small_changes):
    changes = make_small_changes("scgnn") | {"data.thinning_fraction": 0.5}
    scores = [
        execute(load_recipe("scgnn", changes | {"pipeline.imputed_format": form})).metrics[
            "thinning"
        ]
        for form in ("dense", "sparse")
    ]
    assert scores[0] == scores[1]
