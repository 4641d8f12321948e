"""Mini-batch training of the graph autoencoder is unbiased and finds the same groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

import scgnn
from budgets import WITHOUT_LTMG
from scgnn.components.clusterers import KMeans
from scgnn.components.decoders import (
    ExactInnerProductDecoder,
    GraphDecoder,
    SampledInnerProductDecoder,
    make_graph_target,
)
from scgnn.components.decoders.inner_product import kl_divergence
from scgnn.components.encoders import GCN, Encoder, MLPEncoder
from scgnn.components.graph_builders import KNN
from scgnn.errors import InputError
from scgnn.pipelines import SinglePass
from scgnn.pipelines.graph_autoencoder import BatchTargetSampler, fit_graph_autoencoder
from scgnn.training.settings import Training

GRAPH_ENCODERS = [n for n in Encoder.names() if "graph" in Encoder.get(n).requires]


def groups(n=300, seed=0):
    """Return cells of three groups, their groups, and their graph."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, n)
    x = (3 * np.eye(3, 8)[group] + 0.5 * rng.normal(size=(n, 8))).astype(np.float32)
    return x, group, KNN(n_neighbors=6)(x, 0)


def trained(encoder, decoder, fanout, batch_size=64, epochs=20, seed=1, n=300):
    x, group, graph = groups(n)
    training = Training(epochs=epochs, learning_rate=1e-2, batch_size=batch_size)
    result = fit_graph_autoencoder(encoder, decoder, training, x, graph, "raw", 0.0, fanout, seed)
    return result, group


def embedding(n, width=4, seed=3):
    torch.manual_seed(seed)
    return torch.randn(n, width)


@pytest.mark.parametrize(
    "decoder", [ExactInnerProductDecoder(), SampledInnerProductDecoder(max_edges=20, n_negative=2)]
)
def test_batch_losses_are_unbiased(decoder):
    _, _, graph = groups(60)
    target, z = make_graph_target(graph), embedding(60)
    exact = float(ExactInnerProductDecoder().reconstruction_loss(z, target))
    sample_target = BatchTargetSampler(graph, target)
    losses = []
    for _ in range(1500):
        nodes, batch = sample_target(torch.randperm(60)[:12])
        losses.append(float(decoder.reconstruction_loss(z[nodes], batch)))
    error = np.std(losses) / np.sqrt(len(losses))
    assert abs(np.mean(losses) - exact) < 4 * error < 0.1 * exact


def test_sampled_entries_and_pairs_are_unbiased():
    _, _, graph = groups(60)
    target, z = make_graph_target(graph), embedding(60)
    exact = float(ExactInnerProductDecoder().reconstruction_loss(z, target))
    torch.manual_seed(0)
    drawn = SampledInnerProductDecoder(max_edges=100, n_negative=3)
    losses = [float(drawn.reconstruction_loss(z, target)) for _ in range(1500)]
    error = np.std(losses) / np.sqrt(len(losses))
    assert abs(np.mean(losses) - exact) < 4 * error < 0.1 * exact


def test_batch_has_its_cells_and_one_entry_of_each():
    _, _, graph = groups(60)
    target = make_graph_target(graph)
    cells = torch.tensor([5, 17, 40])
    nodes, batch = BatchTargetSampler(graph, target)(cells)
    looped = graph + sparse.identity(60)
    assert nodes[:3].tolist() == cells.tolist() and len(set(nodes.tolist())) == len(nodes)
    for cell, end in zip(cells, nodes[batch.cols], strict=True):
        assert looped[int(cell), int(end)] > 0
    degree = np.diff(looped.tocsr().indptr)[cells.numpy()]
    np.testing.assert_allclose(batch.weights.numpy(), degree * 60 / 3)


def test_batch_of_all_cells_has_their_kl():
    _, _, graph = groups(60)
    target, output = make_graph_target(graph), embedding(60, width=8)
    nodes, batch = BatchTargetSampler(graph, target)(torch.arange(60))
    noise = embedding(60, seed=9)
    decoder = ExactInnerProductDecoder()
    kl = decoder.loss(output[nodes], batch, noise=noise) - decoder.reconstruction_loss(
        noise * output[nodes][:, 4:].exp() + output[nodes][:, :4], batch
    )
    assert float(kl) == pytest.approx(
        float(kl_divergence(output[:, :4], output[:, 4:], 60)), rel=1e-3
    )


def test_batches_find_the_groups_of_full_training():
    labels = []
    for fanout in (None, 5):
        result, group = trained(GCN(), ExactInnerProductDecoder(), fanout)
        labels.append(KMeans(n_clusters=3).fit_predict(result.embedding, None, 0))
        assert adjusted_rand_score(group, labels[-1]) > 0.95
        assert result.losses[-1] < 0.9 * result.losses[0]
    assert adjusted_rand_score(*labels) > 0.95


def test_single_batch_trains_on_the_full_graph():
    full, _ = trained(GCN(), ExactInnerProductDecoder(), None, batch_size=300)
    batched, _ = trained(GCN(), ExactInnerProductDecoder(), 5, batch_size=300)
    np.testing.assert_array_equal(full.embedding, batched.embedding)


def test_seed_determines_the_sampled_neighbors():
    first, second, other = (
        trained(GCN(), SampledInnerProductDecoder(), 3, epochs=3, seed=s)[0].embedding
        for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", GRAPH_ENCODERS)
def test_every_graph_encoder_trains_in_batches(name):
    result, _ = trained(Encoder.get(name)(), ExactInnerProductDecoder(), 3, epochs=2, n=100)
    assert np.isfinite(result.embedding).all() and len(result.embedding) == 100
    assert len(result.losses) == 2


def test_encoder_without_graph_trains_in_batches():
    result, _ = trained(MLPEncoder(hidden=(16, 8)), ExactInnerProductDecoder(), 3, epochs=2)
    assert np.isfinite(result.embedding).all()


@dataclass(frozen=True)
class ScipyGCN(GCN):
    """A GCN that takes the graph as a scipy matrix."""

    def prepare_graph(self, graph):
        return graph


def test_encoder_with_another_graph_format_is_rejected():
    with pytest.raises(InputError, match="takes the graph as csr_matrix"):
        trained(ScipyGCN(), ExactInnerProductDecoder(), 3)


@dataclass(frozen=True)
class ThirdParty(GraphDecoder):
    """A decoder of a plug-in."""

    name: ClassVar[str] = "third_party"


def test_decoder_without_mini_batches_is_rejected():
    with pytest.raises(ValueError, match=r"graph_fanout: .* does not support mini-batches"):
        SinglePass(graph_encoder=GCN(), graph_decoder=ThirdParty(), graph_fanout=3)


def test_recipe_trains_its_graph_in_batches():
    changes = {
        **WITHOUT_LTMG,
        "data.reader.n_cells": 200,
        "data.reader.n_genes": 60,
        "pipeline.max_iterations": 0,
        "pipeline.feature_training.epochs": 5,
        "pipeline.imputation": None,
        "pipeline.graph_training": {"epochs": 3, "batch_size": 50},
        "pipeline.graph_fanout": 4,
    }
    batched = scgnn.run("scgnn_quick", **changes)
    assert len(set(batched.obs["scgnn"])) > 1
    changes["pipeline.graph_fanout"] = None
    full = scgnn.run("scgnn_quick", **changes)
    assert not np.array_equal(batched.obsm["X_scgnn"], full.obsm["X_scgnn"])
