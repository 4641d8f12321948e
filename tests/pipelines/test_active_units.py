"""Training the active units and genes only gives the weights of training all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy import sparse

from feature_autoencoders import expression, make_autoencoder
from scgnn.components.decoders import MLPDecoder
from scgnn.components.encoders import MLPEncoder
from scgnn.components.regularizers import (
    DegreeWeightedError,
    ForwardPass,
    LTMGWeightedError,
    Regularizer,
)
from scgnn.pipelines import active_units
from scgnn.pipelines.active_units import train_active_units
from scgnn.pipelines.autoencoders import Autoencoder, WarmStart, fit_feature_autoencoder
from scgnn.pipelines.loss import Loss
from scgnn.training.fit import DenseRows, build_optimizer, fit, from_arrays
from scgnn.training.settings import Training

TRAINING = Training(epochs=60, learning_rate=3e-3)


@pytest.fixture
def train_twice(monkeypatch):
    """Train with the active units only and with all; also return the subnetworks."""

    def train(autoencoder, training=TRAINING, state=None, start=None):
        state = expression() if state is None else state
        subnetworks = []

        class Recorded(active_units.ActiveSubnetwork):
            def __init__(self, *args):
                super().__init__(*args)
                subnetworks.append(self)

        with monkeypatch.context() as patched:
            patched.setattr(active_units, "ActiveSubnetwork", Recorded)
            active = fit_feature_autoencoder(autoencoder, training, state, 3, start)
            patched.setattr(active_units, "MAX_ACTIVE_FRACTION", 0)
            n_subnetworks = len(subnetworks)
            full = fit_feature_autoencoder(autoencoder, training, state, 3, start)
        assert len(subnetworks) == n_subnetworks
        return active, full, subnetworks

    return train


def assert_same(active, full):
    np.testing.assert_allclose(active.losses, full.losses, rtol=1e-4)
    for arrays in ("weights", "optimizer_state"):
        assert getattr(active, arrays).keys() == getattr(full, arrays).keys()
        for name, expected in getattr(full, arrays).items():
            scale = max(1e-3, float(np.abs(expected).max()))
            actual = getattr(active, arrays)[name]
            np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-3 * scale, err_msg=name)
    np.testing.assert_allclose(active.embedding, full.embedding, atol=1e-2)
    np.testing.assert_allclose(active.reconstruction, full.reconstruction, atol=1e-2)


class DoubleRows(DenseRows):
    """Rows in float64."""

    def __getitem__(self, cells):
        if cells is None:
            self.all_rows = getattr(self, "all_rows", super().__getitem__(None).double())
            return self.all_rows
        return super().__getitem__(cells).double()


def train_in_float64(weights, training):
    """Train from given weights in float64; return weights, moments, and the subnetwork."""
    autoencoder, state = make_autoencoder(regularizers=(LTMGWeightedError(),)), expression()
    module = autoencoder.build(state.n_genes, 0)
    from_arrays(module, weights)
    module.double()
    x, optimizer = DoubleRows(state.x), build_optimizer(module, training)
    compute_loss = Loss(autoencoder.decoder, 0.5, autoencoder.regularizers, state)

    def loss(cells):
        z, x_hat = autoencoder(module, x[cells])
        return compute_loss(x_hat, ForwardPass(x[cells], x_hat, z, module["encoder"]), cells)

    components = (autoencoder.encoder, autoencoder.decoder, *autoencoder.regularizers)
    with train_active_units(module, components, x, training, optimizer) as subnetwork:
        fit(module, loss, len(x), training, 1, optimizer)
    moments = optimizer.state_dict()["state"]
    return (
        module.state_dict(),
        {(i, k): v for i in moments for k, v in moments[i].items()},
        subnetwork,
    )


def weights_with_inactive_units():
    """Trained weights, half of the units in front of the last layer made inactive."""
    weights = fit_feature_autoencoder(make_autoencoder(), TRAINING, expression(), 3, None).weights
    bias = weights["decoder.layers.0.bias"]
    bias[::2] = -np.abs(weights["decoder.layers.0.weight"][::2]).sum(1) * 2.0 - 0.5
    return weights


@pytest.mark.parametrize("batch_size", [12800, 16])
def test_fifty_steps_in_float64_give_the_weights_of_full_training(monkeypatch, batch_size):
    steps = 50 if batch_size == 12800 else 17  # of 3 batches
    training = Training(epochs=steps, learning_rate=1e-2, batch_size=batch_size)
    weights = weights_with_inactive_units()
    active, moments, subnetwork = train_in_float64(weights, training)
    monkeypatch.setattr(active_units, "MAX_ACTIVE_FRACTION", 0)
    full, full_moments, none = train_in_float64(weights, training)
    assert none is None
    assert len(subnetwork.genes) <= 26 and len(subnetwork.indices[1][0]) < 24
    assert any(
        (active[name] - torch.from_numpy(weights[name])).abs().max() > 1e-3 for name in active
    )
    for name, expected in full.items():
        torch.testing.assert_close(active[name], expected, rtol=0, atol=1e-10)
    assert moments.keys() == full_moments.keys()
    for name, expected in full_moments.items():
        torch.testing.assert_close(moments[name], expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("hidden", [(24, 8), (24, 12, 8)])
@pytest.mark.parametrize("batch_size", [12800, pytest.param(16, marks=pytest.mark.slow)])
def test_float32_training_is_close(train_twice, hidden, batch_size):
    training = replace(TRAINING, batch_size=batch_size)
    autoencoder = make_autoencoder(hidden, (LTMGWeightedError(weight=0.9),))
    active, full, (subnetwork,) = train_twice(autoencoder, training)
    assert len(subnetwork.genes) <= 26
    assert_same(active, full)


def test_unit_that_becomes_active_is_trained(train_twice):
    start = WarmStart(weights_with_inactive_units(), {})
    training = replace(TRAINING, epochs=150, learning_rate=1e-2)
    active, full, (subnetwork,) = train_twice(make_autoencoder(), training, start=start)
    initial = initially_active_units(start.weights, training)
    last = subnetwork.indices[-2][1]
    assert len(last) > len(initial)
    assert last[: len(initial)].equal(initial)
    assert_same(active, full)


def initially_active_units(weights, training):
    autoencoder, x = make_autoencoder(), DenseRows(expression().x)
    module = autoencoder.build(30, 0)
    from_arrays(module, weights)
    components = (autoencoder.encoder, autoencoder.decoder)
    optimizer = build_optimizer(module, training)
    with train_active_units(module, components, x, training, optimizer) as subnetwork:
        return subnetwork.indices[-2][1]


def test_optimizer_with_moments_trains_all(train_twice):
    state = expression()
    first = fit_feature_autoencoder(make_autoencoder(), TRAINING, state, 3, None)
    start = WarmStart(first.weights, first.optimizer_state)
    assert train_twice(make_autoencoder(), TRAINING, state, start)[2] == []


@pytest.mark.parametrize(
    ("settings", "training"),
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
def test_weights_that_move_without_gradient_are_all_trained(train_twice, settings, training):
    assert train_twice(make_autoencoder(**settings), training)[2] == []


def test_third_party_networks_are_trained_in_full(train_twice):
    class ThirdParty(MLPEncoder):
        """An encoder of a plug-in."""

    autoencoder = Autoencoder(ThirdParty(hidden=(24, 8)), MLPDecoder(), 0.5)
    assert train_twice(autoencoder)[2] == []


@pytest.mark.parametrize(("target", "n"), [("embedding", 1), ("encoder", 0)])
def test_third_party_regularizer_declares_whether_it_acts_on_the_encoder(train_twice, target, n):
    @dataclass(frozen=True)
    class ThirdParty(Regularizer):
        """A penalty of a plug-in."""

        acts_on: ClassVar[str] = target

        def loss(self, batch, prepared, cells):
            return 0.1 * batch.z.sum()

    autoencoder = make_autoencoder(regularizers=(ThirdParty(),))
    active, full, subnetworks = train_twice(autoencoder)
    assert len(subnetworks) == n
    assert_same(active, full)


def test_row_weighted_training_is_close(train_twice):
    state = expression()
    graph = np.ones((40, 40), np.float32) - np.eye(40, dtype=np.float32)
    state = replace(state, graph=sparse.csr_matrix(graph))
    autoencoder = make_autoencoder(regularizers=(DegreeWeightedError(),))
    active, full, subnetworks = train_twice(autoencoder, TRAINING, state)
    assert len(subnetworks) == 1
    assert_same(active, full)
