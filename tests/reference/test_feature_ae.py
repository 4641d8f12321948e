"""The feature autoencoder: forward pass, every loss and every gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scgnn.components.decoders import MLPDecoder as Decoder
from scgnn.components.encoders import MLPEncoder as Encoder
from scgnn.components.regularizers import (
    BinaryLTMGWeightedError,
    ForwardPass,
    LTMGWeightedError,
    active_in,
)
from scgnn.pipelines.autoencoders import fit_feature_autoencoder
from scgnn.seeding import use_torch_seed
from scgnn.training.fit import fit
from scgnn.training.settings import Training

from . import assert_near
from .small_autoencoder import (
    WEIGHT_NAMES,
    make_autoencoder,
    make_network,
    make_state,
    make_warm_start,
)

ARRAYS = {
    r"x|ltmg|alpha|gamma|L1Para|L2Para|full_seed|w_fc\d_\w+": "input",
    r"z|recon": "test_embedding_and_reconstruction_at_the_reference_weights",
    r"loss_(noregu|ltmg|ltmg01)(_noL1|_L2half)?_published": "test_losses_of_the_published_code",
    r"loss_ltmg_EMphase_published": "test_regularizer_of_another_phase_is_inactive",
    r"loss_ltmg_double_published": "test_loss_in_double_precision",
    r"grad_\w+": "test_gradients_of_every_weight",
    r"gradnorm_\w+": "test_gradient_norms_of_the_first_layer",
    r"(sse|ltmg_wsse|ltmg01_wsse|l1|l2)_described": "test_each_term_alone_in_double_precision",
    r"loss_(noregu|ltmg|ltmg01)_described": "test_losses_as_the_paper_writes_them",
    r"full_z|full_recon": "test_full_network_from_the_same_seed",
    r"full_w_(abs)?sums|full_fc1_weight_first_row": "test_initial_weights_have_the_same_order",
}

REGULARIZERS = {
    "noregu": (),
    "ltmg": (LTMGWeightedError(weight=0.9),),
    "ltmg01": (BinaryLTMGWeightedError(weight=0.9),),
}
PENALTIES = {"": (1.0, 0.0), "_noL1": (0.0, 0.0), "_L2half": (1.0, 0.5)}


def first_step(arrays, regularizers, l1, l2, weight=0.1):
    """Run one epoch of the pipeline's stage from the reference weights."""
    parts, training = make_autoencoder(weight, regularizers), Training(epochs=1, l1=l1, l2=l2)
    return fit_feature_autoencoder(
        parts, training, make_state(arrays), 0, make_warm_start(arrays, "w_")
    )


def gradients(fitted):
    """Return the gradients: after one step, Adam's first moment is a tenth of them."""
    return {
        theirs: fitted.optimizer_state[f"{number}.exp_avg"] / (1 - 0.9)
        for number, theirs in enumerate(WEIGHT_NAMES.values())
    }


def double_loss(arrays, regularizers, l1=0.0, l2=0.0, weight=0.1):
    """Return the loss at the reference weights in float64, by training with learning rate 0."""
    module = make_network(arrays, "w_", torch.float64)
    x = torch.from_numpy(arrays["x"]).double()

    def loss(batch):
        x_hat = module["decoder"](module["encoder"](None, x))
        value = weight * Decoder().loss(x_hat, x)
        for regularizer in regularizers:
            prepared = regularizer.prepare(make_state(arrays))
            value = value + regularizer.loss(ForwardPass(x, x_hat, None, None), prepared, batch)
        return value

    optimizer = torch.optim.SGD(module.parameters(), lr=0.0)
    return fit(module, loss, len(x), Training(epochs=1, l1=l1, l2=l2), 0, optimizer)[0]


def test_settings_are_those_of_the_published_code(arrays):
    assert (float(arrays["alpha"]), float(arrays["gamma"])) == (0.9, 0.1)
    assert (float(arrays["L1Para"]), float(arrays["L2Para"])) == PENALTIES[""]


def test_embedding_and_reconstruction_at_the_reference_weights(arrays):
    module = make_network(arrays, "w_")
    with torch.no_grad():
        z = module["encoder"](None, torch.from_numpy(arrays["x"]))
        assert_near(z, arrays["z"], atol=1e-5)
        assert_near(module["decoder"](z), arrays["recon"], atol=1e-5)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("kind", REGULARIZERS)
def test_losses_of_the_published_code(arrays, kind, penalty):
    fitted = first_step(arrays, REGULARIZERS[kind], *PENALTIES[penalty])
    assert_near(fitted.losses[0], arrays[f"loss_{kind}{penalty}_published"], rtol=2e-6)


def test_regularizer_of_another_phase_is_inactive(arrays):
    """The published code drops LTMG after the initial training."""
    regularizers = active_in((LTMGWeightedError(weight=0.9, phases=("initial",)),), "iteration")
    fitted = first_step(arrays, regularizers, *PENALTIES[""])
    assert_near(fitted.losses[0], arrays["loss_ltmg_EMphase_published"], rtol=1e-6)
    assert_near(fitted.losses[0], arrays["loss_noregu_published"], rtol=1e-6)


def test_loss_in_double_precision(arrays):
    loss = double_loss(arrays, REGULARIZERS["ltmg"], *PENALTIES[""])
    assert_near(loss, arrays["loss_ltmg_double_published"], rtol=1e-12)


@pytest.mark.parametrize("penalty", ["", "_noL1"])
@pytest.mark.parametrize("kind", REGULARIZERS)
def test_gradients_of_every_weight(arrays, kind, penalty):
    grads = gradients(first_step(arrays, REGULARIZERS[kind], *PENALTIES[penalty]))
    for name, gradient in grads.items():
        assert_near(gradient, arrays[f"grad_{kind}{penalty}_{name}"], rtol=1e-5)


def test_gradient_of_the_l2_penalty_is_twice_the_weight(arrays):
    """Compare with the gradient without that penalty, since no array has it."""
    with_l2 = gradients(first_step(arrays, (), 1.0, 0.5))
    for name, gradient in with_l2.items():
        expected = arrays[f"grad_noregu_{name}"] + arrays[f"w_{name}"]
        assert_near(gradient, expected, rtol=1e-5)
        assert abs(gradient - arrays[f"grad_noregu_{name}"]).max() > 0.01


@pytest.mark.parametrize("penalty", ["", "_noL1"])
@pytest.mark.parametrize("kind", REGULARIZERS)
def test_gradient_norms_of_the_first_layer(arrays, kind, penalty):
    grads = gradients(first_step(arrays, REGULARIZERS[kind], *PENALTIES[penalty]))
    norm = np.linalg.norm(grads["fc1_weight"].astype(float))
    assert_near(norm, arrays[f"gradnorm_{kind}{penalty}_fc1_weight"], rtol=1e-6)


@pytest.mark.parametrize(
    ("term", "settings"),
    [
        ("sse", {"regularizers": (), "weight": 1.0}),
        ("ltmg_wsse", {"regularizers": (LTMGWeightedError(weight=1.0),), "weight": 0.0}),
        ("ltmg01_wsse", {"regularizers": (BinaryLTMGWeightedError(weight=1.0),), "weight": 0.0}),
        ("l1", {"regularizers": (), "weight": 0.0, "l1": 1.0}),
        ("l2", {"regularizers": (), "weight": 0.0, "l2": 1.0}),
    ],
)
def test_each_term_alone_in_double_precision(arrays, term, settings):
    assert_near(double_loss(arrays, **settings), arrays[f"{term}_described"], rtol=1e-12)


@pytest.mark.parametrize(("kind", "weight"), [("noregu", 1.0), ("ltmg", 0.1), ("ltmg01", 0.1)])
def test_losses_as_the_paper_writes_them(arrays, kind, weight):
    """Weights 1 − α and α, no L1; the error is unweighted without a regularizer."""
    expected = arrays[f"loss_{kind}_described"]
    single = first_step(arrays, REGULARIZERS[kind], 0.0, 0.0, weight).losses[0]
    assert_near(single, expected, rtol=1e-6)
    double = double_loss(arrays, REGULARIZERS[kind], weight=weight)
    assert_near(double, expected, rtol=1e-12)


@pytest.fixture
def full_network(arrays):
    """Build encoder, then decoder, as the published class does."""
    n_genes = arrays["x"].shape[1]
    with use_torch_seed(int(arrays["full_seed"])):
        encoder = Encoder().build(n_genes)
        decoder = Decoder().mirror(Encoder()).build(128, n_genes)
    return torch.nn.ModuleDict({"encoder": encoder, "decoder": decoder})


def test_initial_weights_have_the_same_order(arrays, full_network):
    weights = [p.detach().double().numpy() for p in full_network.parameters()]
    assert_near([w.sum() for w in weights], arrays["full_w_sums"], rtol=1e-6)
    assert_near([abs(w).sum() for w in weights], arrays["full_w_abssums"], rtol=1e-6)
    first = full_network["encoder"].layers[0].weight[0].detach()
    np.testing.assert_array_equal(first, arrays["full_fc1_weight_first_row"])


def test_full_network_from_the_same_seed(arrays, full_network):
    with torch.no_grad():
        z = full_network["encoder"](None, torch.from_numpy(arrays["x"]))
        assert_near(z, arrays["full_z"], atol=1e-5)
        assert_near(full_network["decoder"](z), arrays["full_recon"], atol=1e-5)
