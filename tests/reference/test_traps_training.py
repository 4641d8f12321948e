"""Errors of the published code (METHOD, section 2), corrected here: training data (rows 1, 3)."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import sparse

from scgnn.components.graph_builders import KNN
from scgnn.execution.stages import Stages
from scgnn.pipelines import autoencoders, graph_autoencoder, steps
from scgnn.state import State
from scgnn.training.settings import Training

from .small_scgnn import N_CELLS, N_GENES, make_pipeline, run_pipeline


class Recorder(Stages):
    """Stages that record the arguments and result of each call."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __call__(self, function, *args, iteration=0):
        value = super().__call__(function, *args, iteration=iteration)
        self.calls.append((function, iteration, args, value))
        return value

    def of(self, function):
        return [call[1:] for call in self.calls if call[0] is function]


class Poisoned(Stages):
    """Stages that replace every reconstruction but the imputed one by noise."""

    def __call__(self, function, *args, iteration=0):
        value = super().__call__(function, *args, iteration=iteration)
        if function not in (
            autoencoders.fit_feature_autoencoder,
            autoencoders.fit_cluster_autoencoders,
        ):
            return value
        noise = np.random.default_rng(iteration).random(value.reconstruction.shape)
        return value._replace(reconstruction=noise.astype(np.float32))


def find_arg(args, kind):
    """Return the argument of a type."""
    return next(arg for arg in args if isinstance(arg, kind))


# Row 1: the target of each training


def test_row_1_iterations_train_on_the_latest_reconstruction(cells):
    record = Recorder()
    make_pipeline()(cells, record, seed=1)
    latest = None
    for function, iteration, args, value in record.calls:
        if function in (
            autoencoders.fit_feature_autoencoder,
            autoencoders.fit_cluster_autoencoders,
        ):
            x = find_arg(args, State).x
            np.testing.assert_array_equal(x, latest if iteration else cells.x)
            latest = value.reconstruction
    assert len(record.of(autoencoders.fit_feature_autoencoder)) == 3
    assert len(record.of(autoencoders.fit_cluster_autoencoders)) == 2


def test_row_1_the_imputation_trains_on_the_original(cells):
    record = Recorder()
    make_pipeline()(cells, record, seed=1)
    ((_, args, _),) = record.of(autoencoders.fit_imputation_autoencoder)
    np.testing.assert_array_equal(find_arg(args, State).x, cells.x)


def reconstruct(cells, labels, x, on, rule="copy"):
    """Return the reconstruction of ``x`` by cluster autoencoders from fixed weights."""
    parts, training = make_pipeline().make_autoencoder(1.0, (), "iteration"), Training(epochs=5)
    first = autoencoders.fit_feature_autoencoder(parts, training, cells, 1, None)
    state = dataclasses.replace(cells, x=x, clusters=labels)
    start = autoencoders.WarmStart(first.weights, {})
    return autoencoders.fit_cluster_autoencoders(
        parts, training, state, start, rule, on, 1
    ).reconstruction


@pytest.mark.parametrize(("on", "reaches"), [("own", False), ("all", True)])
def test_row_1_a_cluster_autoencoder_is_trained_on_its_own_cells_only(cells, on, reaches):
    labels = np.arange(N_CELLS) % 3
    other = cells.x.copy()
    other[labels == 1] = np.random.default_rng(1).random((20, N_GENES))
    before, after = (reconstruct(cells, labels, x, on) for x in (cells.x, other))
    assert not np.array_equal(before[labels == 1], after[labels == 1])
    for cluster in (0, 2):
        same = np.array_equal(before[labels == cluster], after[labels == cluster])
        assert same is not reaches


@pytest.mark.parametrize("start", ["copy", "continue"])
def test_row_1_iterations_on_the_input_ignore_the_reconstruction(cells, start):
    settings = {"iteration_target": "input", "cluster_initialization": start}
    clean, poisoned = (run_pipeline(cells, kind(), **settings) for kind in (Stages, Poisoned))
    for name, value in clean.items():
        np.testing.assert_array_equal(value, poisoned[name], err_msg=name)


def test_row_1_iterations_on_the_reconstruction_depend_on_it(cells):
    clean, poisoned = (run_pipeline(cells, kind()) for kind in (Stages, Poisoned))
    assert not np.array_equal(clean["embedding"], poisoned["embedding"])


# Row 3: pruned edges are removed everywhere, or for the clusterer only


def entries(graph):
    return set(zip(*graph.nonzero(), strict=True))


@pytest.mark.parametrize("reach", ["all", "clusterer"])
def test_row_3_pruned_edges_are_removed_everywhere_or_for_the_clusterer_only(cells, reach):
    record = Recorder()
    make_pipeline(prune_applies_to=reach, max_iterations=1)(cells, record, seed=1)
    for (*_, graph_args, _), (*_, cluster_args, _) in zip(
        record.of(graph_autoencoder.fit_graph_autoencoder), record.of(steps.cluster), strict=True
    ):
        embedding = find_arg(graph_args, np.ndarray)
        full, pruned = (
            KNN(n_neighbors=6, prune=rule)(embedding, 0) for rule in (None, KNN().prune)
        )
        assert entries(pruned) < entries(full)
        expected = pruned if reach == "all" else full
        assert entries(find_arg(graph_args, sparse.csr_matrix)) == entries(expected)
        assert entries(find_arg(cluster_args, sparse.csr_matrix)) == entries(pruned)
    ((_, imputation_args, _),) = record.of(autoencoders.fit_imputation_autoencoder)
    assert entries(find_arg(imputation_args, State).graph) == entries(expected)
