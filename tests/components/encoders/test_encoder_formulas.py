"""Outputs and gradients of each graph encoder against the dense formula of its paper."""

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.nn.functional import leaky_relu

from scgnn.components.encoders import Encoder

N_CELLS, N_FEATURES = 9, 5
LOOPS = torch.eye(N_CELLS)


def weighted_graph():
    """A symmetric weighted graph in which cell 8 is isolated."""
    random = np.random.default_rng(0)
    upper = np.triu(
        random.random((N_CELLS, N_CELLS)) * (random.random((N_CELLS, N_CELLS)) < 0.4), 1
    )
    upper[:, 8] = 0
    return sparse.csr_matrix((upper + upper.T).astype(np.float32))


def normalized(a):
    scale = a.sum(1).clamp(min=1e-30).rsqrt()
    return scale[:, None] * a * scale


def smoother(a):
    """D^-1/2 (A + I) D^-1/2."""
    return normalized(a + LOOPS)


def get_weights(layer, *names):
    """Weights by the suffixes of their names."""
    weights = dict(layer.named_parameters())
    return [next(w for key, w in weights.items() if key.endswith(name)) for name in names]


def gcn(layer, a, x):
    (weight,) = get_weights(layer, "weight")
    return smoother(a) @ x @ weight


def softmax_over_neighbors(score, a):
    """Softmax of score[i, j] over the neighbors j of cell i and the cell itself."""
    return torch.where(a + LOOPS > 0, score, -torch.inf).softmax(1)


def by_head(x, weight, width, bias=None):
    return (x @ weight.T + (0 if bias is None else bias)).reshape(len(x), -1, width)


def gat(layer, a, x):
    weight, left, right, bias = get_weights(layer, "fc.weight", "attn_l", "attn_r", "bias")
    h = by_head(x, weight, left.shape[-1])
    score = leaky_relu((h * left).sum(-1)[None] + (h * right).sum(-1)[:, None], 0.2)
    return attend_by_head(score, a, h, bias)


def gatv2(layer, a, x):
    source, s_bias, target, t_bias, attend = get_weights(
        layer, "fc_src.weight", "fc_src.bias", "fc_dst.weight", "fc_dst.bias", "attn"
    )
    from_, to = (
        by_head(x, w, attend.shape[-1], b) for w, b in ((source, s_bias), (target, t_bias))
    )
    score = (leaky_relu(from_[None] + to[:, None], 0.2) * attend).sum(-1)
    return attend_by_head(score, a, from_)


def transformer(layer, a, x):
    (weight,) = get_weights(layer, "fc.weight")
    h = by_head(x, weight, layer.width)
    return attend_by_head(torch.einsum("ihd,jhd->ijh", h, h) / h.shape[-1] ** 0.5, a, h)


def attend_by_head(score, a, h, bias=None):
    heads = [softmax_over_neighbors(score[..., k], a) @ h[:, k] for k in range(h.shape[1])]
    out = torch.stack(heads, 1)
    return out if bias is None else out + bias.reshape(1, *out.shape[1:])


def sage(layer, a, x):
    self_weight, neighbors, bias = get_weights(layer, "fc_self.weight", "fc_neigh.weight", "bias")
    mean = a @ x / (a > 0).sum(1, keepdim=True).clamp(min=1)
    return x @ self_weight.T + mean @ neighbors.T + bias


def gin(layer, a, x):
    eps, weight, bias = get_weights(layer, "eps", "weight", "bias")
    return ((1 + eps) * x + a @ x) @ weight.T + bias


def tag(layer, a, x):
    weight, bias = get_weights(layer, "weight", "bias")
    steps = [x, smoother(a) @ x, smoother(a) @ smoother(a) @ x]
    return torch.cat(steps, 1) @ weight.T + bias


def sgc(layer, a, x):
    weight, bias = get_weights(layer, "weight", "bias")
    return smoother(a) @ smoother(a) @ x @ weight.T + bias


def chebnet(layer, a, x):
    weight, bias = get_weights(layer, "weight", "bias")
    laplacian = -normalized((a > 0).float())  # scaled by the eigenvalue 2: L − I
    terms = [x, laplacian @ x, 2 * laplacian @ laplacian @ x - x]
    return torch.cat(terms, 1) @ weight.T + bias


def appnp(layer, a, x):
    weight, bias = get_weights(layer, "weight", "bias")
    start = z = x @ weight.T + bias
    for _ in range(10):
        z = 0.9 * smoother(a) @ z + 0.1 * start
    return z


ONE_LAYER = {
    f.__name__: f for f in (gcn, gat, gatv2, transformer, sage, gin, tag, sgc, chebnet, appnp)
}


@pytest.mark.parametrize("name", ONE_LAYER)
def test_a_layer_is_the_formula_of_its_paper(name):
    encoder = Encoder.get(name)(hidden=(4,))
    torch.manual_seed(1)
    module = encoder.build(N_FEATURES)
    graph, x = weighted_graph(), torch.randn(N_CELLS, N_FEATURES)
    dense = ONE_LAYER[name](module.layers[0], torch.from_numpy(graph.toarray()), x)
    expected = dense.mean(1) if dense.dim() == 3 else dense  # the last layer averages its heads
    assert_same(module, module(encoder.prepare_graph(graph), x), expected)


@pytest.mark.parametrize("name", ["gat", "gatv2", "transformer"])
def test_inner_layers_concatenate_their_heads(name):
    encoder = Encoder.get(name)(hidden=(6, 4))
    torch.manual_seed(1)
    layer = encoder.build(N_FEATURES).layers[0]
    graph, x = weighted_graph(), torch.randn(N_CELLS, N_FEATURES)
    expected = ONE_LAYER[name](layer, torch.from_numpy(graph.toarray()), x).flatten(1)
    assert_same(layer, layer(encoder.prepare_graph(graph), x), expected)


def test_gcn2_is_the_formula_of_its_paper():
    encoder = Encoder.get("gcn2")(hidden=(6, 6, 4), alpha=0.2, lambda_=0.7)
    torch.manual_seed(1)
    module = encoder.build(N_FEATURES)
    graph, x = weighted_graph(), torch.randn(N_CELLS, N_FEATURES)
    smooth = smoother(torch.from_numpy(graph.toarray()))
    first = h = torch.relu(module.input_layer(x))
    for number, layer in enumerate(module.layers, 1):
        weight, bias = get_weights(layer, "weight1", "bias")
        support, beta = 0.8 * smooth @ h + 0.2 * first, np.log(0.7 / number + 1)
        h = torch.relu((1 - beta) * support + beta * support @ weight + bias)
    assert_same(module, module(encoder.prepare_graph(graph), x), module.output_layer(h))


@pytest.mark.parametrize("name", ONE_LAYER)
def test_layers_are_stacked_with_normalization_activation_and_skips(name):
    encoder = Encoder.get(name)(
        hidden=(6, 4), activation="elu", normalization="layer", residual=True
    )
    torch.manual_seed(1)
    module = encoder.build(N_FEATURES)
    graph, x = encoder.prepare_graph(weighted_graph()), torch.randn(N_CELLS, N_FEATURES)
    h = module.layers[0](graph, x) + x @ module.skips[0].weight.T
    h = torch.nn.functional.elu(torch.nn.functional.layer_norm(h, (6,)))
    expected = module.layers[1](graph, h) + h @ module.skips[1].weight.T
    assert torch.allclose(module(graph, x), expected, atol=1e-5)


def assert_same(module, out, expected):
    assert torch.allclose(out, expected, atol=1e-5)
    weights = [w for w in module.parameters() if w.requires_grad]
    direction = torch.randn_like(out)
    ours = torch.autograd.grad((out * direction).sum(), weights, allow_unused=True)
    theirs = torch.autograd.grad((expected * direction).sum(), weights, allow_unused=True)
    assert any(gradient is not None for gradient in theirs)
    for actual, expected_gradient in zip(ours, theirs, strict=True):
        assert (actual is None) == (expected_gradient is None)
        assert actual is None or torch.allclose(actual, expected_gradient, atol=1e-5, rtol=1e-4)
