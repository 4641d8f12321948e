"""Leaving out what rests changes no training: weights, losses and moments as if all took part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from scgnn.components.decoders import MLPDecoder as Decoder
from scgnn.components.encoders import MLPEncoder as Encoder
from scgnn.components.regularizers import DegreeWeightedError, LTMGWeightedError
from scgnn.pipelines import active_units, autoencoders
from scgnn.pipelines.active_units import ActiveSubnetwork, extract_active_subnetwork
from scgnn.pipelines.autoencoders import Autoencoder, WarmStart, fit_feature_autoencoder
from scgnn.seeding import use_torch_seed
from scgnn.state import State
from scgnn.training.budget import Training
from scgnn.training.fit import DenseRows

TRAINING = Training(epochs=60, learning_rate=3e-3)


def expression(seed=0, cells=40, genes=30):
    """Sparse groups of cells; the first genes are 0 in all of them."""
    rng = np.random.default_rng(seed)
    means = rng.gamma(0.5, 2.0, (3, genes))
    x = np.log1p(rng.poisson(means[rng.integers(0, 3, cells)])).astype(np.float32)
    x[:, :4] = 0
    names = (np.array([f"g{i}" for i in range(genes)]), np.array([f"c{i}" for i in range(cells)]))
    return State(x, *names, ltmg_states=(x > 1).astype(np.float32))


def parts(hidden=(24, 8), regularizers=(), **settings):
    return Autoencoder(Encoder(hidden=hidden, **settings), Decoder(), 0.5, regularizers)


@pytest.fixture
def both(monkeypatch):
    """A training as it is, and with everything taking part; what was left out on the way."""

    def train(parts, training=TRAINING, state=None, start=None):
        state = expression() if state is None else state
        used = []

        def watched(*args):
            used.append(extract_active_subnetwork(*args))
            return used[-1]

        monkeypatch.setattr(active_units, "extract_active_subnetwork", watched)
        found = fit_feature_autoencoder(parts, training, state, 3, start)
        monkeypatch.setattr(active_units, "extract_active_subnetwork", lambda *_: None)
        return found, fit_feature_autoencoder(parts, training, state, 3, start), used

    return train


def assert_same(found, expected):
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-4)
    assert found.weights.keys() == expected.weights.keys()
    assert found.optimizer.keys() == expected.optimizer.keys()
    for arrays in ("weights", "optimizer_state"):
        for name, value in getattr(expected, arrays).items():
            size = max(1e-3, float(np.abs(value).max()))
            actual = getattr(found, arrays)[name]
            np.testing.assert_allclose(actual, value, rtol=0, atol=2e-3 * size, err_msg=name)
    np.testing.assert_allclose(found.embedding, expected.embedding, atol=1e-2)
    np.testing.assert_allclose(found.reconstruction, expected.reconstruction, atol=1e-2)


@pytest.mark.parametrize("hidden", [(24, 8), (24, 12, 8)])
@pytest.mark.parametrize("batch_size", [12800, 16])
def test_a_training_is_the_same(both, hidden, batch_size):
    training = replace(TRAINING, batch_size=batch_size)
    found, expected, (used,) = both(parts(hidden, (LTMGWeightedError(weight=0.9),)), training)
    assert isinstance(used, ActiveSubnetwork)
    assert len(used.active_genes) <= 26
    assert_same(found, expected)


def test_a_unit_that_wakes_up_takes_part(both):
    """From weights in front of which some units have been put to sleep."""
    state = expression()
    start = fit_feature_autoencoder(parts(), TRAINING, state, 3, None).weights
    bias = start["decoder.layers.0.bias"]
    bias[::2] = -np.abs(start["decoder.layers.0.weight"][::2]).sum(1) * 2.0 - 0.5
    training = replace(TRAINING, epochs=150, learning_rate=1e-2)
    found, expected, (used,) = both(parts(), training, state, WarmStart(start, {}))
    asleep = extract_active_subnetwork(*_networks(parts(), start), DenseRows(state.x), training)
    assert len(used.last) > len(asleep.last_units)
    assert_same(found, expected)


def _networks(parts, weights):
    with use_torch_seed(0):
        module = parts.build(30, 0)
    autoencoders.from_arrays(module, weights)
    return module["encoder"], module["decoder"]


def test_moments_that_are_there_keep_everything_in(both):
    state = expression()
    first = fit_feature_autoencoder(parts(), TRAINING, state, 3, None)
    _, _, used = both(parts(), TRAINING, state, WarmStart(first.weights, first.optimizer_state))
    assert used == []


@pytest.mark.parametrize(
    ("others", "training"),
    [
        ({"activation": "elu"}, TRAINING),
        ({"dropout": 0.1}, TRAINING),
        ({"normalization": "batch"}, TRAINING),
        ({}, replace(TRAINING, l1=0.1)),
        ({}, replace(TRAINING, l2=0.1)),
        ({"hidden": (8,)}, TRAINING),
    ],
    ids=str,
)
def test_where_weights_move_without_cells_all_take_part(both, others, training):
    _, _, (used,) = both(parts(**others), training)
    assert used is None


def test_networks_of_others_are_trained_whole(both):
    class Other(Encoder):
        """An encoder of somebody else."""

    others = Autoencoder(Other(hidden=(24, 8)), Decoder(), 0.5)
    assert both(others)[2] == []


def test_a_row_weighted_training_is_the_same(both):
    state = expression()
    graph = np.ones((40, 40), np.float32) - np.eye(40, dtype=np.float32)
    state = replace(state, graph=sparse.csr_matrix(graph))
    found, expected, (used,) = both(parts((24, 8), (DegreeWeightedError(),)), TRAINING, state)
    assert isinstance(used, ActiveSubnetwork)
    assert_same(found, expected)
