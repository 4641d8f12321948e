"""Trainings on a GPU against the CPU, where there is a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from scgnn.components.encoders import Encoder, MessagePassing
from scgnn.components.graph_builders import KNN
from scgnn.execution.hardware import Hardware, use_hardware
from scgnn.recipe.load import load_recipe
from scgnn.runs.run import execute

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")
GRAPH_ENCODERS = [n for n in Encoder.names() if issubclass(Encoder.get(n), MessagePassing)]
CPU, GPU = Hardware("cpu", "torch"), Hardware("cuda", "torch")
SMALL = {
    "data.reader.n_cells": 300,
    "data.reader.n_genes": 200,
    "pipeline.max_iterations": 1,
    "pipeline.feature_training.epochs": 30,
    "pipeline.iteration_training.epochs": 10,
    "pipeline.cluster_training.epochs": 10,
    "pipeline.graph_training.epochs": 20,
    "pipeline.imputation_training.epochs": 10,
}


def embed(name, used, x, graph):
    torch.manual_seed(1)
    encoder = Encoder.get(name)()
    module = encoder.build(x.shape[1]).to(used.device)
    with use_hardware(used):
        messages = encoder.prepare_graph(graph).to(used.device)
        inputs = torch.from_numpy(x).to(used.device).requires_grad_()
        out = module(messages, inputs)
        out.square().sum().backward()
    gradients = [weight.grad for weight in module.parameters()]
    return [t.detach().cpu() for t in (out, inputs.grad, *gradients)]


@pytest.mark.parametrize("name", GRAPH_ENCODERS)
def test_outputs_and_gradients_agree(name):
    x = np.random.default_rng(0).normal(size=(500, 16)).astype(np.float32)
    graph = KNN(n_neighbors=8)(x, 0)
    first, second = embed(name, CPU, x, graph), embed(name, GPU, x, graph)
    for a, b in zip(first, second, strict=True):
        assert float((a - b).abs().max()) <= 1e-5 * float(a.abs().max()) + 1e-6
    again = embed(name, GPU, x, graph)
    assert all(torch.equal(a, b) for a, b in zip(second, again, strict=True))


def test_neighbors_are_the_same():
    x = np.random.default_rng(0).normal(size=(3000, 32)).astype(np.float32)
    graphs = []
    for used in (CPU, GPU):
        with use_hardware(used):
            graphs.append(KNN()(x, 0))
    assert (graphs[0] != graphs[1]).nnz == 0


@pytest.mark.parametrize("recipe", ["scgnn", "scgnn_quick", "scgnn_fast"])
def test_runs_repeat_and_find_the_clusters_of_the_cpu(recipe, monkeypatch):
    changes = {key: v for key, v in SMALL.items() if has_setting(recipe, key)}
    monkeypatch.setattr(torch, "use_deterministic_algorithms", force_determinism)
    states = []
    for used in (CPU, GPU, GPU):
        with use_hardware(used):
            states.append(execute(load_recipe(recipe, changes)).state)
    np.testing.assert_array_equal(states[1].graph_embedding, states[2].graph_embedding)
    np.testing.assert_array_equal(states[1].clusters, states[2].clusters)
    assert adjusted_rand_score(states[0].clusters, states[1].clusters) > 0.8


set_determinism = torch.use_deterministic_algorithms


def force_determinism(mode, **_):
    """Let operations without a deterministic implementation fail instead of warn."""
    set_determinism(mode)


def has_setting(recipe, key):
    pipeline = load_recipe(recipe).pipeline
    return not key.startswith("pipeline") or hasattr(pipeline, key.split(".")[1])
