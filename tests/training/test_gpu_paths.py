"""Trainings on a device that is not the CPU, without one.

The device ``meta`` stands in for a GPU: its tensors have shapes but no values, so that a step that
reads a value back, or mixes tensors of two devices, fails as it would wait or fail on a GPU.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from scgnn.components.decoders import Decoder, ExactInnerProductDecoder, SampledInnerProductDecoder
from scgnn.components.encoders import Encoder, MLPEncoder
from scgnn.components.regularizers import Regularizer
from scgnn.execution.hardware import Hardware, use_hardware
from scgnn.pipelines.autoencoders import Autoencoder, AutoencoderTrainer
from scgnn.pipelines.graph_autoencoder import fit_graph_autoencoder
from scgnn.state import State
from scgnn.training.settings import Training

N, GENES = 60, 20
COPIES = {"aten::_to_copy", "aten::copy_"}
TWO_BATCHES = Training(epochs=3, batch_size=40)
ALL_CELLS = Training(epochs=3)


class OneDevice(TorchDispatchMode):
    """Fails where an operation has tensors of several devices; a CPU's scalar is allowed."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        tensors = [a for a in tree_leaves((args, kwargs)) if isinstance(a, torch.Tensor)]
        devices = {t.device.type for t in tensors if t.dim() or t.device.type != "cpu"}
        name = function.name().partition(".")[0]
        assert len(devices) < 2 or name in COPIES, f"{name} mixes {devices}"
        return function(*args, **(kwargs or {}))


class UnfusedAdam(torch.optim.Adam):
    """Adam without its kernel, which there is for real devices only."""

    def __init__(self, parameters, fused, **options):
        super().__init__(parameters, **options)


@pytest.fixture
def gpu(monkeypatch):
    """Stand-in for a GPU, whose values are zeros once they are on the CPU."""

    def read(tensor):
        assert tensor.device.type == "meta"
        return torch.zeros(tensor.shape, dtype=tensor.dtype)

    read_list = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "cpu", read)
    monkeypatch.setattr(
        torch.Tensor,
        "tolist",
        lambda t: read_list(read(t) if t.device.type == "meta" else t),
    )
    monkeypatch.setattr("scgnn.training.fit.EPOCHS_PER_READING", 2)
    monkeypatch.setattr("scgnn.training.optimizer.Adam", UnfusedAdam)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    with use_hardware(Hardware("meta", "torch")), OneDevice():
        yield


def make_cells(seed=0):
    rng = np.random.default_rng(seed)
    x = sparse.csr_matrix(rng.poisson(1.0, (N, GENES)).astype(np.float32))
    edges = np.triu(rng.random((N, N)) < 0.2, 1)
    graph = sparse.csr_matrix((edges + edges.T).astype(np.float32))
    return State(
        x,
        np.array([f"g{i}" for i in range(GENES)]),
        np.array([f"c{i}" for i in range(N)]),
        ltmg_states=sparse.csr_matrix(rng.integers(0, 3, (N, GENES)).astype(np.uint8)),
        graph=graph,
        clusters=rng.integers(0, 3, N),
    )


def train(autoencoder, training):
    trainer = AutoencoderTrainer(autoencoder, training, make_cells(), 1, None)
    losses = trainer.train(1)
    embedding, _ = trainer.predict(make_cells().x)
    assert {p.device.type for p in trainer.module.parameters()} <= {"meta"}
    return losses, embedding


@pytest.mark.parametrize("training", [ALL_CELLS, TWO_BATCHES], ids=["all cells", "batches"])
@pytest.mark.parametrize("name", ["mlp", "nb", "zinb"])
def test_decoders_of_expression(gpu, name, training):
    training = replace(training, l1=0.1, l2=0.1)
    encoder = MLPEncoder(hidden=(8, 4), dropout=0.0, normalization="batch")
    losses, embedding = train(Autoencoder(encoder, Decoder.get(name)(), 1.0), training)
    assert len(losses) == training.epochs and embedding.shape == (N, 4)


@pytest.mark.parametrize("training", [ALL_CELLS, TWO_BATCHES], ids=["all cells", "batches"])
@pytest.mark.parametrize("name", Regularizer.names())
def test_regularizers(gpu, name, training):
    encoder = Encoder.get("vae" if name == "kl" else "mlp")(hidden=(8, 4))
    regularizers = (Regularizer.get(name)(weight=0.5),)
    train(Autoencoder(encoder, Decoder.get("mlp")(), 0.5, regularizers), training)


def test_a_matrix_that_does_not_fit_stays_on_the_cpu(gpu, monkeypatch):
    monkeypatch.setattr("scgnn.training.fit.fits_device", lambda *_: False)
    train(Autoencoder(MLPEncoder(hidden=(8, 4)), Decoder.get("mlp")(), 1.0), TWO_BATCHES)


GRAPH_ENCODERS = [n for n in Encoder.names() if "graph" in Encoder.get(n).requires]


@pytest.mark.parametrize("fanout", [None, 3])
@pytest.mark.parametrize("name", GRAPH_ENCODERS)
def test_graph_encoders(gpu, name, fanout):
    training = replace(TWO_BATCHES, batch_size=25) if fanout else ALL_CELLS
    fit_graph(Encoder.get(name)(), ExactInnerProductDecoder(), training, fanout)


@pytest.mark.parametrize("variational", [True, False])
@pytest.mark.parametrize("fanout", [None, 3])
def test_sampled_loss(gpu, variational, fanout):
    decoder = SampledInnerProductDecoder(variational=variational, max_edges=50, n_negative=2)
    training = replace(TWO_BATCHES, batch_size=25) if fanout else ALL_CELLS
    fit_graph(Encoder.get("gcn")(), decoder, training, fanout)


def fit_graph(encoder, decoder, training, fanout):
    embedding = np.random.default_rng(0).normal(size=(N, 6)).astype(np.float32)
    graph = make_cells().graph
    args = embedding, graph, "raw", 0.0, fanout, 1
    fit = fit_graph_autoencoder(encoder, decoder, training, *args)
    assert len(fit.losses) == training.epochs and len(fit.embedding) == N


def test_mixed_devices_are_found(gpu):
    with pytest.raises(AssertionError, match="mixes"):
        torch.ones(3, device="meta") + torch.ones(3)


def test_values_that_are_read_back_are_found(gpu):
    with pytest.raises(Exception, match="meta"):
        float(torch.ones(3, device="meta").sum())
