"""The graph autoencoder in mini-batches: they stand for the whole graph, and train as it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

import scgnn
from scgnn.components.clusterers import KMeans
from scgnn.components.decoders import (
    ExactInnerProductDecoder,
    GraphDecoder,
    SampledInnerProductDecoder,
    kl_divergence,
    make_graph_target,
)
from scgnn.components.encoders import GCN, Encoder, MLPEncoder
from scgnn.components.graph_builders import KNN
from scgnn.errors import InputError
from scgnn.pipelines import SinglePass
from scgnn.pipelines.graph_autoencoder import BatchTargetSampler, fit_graph_autoencoder
from scgnn.training.budget import Training

GRAPH_ENCODERS = [n for n in Encoder.names() if "graph" in Encoder.get(n).requires]


def groups(n=300, seed=0):
    """Cells of three groups, which group, and their graph."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, n)
    x = (3 * np.eye(3, 8)[group] + 0.5 * rng.normal(size=(n, 8))).astype(np.float32)
    return x, group, KNN(n_neighbors=6)(x, 0)


def trained(encoder, decoder, neighbours, batch_size=64, epochs=20, seed=1, n=300):
    x, group, graph = groups(n)
    training = Training(epochs=epochs, learning_rate=1e-2, batch_size=batch_size)
    found = fit_graph_autoencoder(
        encoder, decoder, training, x, graph, "raw", 0.0, neighbours, seed
    )
    return found, group


def embedding(n, width=4, seed=3):
    torch.manual_seed(seed)
    return torch.randn(n, width)


@pytest.mark.parametrize(
    "decoder", [ExactInnerProductDecoder(), SampledInnerProductDecoder(max_edges=20, n_negative=2)]
)
def test_the_losses_of_batches_are_that_of_the_graph_in_the_mean(decoder):
    _, _, graph = groups(60)
    target, z = make_graph_target(graph), embedding(60)
    exact = float(ExactInnerProductDecoder().reconstruction_loss(z, target))
    among = BatchTargetSampler(graph, target)
    losses = []
    for _ in range(1500):
        places, batch = among(torch.randperm(60)[:12])
        losses.append(float(decoder.rebuilt(z[places], batch)))
    error = np.std(losses) / np.sqrt(len(losses))
    assert abs(np.mean(losses) - exact) < 4 * error < 0.1 * exact


def test_entries_and_pairs_that_are_drawn_stand_for_all_of_them():
    _, _, graph = groups(60)
    target, z = make_graph_target(graph), embedding(60)
    exact = float(ExactInnerProductDecoder().reconstruction_loss(z, target))
    torch.manual_seed(0)
    drawn = SampledInnerProductDecoder(max_edges=100, n_negative=3)
    losses = [float(drawn.reconstruction_loss(z, target)) for _ in range(1500)]
    error = np.std(losses) / np.sqrt(len(losses))
    assert abs(np.mean(losses) - exact) < 4 * error < 0.1 * exact


def test_a_batch_is_its_cells_and_the_ends_of_one_entry_of_each():
    _, _, graph = groups(60)
    target = make_graph_target(graph)
    cells = torch.tensor([5, 17, 40])
    places, batch = BatchTargetSampler(graph, target)(cells)
    looped = graph + sparse.identity(60)
    assert places[:3].tolist() == cells.tolist() and len(set(places.tolist())) == len(places)
    for cell, end in zip(cells, places[batch.cols], strict=True):
        assert looped[int(cell), int(end)] > 0
    degree = np.diff(looped.tocsr().indptr)[cells.numpy()]
    np.testing.assert_allclose(batch.weights.numpy(), degree * 60 / 3)


def test_the_spread_of_a_batch_is_held_as_that_of_all_cells():
    _, _, graph = groups(60)
    target, output = make_graph_target(graph), embedding(60, width=8)
    places, batch = BatchTargetSampler(graph, target)(torch.arange(60))
    noise = embedding(60, seed=9)
    decoder = ExactInnerProductDecoder()
    kl = decoder.loss(output[places], batch, noise=noise) - decoder.reconstruction_loss(
        noise * output[places][:, 4:].exp() + output[places][:, :4], batch
    )
    assert float(kl) == pytest.approx(
        float(kl_divergence(output[:, :4], output[:, 4:], 60)), rel=1e-3
    )


def test_batches_find_the_groups_that_the_whole_graph_finds():
    labels = []
    for neighbours in (0, 5):
        found, group = trained(GCN(), ExactInnerProductDecoder(), neighbours)
        labels.append(KMeans(n_clusters=3).fit_predict(found.embedding, None, 0))
        assert adjusted_rand_score(group, labels[-1]) > 0.95
        assert found.losses[-1] < 0.9 * found.losses[0]
    assert adjusted_rand_score(*labels) > 0.95


def test_up_to_one_batch_of_cells_the_graph_is_trained_on_whole():
    whole, _ = trained(GCN(), ExactInnerProductDecoder(), 0, batch_size=300)
    asked, _ = trained(GCN(), ExactInnerProductDecoder(), 5, batch_size=300)
    np.testing.assert_array_equal(whole.embedding, asked.embedding)


def test_the_same_seed_samples_the_same_neighbours():
    first, again, other = (
        trained(GCN(), SampledInnerProductDecoder(), 3, epochs=3, seed=s)[0].embedding
        for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", GRAPH_ENCODERS)
def test_every_graph_encoder_trains_in_batches(name):
    found, _ = trained(Encoder.get(name)(), ExactInnerProductDecoder(), 3, epochs=2)
    assert np.isfinite(found.embedding).all() and len(found.embedding) == 300
    assert len(found.losses) == 2


def test_an_encoder_that_hears_nobody_trains_in_batches():
    found, _ = trained(MLPEncoder(hidden=(16, 8)), ExactInnerProductDecoder(), 3, epochs=2)
    assert np.isfinite(found.embedding).all()


@dataclass(frozen=True)
class OfScipy(GCN):
    """Takes the graph as it is."""

    def prepare_graph(self, graph):
        return graph


def test_an_encoder_with_a_graph_of_its_own_is_refused():
    with pytest.raises(InputError, match="takes the graph as csr_matrix"):
        trained(OfScipy(), ExactInnerProductDecoder(), 3)


@dataclass(frozen=True)
class Stranger(GraphDecoder):
    """Of somebody else."""

    name: ClassVar[str] = "stranger"


def test_a_decoder_that_knows_no_batches_is_refused():
    with pytest.raises(ValueError, match=r"graph_fanout: .* sees the whole graph"):
        SinglePass(graph_encoder=GCN(), graph_decoder=Stranger(), graph_fanout=3)


def test_a_recipe_trains_its_graph_in_batches():
    changes = {
        "data.reader.n_cells": 200,
        "pipeline.max_iterations": 1,
        "pipeline.feature_training.epochs": 5,
        "pipeline.imputation": None,
        "pipeline.graph_training": {"epochs": 3, "batch_size": 50},
        "pipeline.graph_fanout": 4,
    }
    found = scgnn.run("scgnn_quick", **changes)
    assert len(set(found.obs["scgnn"])) > 1
    changes["pipeline.graph_fanout"] = None
    whole = scgnn.run("scgnn_quick", **changes)
    assert not np.array_equal(found.obsm["X_scgnn"], whole.obsm["X_scgnn"])
