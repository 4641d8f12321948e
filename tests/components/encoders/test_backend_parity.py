"""Message passing of the two backends: against each other, dgl.nn and dense products."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy import sparse

from scgnn.components.decoders import ExactInnerProductDecoder
from scgnn.components.encoders import (
    GCN,
    SAGE,
    Encoder,
    MessagePassing,
    edge_functions,
    message_graph,
)
from scgnn.components.encoders.message_graph import MessageGraph
from scgnn.components.encoders.neighbor_sampling import sample_neighborhood
from scgnn.errors import UserError
from scgnn.execution.hardware import Hardware, has_dgl, use_hardware
from scgnn.pipelines.graph_autoencoder import fit_graph_autoencoder
from scgnn.training.settings import Training

needs_dgl = pytest.mark.skipif(not has_dgl(), reason="dgl has no build for this platform")
BACKENDS = ["torch", pytest.param("dgl", marks=needs_dgl)]
ENCODERS = {
    name: Encoder.get(name)()
    for name in Encoder.names()
    if issubclass(Encoder.get(name), MessagePassing)
} | {"sage pool": SAGE(aggregator="pool")}
DGL_LAYERS = {
    "gcn": ("GraphConv", {"norm": "none", "bias": False}),
    "sage": ("SAGEConv", {"aggregator_type": "mean"}),
    "sage pool": ("SAGEConv", {"aggregator_type": "pool"}),
    "tag": ("TAGConv", {"k": 2}),
    "sgc": ("SGConv", {"k": 2}),
    "gat": ("GATConv", {"num_heads": 2}),
    "gatv2": ("GATv2Conv", {"num_heads": 2}),
    "transformer": ("DotGatConv", {"num_heads": 2}),
}
N, WIDTH = 40, 6


def make_graph(kind, n=N, seed=0):
    """A symmetric graph; the last cell is isolated."""
    rng = np.random.default_rng(seed)
    edges = np.triu(rng.random((n, n)) < 0.15, 1)
    edges[:, -1] = False
    if kind == "no edges":
        edges[:] = False
    weights = edges * (rng.random((n, n)) + 0.1 if kind == "weighted" else 1.0)
    return sparse.csr_matrix((weights + weights.T).astype(np.float32))


def draw(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def compute_gradients(function, *inputs, seed=9):
    """Return the output and the gradients of its product with random numbers."""
    out = function(*inputs)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(seed))
    return [out.detach(), *torch.autograd.grad((out * weights).sum(), inputs)]


def assert_close(first, second):
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def embed(name, backend, graph, x):
    """Return the embedding, the gradient of the input, and those of all weights."""
    encoder = ENCODERS[name]
    torch.manual_seed(3)
    module = encoder.build(x.shape[1])
    with use_hardware(Hardware("cpu", backend)):
        messages = encoder.prepare_graph(graph)
    x = x.clone().detach().requires_grad_()
    out = module(messages, x)
    (out * torch.arange(out.numel()).view_as(out).cos()).sum().backward()
    return [out.detach(), x.grad, *(weight.grad for weight in module.parameters())]


@needs_dgl
@pytest.mark.parametrize("kind", ["binary", "weighted", "no edges"])
@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_are_equal_on_both_backends(name, kind):
    graph, x = make_graph(kind), draw(N, WIDTH)
    assert_close(embed(name, "dgl", graph, x), embed(name, "torch", graph, x))


@needs_dgl
@pytest.mark.parametrize("name", ENCODERS)
def test_batches_of_sampled_neighbors_are_equal_on_both_backends(name):
    encoder, results = ENCODERS[name], []
    for backend in ("dgl", "torch"):
        with use_hardware(Hardware("cpu", backend)):
            full = encoder.prepare_graph(make_graph("weighted"))
        torch.manual_seed(3)
        nodes, sample = sample_neighborhood(full, torch.tensor([7, 2, 31]), 3, 2)
        module = encoder.build(WIDTH)
        results.append(
            compute_gradients(lambda x, m=module, s=sample: m(s, x), draw(len(nodes), WIDTH))
        )
    assert_close(*results)


@needs_dgl
@pytest.mark.parametrize("kind", ["binary", "weighted"])
@pytest.mark.parametrize("name", DGL_LAYERS)
def test_layers_start_and_compute_as_those_of_dgl(name, kind):
    class_name, options = DGL_LAYERS[name]
    heads = options.get("num_heads", 1)
    encoder, graph = ENCODERS[name], make_graph(kind)
    torch.manual_seed(3)
    ours = encoder.build_layer(WIDTH, 4 * heads, last=False)
    torch.manual_seed(3)
    layer_class = getattr(importlib.import_module("dgl.nn.pytorch"), class_name)
    theirs = layer_class(WIDTH, 4, **options)
    ours_by_name, theirs_by_name = dict(ours.named_parameters()), dict(theirs.named_parameters())
    assert ours_by_name.keys() == theirs_by_name.keys()
    for key, weight in ours_by_name.items():
        assert torch.equal(weight, theirs_by_name[key]), key
    dgl_graph = MessageGraph.from_csr(graph, encoder.add_self_loops).to_dgl()
    weights = {} if heads > 1 or kind == "binary" else {"edge_weight": dgl_graph.edata["weight"]}

    def call_theirs(x):
        scale = dgl_graph.ndata["scale"][:, None] if name == "gcn" else 1.0
        return (scale * theirs(dgl_graph, scale * x, **weights)).flatten(1)

    messages = MessageGraph.from_csr(graph, encoder.add_self_loops)
    x = draw(N, WIDTH)
    assert_close(
        compute_gradients(lambda x: ours(messages, x), x), compute_gradients(call_theirs, x)
    )


@pytest.fixture(params=BACKENDS)
def messages(request):
    return MessageGraph.from_csr(make_graph("weighted"), backend=request.param)


@pytest.fixture
def dense(messages):
    """The adjacency matrix, row by cell that receives."""
    matrix = torch.zeros(N, N)
    matrix[messages.targets, messages.sources] = messages.weights
    return matrix


def test_sums_over_neighbors_are_products(messages, dense):
    x, weights = draw(N, WIDTH), draw(len(messages.sources), seed=2)
    mine = compute_gradients(messages.sum_neighbors, x, weights)

    def multiply(x, weights):
        matrix = torch.zeros(N, N).index_put((messages.targets, messages.sources), weights)
        return matrix @ x

    assert_close(mine, compute_gradients(multiply, x, weights))
    unweighted = compute_gradients(messages.sum_neighbors, x)
    assert_close(unweighted, compute_gradients(lambda x: (dense > 0).float() @ x, x))


def test_sums_by_head_are_those_of_each_head(messages):
    x, weights = draw(N, 3, WIDTH), draw(len(messages.sources), 3, seed=2)
    heads = [messages.sum_neighbors(x[:, k], weights[:, k]) for k in range(3)]
    torch.testing.assert_close(messages.sum_neighbors(x, weights), torch.stack(heads, 1))


def test_softmax_over_edges_is_that_of_rows(messages, dense):
    scores = (10 * draw(len(messages.sources), 2)).detach().requires_grad_()

    def compute_rows(scores):
        columns = []
        for k in range(2):
            full = torch.full((N, N), -torch.inf)
            full = full.index_put((messages.targets, messages.sources), scores[:, k])
            columns.append(full.softmax(1)[messages.targets, messages.sources])
        return torch.stack(columns, 1)

    assert_close(
        compute_gradients(messages.softmax_edges, scores), compute_gradients(compute_rows, scores)
    )


def test_softmax_of_extreme_scores_is_finite(messages):
    scores = torch.full((len(messages.sources), 1), 1e30)
    torch.testing.assert_close(messages.sum_edges(messages.softmax_edges(scores)), torch.ones(N, 1))


def test_ends_of_edges_are_gathered(messages):
    for shape in ((N, 2), (N, 2, WIDTH)):
        ends = draw(*shape), draw(*shape, seed=2)
        expected = compute_gradients(lambda a, b: a[messages.sources] + b[messages.targets], *ends)
        assert_close(compute_gradients(messages.add_ends, *ends), expected)
    expected = compute_gradients(
        lambda a, b: (a[messages.sources] * b[messages.targets]).sum(-1), *ends
    )
    assert_close(compute_gradients(messages.multiply_ends, *ends), expected)


def test_products_of_many_edges_are_computed_in_blocks(messages, monkeypatch):
    ends = draw(N, 2, WIDTH), draw(N, 2, WIDTH, seed=2)
    expected = messages.multiply_ends(*ends)
    monkeypatch.setattr(edge_functions, "EDGES_PER_BLOCK", 17)
    assert_close(edge_functions.multiply_blocks(messages, *ends), expected)


@pytest.mark.parametrize("kind", ["hub", "isolated", "directed", "no edges"])
@pytest.mark.parametrize("n_edges", [1, 7, 10_000])
def test_sums_of_ends_are_scored_in_blocks_of_cells(kind, n_edges, monkeypatch):
    monkeypatch.setattr(message_graph, "EDGES_PER_CACHE", n_edges)
    graph = make_graph("no edges" if kind == "no edges" else "binary").tolil()
    if kind == "hub":
        graph[3, :] = graph[:, 3] = 1.0
    elif kind == "directed":
        graph = sparse.triu(graph)
    messages = MessageGraph.from_csr(sparse.csr_matrix(graph), False, "torch")
    cells, edges = zip(*messages.blocks, strict=True)
    assert [c.start for c in cells[1:]] == [c.stop for c in cells[:-1]]
    assert all(messages.indptr[c.stop] == e.stop for c, e in messages.blocks)
    assert (cells[0].start, cells[-1].stop, edges[-1].stop) == (0, N, len(messages.sources))

    def score(source, target, weight):
        sums = source[messages.sources] + target[messages.targets]
        return torch.nn.functional.leaky_relu(sums, 0.2) @ weight

    inputs = draw(N, WIDTH), draw(N, WIDTH, seed=2), draw(WIDTH, 2, seed=3)
    expected = compute_gradients(score, *inputs)
    assert_close(compute_gradients(messages.score_ends, *inputs), expected)


def test_the_maximum_has_the_gradient_of_the_row_maximum(messages):
    x = draw(N, WIDTH)

    def compute_rows(x):
        rows = []
        for i in range(N):
            edges = slice(int(messages.indptr[i]), int(messages.indptr[i + 1]))
            values = messages.weights[edges, None] * x[messages.sources[edges]]
            rows.append(values.max(0).values)
        return torch.stack(rows)

    assert_close(compute_gradients(messages.max_neighbors, x), compute_gradients(compute_rows, x))


@pytest.mark.parametrize("weights", [None, torch.ones(0)])
def test_the_maximum_without_edges_is_zero(weights):
    indptr, sources = torch.zeros(N + 1, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
    graph = MessageGraph(indptr, sources, weights, torch.ones(N), "torch")
    out, gradient = compute_gradients(graph.max_neighbors, draw(N, WIDTH))
    assert not out.any() and not gradient.any()


def test_directed_graphs_have_their_own_gradients():
    graph = sparse.csr_matrix(np.triu(make_graph("weighted").toarray()))
    messages, x = MessageGraph.from_csr(graph, backend="torch"), draw(N, WIDTH)
    looped = torch.from_numpy((graph + sparse.identity(N)).toarray()).float()
    mine = compute_gradients(lambda x: messages.sum_neighbors(x, messages.weights), x)
    assert_close(mine, compute_gradients(lambda x: looped @ x, x))


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_bfloat16_passes_messages_of_float32(name, backend):
    x = draw(N, WIDTH)
    for kind in ("binary", "weighted"):
        full = embed(name, backend, make_graph(kind), x)
        with torch.autocast("cpu", torch.bfloat16):
            reduced = embed(name, backend, make_graph(kind), x)
        assert all(torch.isfinite(values).all() for values in reduced)
        torch.testing.assert_close(reduced[0].float(), full[0], rtol=0.1, atol=0.1)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ENCODERS)
def test_repetitions_on_two_threads_have_the_same_bits(name, backend):
    graph, x = make_graph("weighted", n=400, seed=4), draw(400, WIDTH)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, *others = (embed(name, backend, graph, x) for _ in range(4))
    finally:
        torch.set_num_threads(threads)
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@dataclass(frozen=True)
class LayersOfDGL(GCN):
    """An encoder that does not declare that its layers take a DGLGraph."""

    def build_layer(self, n_in, n_out, last):
        return importlib.import_module("dgl.nn.pytorch").SAGEConv(n_in, n_out, "mean")


@dataclass(frozen=True)
class DeclaredLayersOfDGL(LayersOfDGL):
    uses_dgl: ClassVar[bool] = True


@needs_dgl
def test_a_layer_of_dgl_takes_its_graph():
    encoder, graph = DeclaredLayersOfDGL(hidden=(4,)), make_graph("weighted")
    messages, x = encoder.prepare_graph(graph), draw(N, WIDTH)
    assert encoder.build(WIDTH)(messages, x).shape == (N, 4)
    matrix = torch.zeros(N, N)
    matrix[messages.edges()[1], messages.edges()[0]] = messages.edata["norm"]
    torch.testing.assert_close(matrix @ x, MessageGraph.from_csr(graph).smooth(x))


@needs_dgl
def test_a_layer_of_dgl_trains_in_batches_on_the_cpu():
    x, graph = draw(N, WIDTH).detach().numpy(), make_graph("weighted")
    encoder, decoder = DeclaredLayersOfDGL(hidden=(4, 4)), ExactInnerProductDecoder(False)
    training = Training(epochs=2, batch_size=20)
    fit = fit_graph_autoencoder(encoder, decoder, training, x, graph, "raw", 0.0, 3, 1)
    assert np.isfinite(fit.embedding).all()
    with (
        use_hardware(Hardware("cuda", "torch")),
        pytest.raises(UserError, match=r"of DGL, which runs on the CPU only; use device cpu"),
    ):
        encoder.prepare_graph(graph)


@needs_dgl
def test_a_layer_of_dgl_must_be_declared():
    with pytest.raises(TypeError, match=r"SAGEConv .* set uses_dgl = True in LayersOfDGL"):
        LayersOfDGL().build(WIDTH)


def test_a_layer_that_expects_a_graph_of_dgl_is_told():
    messages = MessageGraph.from_csr(make_graph("binary"), backend="torch")
    with pytest.raises(AttributeError, match=r"no attribute 'update_all'.* set uses_dgl = True"):
        messages.update_all()


@pytest.mark.parametrize("add_self_loops", [True, False])
def test_indices_out_of_order_are_sorted_in_a_copy(add_self_loops):
    ordered = sparse.csr_matrix([[0, 1.0, 2.0], [1.0, 0, 3.0], [2.0, 3.0, 0]])
    values, indices = (a.reshape(3, 2)[:, ::-1].ravel() for a in (ordered.data, ordered.indices))
    graph = sparse.csr_matrix((values, indices, ordered.indptr))
    before = graph.indices.copy()
    messages = MessageGraph.from_csr(graph, add_self_loops, "torch")
    expected = MessageGraph.from_csr(ordered, add_self_loops, "torch")
    assert torch.equal(messages.sources, expected.sources)
    assert torch.equal(messages.weights, expected.weights)
    np.testing.assert_array_equal(graph.indices, before)


@needs_dgl
@pytest.mark.parametrize("operation", ["sum_neighbors", "max_neighbors", "multiply_ends"])
def test_a_dgl_that_cannot_be_imported_is_named(monkeypatch, operation):
    for name in ("dgl", "dgl.ops"):
        monkeypatch.setitem(sys.modules, name, None)
    graph = MessageGraph.from_csr(make_graph("unweighted"), backend="dgl")
    x = torch.ones(N, 2, WIDTH) if operation == "multiply_ends" else torch.ones(N, WIDTH)
    with pytest.raises(UserError, match=r"^dgl cannot be imported .*; use backend torch"):
        getattr(graph, operation)(*[x] * (2 if operation == "multiply_ends" else 1))
