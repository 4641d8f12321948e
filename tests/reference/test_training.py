"""Twenty steps of Adam from given weights, in single and in double precision."""

from __future__ import annotations

import pytest
import torch

from scgnn.components.decoders import MLPDecoder as Decoder
from scgnn.components.regularizers import ForwardPass, LTMGWeightedError
from scgnn.pipelines.autoencoders import fit_feature_autoencoder
from scgnn.training.fit import build_optimizer, fit
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
    r"x|ltmg|alpha|gamma|lr|n_steps|w0_fc\d_\w+": "input",
    r"beta1|beta2|adam_eps": "test_adam_has_the_published_settings",
    r"L1_[01]_loss_(before|after)_step": "test_losses_before_and_after_each_step",
    r"L1_[01]_(z|recon)_published": "test_published_outputs_are_those_one_step_earlier",
    r"L1_[01]_(z|recon)_described": "test_outputs_are_a_clean_pass_with_the_final_weights",
    r"L1_[01]_w20_fc\d_\w+": "test_weights_after_twenty_steps",
    r"L1_[01]_float64_loss_(before|after)_step": "test_losses_in_double_precision",
    r"L1_[01]_float64_(z|recon)_\w+": "test_outputs_in_double_precision",
}

STATES = LTMGWeightedError(weight=0.9)
PARTS = make_autoencoder(0.1, (STATES,))
with_and_without_l1 = pytest.mark.parametrize("l1", [1, 0])


def budget(arrays, l1, epochs):
    return Training(epochs=epochs, learning_rate=float(arrays["lr"]), l1=l1)


def trained(arrays, l1, epochs):
    """Run the pipeline's stage."""
    start = make_warm_start(arrays, "w0_")
    return fit_feature_autoencoder(PARTS, budget(arrays, l1, epochs), make_state(arrays), 0, start)


def trained_in_double(arrays, l1, epochs):
    """Return losses, embedding and reconstruction of a training in float64."""
    module = make_network(arrays, "w0_", torch.float64)
    x, states = torch.from_numpy(arrays["x"]).double(), STATES.prepare(make_state(arrays))

    def loss(batch):
        x_hat = module["decoder"](module["encoder"](None, x))
        term = STATES.loss(ForwardPass(x, x_hat, None, None), states, batch)
        return 0.1 * Decoder().loss(x_hat, x) + term

    losses = fit(module, loss, len(x), budget(arrays, l1, epochs), 0)
    with torch.no_grad():
        z = module["encoder"](None, x)
        return losses, z.numpy(), module["decoder"](z).numpy()


def test_adam_has_the_published_settings(arrays):
    settings = build_optimizer(torch.nn.Linear(1, 1), budget(arrays, 1, 1)).defaults
    assert settings["betas"] == (float(arrays["beta1"]), float(arrays["beta2"]))
    assert settings["eps"] == float(arrays["adam_eps"])
    assert settings["lr"] == Training().learning_rate == float(arrays["lr"])
    assert settings["weight_decay"] == 0
    assert (float(arrays["alpha"]), float(arrays["gamma"])) == (
        STATES.weight,
        PARTS.reconstruction_weight,
    )


@with_and_without_l1
def test_losses_before_and_after_each_step(arrays, l1):
    losses = trained(arrays, l1, int(arrays["n_steps"]) + 1).losses
    assert_near(losses[:-1], arrays[f"L1_{l1}_loss_before_step"], rtol=2e-6)
    assert_near(losses[1:], arrays[f"L1_{l1}_loss_after_step"], rtol=2e-6)


@with_and_without_l1
def test_weights_after_twenty_steps(arrays, l1):
    weights = trained(arrays, l1, int(arrays["n_steps"])).weights
    for ours, theirs in WEIGHT_NAMES.items():
        assert_near(weights[ours], arrays[f"L1_{l1}_w20_{theirs}"], atol=5e-6)


@with_and_without_l1
def test_outputs_are_a_clean_pass_with_the_final_weights(arrays, l1):
    fitted = trained(arrays, l1, int(arrays["n_steps"]))
    assert_near(fitted.embedding, arrays[f"L1_{l1}_z_described"], atol=2e-5)
    assert_near(fitted.reconstruction, arrays[f"L1_{l1}_recon_described"], atol=2e-5)
    assert abs(fitted.embedding - arrays[f"L1_{l1}_z_published"]).max() > 0.01


@with_and_without_l1
def test_published_outputs_are_those_one_step_earlier(arrays, l1):
    """METHOD section 2, row 17."""
    fitted = trained(arrays, l1, int(arrays["n_steps"]) - 1)
    assert_near(fitted.embedding, arrays[f"L1_{l1}_z_published"], atol=2e-5)
    assert_near(fitted.reconstruction, arrays[f"L1_{l1}_recon_published"], atol=2e-5)


@with_and_without_l1
def test_losses_in_double_precision(arrays, l1):
    losses, _, _ = trained_in_double(arrays, l1, int(arrays["n_steps"]) + 1)
    assert_near(losses[:-1], arrays[f"L1_{l1}_float64_loss_before_step"], rtol=1e-11)
    assert_near(losses[1:], arrays[f"L1_{l1}_float64_loss_after_step"], rtol=1e-11)


@pytest.mark.parametrize(("which", "steps_short"), [("described", 0), ("published", 1)])
@with_and_without_l1
def test_outputs_in_double_precision(arrays, l1, which, steps_short):
    _, z, x_hat = trained_in_double(arrays, l1, int(arrays["n_steps"]) - steps_short)
    assert_near(z, arrays[f"L1_{l1}_float64_z_{which}"], atol=1e-10)
    assert_near(x_hat, arrays[f"L1_{l1}_float64_recon_{which}"], atol=1e-10)
