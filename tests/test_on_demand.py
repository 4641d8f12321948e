"""Expression that is rebuilt row by row when asked for is what a matrix of it would be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from anndata import read_h5ad
from scipy import sparse

import scgnn
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
from scgnn.training.budget import Training
from test_awake import expression as cells_of


@pytest.fixture
def on_demand(monkeypatch):
    monkeypatch.setattr(reconstruction, "MAX_STORED_VALUES", 0)
    monkeypatch.setattr(reconstruction, "ROWS_PER_BLOCK", 7)


def run(changes):
    return execute(load_recipe("scgnn", changes)).state


@pytest.mark.parametrize(
    "others",
    [
        {},
        {"pipeline.cluster_autoencoders": False},
        {"pipeline.imputation": "reconstruction"},
        {"pipeline.cluster_initialization": "continue", "pipeline.iteration_target": "input"},
    ],
    ids=str,
)
def test_a_run_goes_the_same_way(request, make_small_changes, others):
    changes = make_small_changes("scgnn") | others
    kept = run(changes)
    request.getfixturevalue("on_demand")
    found = run(changes)
    assert isinstance(kept.imputed, np.ndarray)
    assert isinstance(found.imputed, LazyReconstruction)
    assert np.isfinite(found.imputed.toarray()).all()
    first = [[r for r in each.history if r.iteration == 0] for each in (found, kept)]
    assert first[0] == first[1]  # what follows it rounds elsewhere


@pytest.mark.parametrize("rule", ["copy", "continue"])
def test_what_the_trainings_rebuild_is_the_same(request, rule):
    state = cells_of()
    parts = Autoencoder(Encoder(hidden=(24, 8)), MLPDecoder(), 1.0)
    start = fit_feature_autoencoder(parts, Training(epochs=5), state, 0, None)
    labels = np.arange(state.n_cells) % 3

    def rebuilt_by_clusters():
        clustered = replace(state, clusters=labels)
        begin = WarmStart(start.weights, start.optimizer_state if rule == "continue" else {})
        fitted = fit_cluster_autoencoders(
            parts, Training(epochs=5), clustered, begin, rule, "own", 1
        )
        return reconstruct(parts, fitted, state.n_genes, labels)

    kept = rebuilt_by_clusters()
    request.getfixturevalue("on_demand")
    found = rebuilt_by_clusters()
    assert isinstance(found, LazyReconstruction)
    np.testing.assert_allclose(found.toarray(), kept, atol=1e-4)
    assert count_zero_columns(found) == count_zero_columns(kept)


def test_a_single_pass_is_the_same(request):
    changes = {
        "data.reader.n_cells": 40,
        "data.reader.n_genes": 30,
        "pipeline.feature_decoder": "mlp",
    }
    changes |= {"pipeline.feature_encoder": {"name": "mlp", "hidden": [16, 8]}}
    changes |= {"pipeline.feature_training.epochs": 3}
    kept = scgnn.run("pca_leiden", **changes)
    request.getfixturevalue("on_demand")
    found = scgnn.run("pca_leiden", **changes)
    imputed = found.layers["scgnn_imputed"].compute()
    np.testing.assert_allclose(imputed, kept.layers["scgnn_imputed"], atol=1e-5)


def test_the_file_holds_it_whole(on_demand, make_small_changes, tmp_path):
    changes = make_small_changes("scgnn")
    scgnn.run("scgnn", out=tmp_path / "out", **changes)
    there = read_h5ad(tmp_path / "out" / "result.h5ad").layers["scgnn_imputed"]
    np.testing.assert_allclose(there, run(changes).imputed.toarray(), atol=1e-6)


def test_the_store_keeps_weights_and_no_matrix(on_demand, make_small_changes, tmp_path):
    store = StageCache(tmp_path / "stages")
    once = execute(load_recipe("scgnn", make_small_changes("scgnn")), stages=Stages(store)).state
    sizes = [
        entries[name].shape
        for path in (tmp_path / "stages").glob("*.npz")
        for entries in [np.load(path)]
        for name in entries.files
        if name.endswith("reconstruction")
    ]
    assert sizes == []
    stages = Stages(store)
    again = execute(load_recipe("scgnn", make_small_changes("scgnn")), stages=stages).state
    assert stages.n_from_cache == len(stages.costs)
    np.testing.assert_array_equal(once.imputed.toarray(), again.imputed.toarray())


def test_it_can_be_scored(on_demand, make_small_changes):
    found = execute(
        load_recipe("scgnn", make_small_changes("scgnn") | {"data.thinning_fraction": 0.5})
    ).metrics
    assert all(np.isfinite(value) for value in found["thinning"].values())


def test_rows_in_any_order(on_demand):
    state = cells_of()
    parts = Autoencoder(Encoder(hidden=(24, 8)), MLPDecoder(), 1.0)
    fitted = fit_feature_autoencoder(parts, Training(epochs=5), state, 0, None)
    found = reconstruct(parts, fitted, state.n_genes)
    every = found.toarray()
    assert found.shape == every.shape == (40, 30)
    cells = np.array([30, 2, 2, 7])
    np.testing.assert_allclose(found[cells], every[cells], atol=1e-6)
    np.testing.assert_allclose(found[every[:, 5] > 0], every[every[:, 5] > 0], atol=1e-6)
    assert count_zero_columns(found) == (every == 0).all(0).sum()


@pytest.mark.parametrize("whole", [True, False])
def test_imputed_values_may_be_sparse(request, make_small_changes, tmp_path, whole):
    changes = make_small_changes("scgnn") | {"pipeline.imputation_threshold": 0.5}
    if not whole:
        request.getfixturevalue("on_demand")
    dense = run(changes).imputed
    found = scgnn.run(
        "scgnn", out=tmp_path / "out", **changes, **{"pipeline.imputed_format": "sparse"}
    )
    layer = found.layers["scgnn_imputed"]
    assert isinstance(layer, sparse.csr_matrix)
    np.testing.assert_array_equal(layer.toarray(), dense if whole else dense.toarray())
    assert 0 < layer.nnz < np.prod(layer.shape)
    written = read_h5ad(tmp_path / "out" / "result.h5ad").layers["scgnn_imputed"]
    assert (written != layer).nnz == 0


def test_sparse_imputed_values_are_scored_as_dense_ones_are(make_small_changes):
    changes = make_small_changes("scgnn") | {"data.thinning_fraction": 0.5}
    scores = [
        execute(load_recipe("scgnn", changes | {"pipeline.imputed_format": form})).metrics[
            "thinning"
        ]
        for form in ("dense", "sparse")
    ]
    assert scores[0] == scores[1]
