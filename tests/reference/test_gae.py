"""The graph autoencoder: message passing, its loss in blocks, ten epochs of training."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.nn.functional import binary_cross_entropy_with_logits

from scgnn.components.decoders import ExactInnerProductDecoder, make_graph_target
from scgnn.components.decoders.inner_product import blockwise_reconstruction_loss, kl_divergence
from scgnn.components.encoders import GCN
from scgnn.components.encoders.message_graph import MessageGraph
from scgnn.pipelines.graph_autoencoder import fit_graph_autoencoder
from scgnn.training.fit import fit
from scgnn.training.settings import Training

from . import assert_near

ARRAYS = {
    r"adj|holdout_adj_train|z_embedding|w_gc\d|eps|lr|n_epochs": "input",
    r"zdiscret_margin|holdout_numpy_seed": "information",
    r"holdout_(train|val|test)_edges(_false)?": "information",  # numpy's draw; ours has its own
    r"features": "test_binary_features_are_those_above_the_column_mean",
    r"(holdout_)?adj_norm": "test_edges_have_the_symmetric_normalization",
    r"(holdout_)?(mu|logvar)": "test_the_two_heads_are_halves_of_one_layer",
    r"(holdout_)?(z|logits)": "test_the_variational_embedding_is_drawn_with_the_given_noise",
    r"(holdout_)?gae_logits": "test_the_plain_embedding_is_the_mean",
    r"(holdout_)?(pos_weight|norm|label)": "test_the_constants_of_the_loss",
    r"(holdout_)?vgae_(cost|kld|loss)_published": "test_the_variational_loss_in_blocks",
    r"(holdout_)?gae_loss_published": "test_the_plain_loss_in_blocks",
    r"(holdout_)?v?gae_losses_published": "test_losses_of_ten_epochs",
    r"(holdout_)?v?gae_embedding_published": "test_the_published_embedding_is_that_of_nine_updates",
    r"(holdout_)?v?gae_w_gc\d_final": "test_weights_after_ten_updates",
    r"gae_bce_(no)?selfloop_described": "test_plain_cross_entropy_with_and_without_self_loops",
    r"(pos_weight|norm|gae_loss)_selfloop_described": (
        "test_self_loops_could_count_in_the_constants_too"
    ),
}

BLOCKS = (1, 7, 60, 1024)
ISOLATED = 59
both_graphs = pytest.mark.parametrize("prefix", ["", "holdout_"], ids=["all edges", "holdout"])
both_kinds = pytest.mark.parametrize("kind", ["vgae", "gae"])
all_blocks = pytest.mark.parametrize("block", BLOCKS)


def graph_of(arrays, prefix):
    name = "holdout_adj_train" if prefix else "adj"
    return sparse.csr_matrix(arrays[name], dtype=np.float32)


def network(arrays, variational):
    """Return a GCN with the reference weights; two heads are halves of a wider last layer."""
    heads = [arrays["w_gc2"], arrays["w_gc3"]] if variational else [arrays["w_gc2"]]
    last = np.hstack(heads)
    module = GCN(hidden=(arrays["w_gc1"].shape[1], last.shape[1])).build(len(arrays["w_gc1"]))
    with torch.no_grad():
        for layer, weight in zip(module.layers, (arrays["w_gc1"], last), strict=True):
            layer.weight.copy_(torch.from_numpy(weight))
    return module


def output(arrays, prefix, variational):
    messages = MessageGraph.from_csr(graph_of(arrays, prefix))
    with torch.no_grad():
        return network(arrays, variational)(messages, torch.from_numpy(arrays["features"]))


def noise(arrays, epoch=0):
    return torch.from_numpy(arrays["eps"][epoch])


def as_dense(rows, cols, values, n=60):
    return sparse.csr_matrix((values, (rows, cols)), (n, n)).toarray()


@dataclass(frozen=True)
class RecordingGCN(GCN):
    """A GCN that records its input."""

    inputs: list = field(default_factory=list)

    def build(self, n_features):
        module = super().build(n_features)
        module.register_forward_pre_hook(lambda _, args: self.inputs.append(args[1].numpy()))
        return module


def test_binary_features_are_those_above_the_column_mean(arrays):
    encoder = RecordingGCN(hidden=(8, 4))
    once = Training(epochs=1)
    args = (arrays["z_embedding"], graph_of(arrays, ""), "binary", 0.0, 0, 1)
    fit_graph_autoencoder(encoder, ExactInnerProductDecoder(), once, *args)
    np.testing.assert_array_equal(encoder.inputs[0], arrays["features"])


@both_graphs
def test_edges_have_the_symmetric_normalization(arrays, prefix):
    ours = MessageGraph.from_csr(graph_of(arrays, prefix)).smooth(torch.eye(60)).numpy()
    assert_near(ours, arrays[f"{prefix}adj_norm"], atol=1e-6)
    assert ours[ISOLATED].tolist() == np.eye(60)[ISOLATED].tolist()


@both_graphs
def test_the_two_heads_are_halves_of_one_layer(arrays, prefix):
    mean, log_sd = ExactInnerProductDecoder().split_output(output(arrays, prefix, variational=True))
    assert_near(mean, arrays[f"{prefix}mu"], atol=1e-5)
    assert_near(log_sd, arrays[f"{prefix}logvar"], atol=1e-5)


@both_graphs
def test_isolated_cell_receives_only_its_own_message(arrays, prefix):
    expected = np.maximum(arrays["features"][ISOLATED] @ arrays["w_gc1"], 0) @ arrays["w_gc2"]
    mean = output(arrays, prefix, variational=False)[ISOLATED]
    assert_near(mean, expected, atol=1e-5)


@both_graphs
def test_the_constants_of_the_loss(arrays, prefix):
    """The label has self-loops, the two constants do not count them."""
    target = make_graph_target(graph_of(arrays, prefix))
    assert_near(target.pos_weight, arrays[f"{prefix}pos_weight"], rtol=1e-12)
    assert_near(target.norm, arrays[f"{prefix}norm"], rtol=1e-12)
    ours = as_dense(target.rows.numpy(), target.cols.numpy(), np.ones(len(target.rows)))
    np.testing.assert_array_equal(ours, arrays[f"{prefix}label"])


def dense_cost(logits, arrays, prefix):
    """Return the reconstruction term over all pairs in float64."""
    logits = torch.as_tensor(logits, dtype=torch.float64)
    label = torch.from_numpy(arrays[f"{prefix}label"]).double()
    weight = float(arrays[f"{prefix}pos_weight"])
    zeros = torch.zeros_like(logits)
    positive, negative = torch.logaddexp(zeros, -logits), torch.logaddexp(zeros, logits)
    terms = weight * label * positive + (1 - label) * negative
    return float(arrays[f"{prefix}norm"]) * terms.mean()


@both_graphs
def test_the_variational_embedding_is_drawn_with_the_given_noise(arrays, prefix):
    """z = mean + noise · exp(log sd): its loss is the decoder's, and so is that of its logits."""
    out, target = (
        output(arrays, prefix, variational=True),
        make_graph_target(graph_of(arrays, prefix)),
    )
    mean, log_sd = ExactInnerProductDecoder().split_output(out)
    z = torch.from_numpy(arrays[f"{prefix}z"])
    assert_near(mean + noise(arrays) * log_sd.exp(), z, atol=1e-5)
    drawn = ExactInnerProductDecoder().loss(out, target, noise=noise(arrays)) - kl_divergence(
        mean, log_sd, len(mean)
    )
    assert_near(float(drawn), float(blockwise_reconstruction_loss(z, target, 64)), rtol=2e-6)
    assert_near(z @ z.T, arrays[f"{prefix}logits"], rtol=1e-5)
    assert_near(float(drawn), dense_cost(arrays[f"{prefix}logits"], arrays, prefix), rtol=2e-6)


@both_graphs
def test_the_plain_embedding_is_the_mean(arrays, prefix):
    mean = output(arrays, prefix, variational=False)
    assert ExactInnerProductDecoder(variational=False).extract_embedding(mean) is mean
    both = ExactInnerProductDecoder().extract_embedding(output(arrays, prefix, variational=True))
    assert_near(both, mean, atol=1e-6)
    assert_near(mean @ mean.T, arrays[f"{prefix}gae_logits"], rtol=1e-5)
    loss = ExactInnerProductDecoder(variational=False).loss(
        mean, make_graph_target(graph_of(arrays, prefix))
    )
    assert_near(float(loss), dense_cost(arrays[f"{prefix}gae_logits"], arrays, prefix), rtol=2e-6)


@all_blocks
@both_graphs
def test_the_variational_loss_in_blocks(arrays, prefix, block):
    out, target = (
        output(arrays, prefix, variational=True),
        make_graph_target(graph_of(arrays, prefix)),
    )
    decoder = ExactInnerProductDecoder(block_size=block)
    mean, log_sd = decoder.split_output(out)
    loss, kl = (
        float(decoder.loss(out, target, noise=noise(arrays))),
        kl_divergence(mean, log_sd, len(mean)),
    )
    assert_near(loss, arrays[f"{prefix}vgae_loss_published"], rtol=2e-6)
    assert_near(float(kl), arrays[f"{prefix}vgae_kld_published"], rtol=5e-6)
    cost = blockwise_reconstruction_loss(torch.from_numpy(arrays[f"{prefix}z"]), target, block)
    assert_near(float(cost), arrays[f"{prefix}vgae_cost_published"], rtol=2e-6)


@all_blocks
@both_graphs
def test_the_plain_loss_in_blocks(arrays, prefix, block):
    mean, target = (
        output(arrays, prefix, variational=False),
        make_graph_target(graph_of(arrays, prefix)),
    )
    loss = float(ExactInnerProductDecoder(variational=False, block_size=block).loss(mean, target))
    assert_near(loss, arrays[f"{prefix}gae_loss_published"], rtol=2e-6)


@all_blocks
@both_graphs
def test_gradients_in_blocks_are_those_of_the_formula_over_all_pairs(arrays, prefix, block):
    out = output(arrays, prefix, variational=True).double()
    ours, dense = (out.clone().requires_grad_() for _ in range(2))
    target, eps = make_graph_target(graph_of(arrays, prefix)), noise(arrays).double()
    loss = ExactInnerProductDecoder(block_size=block).loss(ours, target, noise=eps)
    (3 * loss).backward()
    mean, log_sd = dense.chunk(2, dim=1)
    z = mean + eps * log_sd.exp()
    inside = 1 + 2 * log_sd - mean**2 - log_sd.exp() ** 2
    expected = dense_cost(z @ z.T, arrays, prefix) - inside.sum() / (2 * 60**2)
    (3 * expected).backward()
    assert_near(loss.detach(), expected.detach(), rtol=1e-12)
    assert_near(ours.grad, dense.grad, rtol=1e-12)


def trained(arrays, prefix, kind, updates):
    """Return losses, embedding and weights after some updates."""
    variational = kind == "vgae"
    module, decoder = (
        network(arrays, variational),
        ExactInnerProductDecoder(variational, block_size=16),
    )
    graph, x = graph_of(arrays, prefix), torch.from_numpy(arrays["features"])
    messages, target = MessageGraph.from_csr(graph), make_graph_target(graph)
    drawn = iter(arrays["eps"])

    def loss(cells):
        eps = torch.from_numpy(next(drawn))
        return decoder.loss(module(messages, x), target, noise=eps)

    budget = Training(epochs=updates, learning_rate=float(arrays["lr"]))
    losses = fit(module, loss, len(x), budget, 0)
    with torch.no_grad():
        embedding = decoder.extract_embedding(module(messages, x))
    return losses, embedding, [layer.weight.detach() for layer in module.layers]


@both_kinds
@both_graphs
def test_losses_of_ten_epochs(arrays, prefix, kind):
    losses, _, _ = trained(arrays, prefix, kind, int(arrays["n_epochs"]))
    assert_near(losses, arrays[f"{prefix}{kind}_losses_published"], rtol=1e-5)


@both_kinds
@both_graphs
def test_the_published_embedding_is_that_of_nine_updates(arrays, prefix, kind):
    _, embedding, _ = trained(arrays, prefix, kind, int(arrays["n_epochs"]) - 1)
    assert_near(embedding, arrays[f"{prefix}{kind}_embedding_published"], atol=1e-5)


@both_kinds
@both_graphs
def test_weights_after_ten_updates(arrays, prefix, kind):
    _, _, (first, last) = trained(arrays, prefix, kind, int(arrays["n_epochs"]))
    assert_near(first, arrays[f"{prefix}{kind}_w_gc1_final"], atol=1e-5)
    heads = last.chunk(2, dim=1) if kind == "vgae" else (last,)
    for number, head in enumerate(heads, start=2):
        assert_near(head, arrays[f"{prefix}{kind}_w_gc{number}_final"], atol=1e-5)


def mean_in_double(arrays):
    """Return the nonvariational embedding in float64."""
    looped = arrays["adj"] + np.eye(60)
    scale = 1 / np.sqrt(looped.sum(1))
    norm = scale[:, None] * looped * scale
    inner = np.maximum(norm @ arrays["features"].astype(float) @ arrays["w_gc1"], 0)
    return torch.from_numpy(norm @ inner @ arrays["w_gc2"])


@pytest.mark.parametrize("loops", [False, True], ids=["noselfloop", "selfloop"])
def test_plain_cross_entropy_with_and_without_self_loops(arrays, loops):
    """With constants of 1 the loss is the mean cross-entropy of the target's entries."""
    label = torch.from_numpy(arrays["adj"] + loops * np.eye(60))
    rows, cols = label.nonzero().T
    target = make_graph_target(graph_of(arrays, ""))._replace(
        rows=rows, cols=cols, pos_weight=1.0, norm=1.0
    )
    mean = mean_in_double(arrays)
    expected = arrays[f"gae_bce_{'' if loops else 'no'}selfloop_described"]
    assert_near(float(blockwise_reconstruction_loss(mean, target, 16)), expected, rtol=1e-12)
    assert_near(float(binary_cross_entropy_with_logits(mean @ mean.T, label)), expected, rtol=1e-12)
    single = blockwise_reconstruction_loss(output(arrays, "", variational=False), target, 16)
    assert_near(float(single), expected, rtol=1e-6)


def test_self_loops_could_count_in_the_constants_too(arrays):
    """With a graph that has self-loops; METHOD section 1.5 excludes them."""
    target = make_graph_target(graph_of(arrays, "") + sparse.identity(60, format="csr"))
    assert_near(target.pos_weight, arrays["pos_weight_selfloop_described"], rtol=1e-12)
    assert_near(target.norm, arrays["norm_selfloop_described"], rtol=1e-12)
    loss = float(blockwise_reconstruction_loss(mean_in_double(arrays), target, 16))
    assert_near(loss, arrays["gae_loss_selfloop_described"], rtol=1e-12)
    assert abs(loss - float(arrays["gae_loss_published"])) > 0.01
