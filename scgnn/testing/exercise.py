"""Calls of each kind of component, in the way that pipelines call it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from scgnn.components.decoders import Decoder, GraphDecoder, make_graph_target
from scgnn.components.encoders import VAE, Encoder, MLPEncoder
from scgnn.components.graph_builders import GraphBuilder
from scgnn.components.readers import Demo
from scgnn.components.regularizers import ForwardPass, Regularizer
from scgnn.execution.stages import Stages
from scgnn.pipelines import Pipeline
from scgnn.registry.component import Component
from scgnn.seeding import use_torch_seed
from scgnn.state import Snapshot, State
from scgnn.testing.edge_cases import EMBEDDING_DIM, N_GENES, SyntheticCells
from scgnn.training.settings import Training

CONVERGED_SHIFTS = (0, *[1] * 12)  # shifts of snapshots that do not change after the first


def exercise(component: Component, cells: SyntheticCells, seed: int) -> list[np.ndarray]:
    """Return everything that a component computes for some cells."""
    return collect_arrays(_EXERCISES[component.kind](component, cells, seed))


def build_encoder_network(encoder: Encoder, cells: SyntheticCells, seed: int = 1) -> nn.Module:
    """Build and prepare the network of an encoder."""
    with use_torch_seed(seed):
        module = encoder.build(N_GENES)
    encoder.prepare(module, cells.x, seed)
    return module


def encode(encoder: Encoder, module: nn.Module, cells: SyntheticCells, seed: int = 1) -> Tensor:
    """Embed cells by a network; random numbers are drawn from ``seed``."""
    with use_torch_seed(seed):
        return module(encoder.prepare_graph(cells.graph), torch.from_numpy(cells.x))


def mirror_encoder(decoder: Decoder) -> Decoder:
    """Return a decoder that mirrors an MLP encoder."""
    return decoder.mirror(MLPEncoder(hidden=(8, EMBEDDING_DIM)))


def build_decoder_network(decoder: Decoder, seed: int = 1) -> nn.Module:
    """Build the network of a decoder that has been mirrored."""
    with use_torch_seed(seed):
        return decoder.build(EMBEDDING_DIM, N_GENES)


def make_latent(decoder: Decoder, cells: SyntheticCells) -> Tensor:
    """Return the input of a decoder: cells x the width that it expects of its encoder."""
    width = EMBEDDING_DIM
    if isinstance(decoder, GraphDecoder):
        width = decoder.encoder_width(width)
    z = np.tile(cells.embedding, (1, -(-width // EMBEDDING_DIM)))[:, :width] / 10
    return torch.from_numpy(z.astype(np.float32))


def make_target(decoder: Decoder, cells: SyntheticCells) -> Any:
    """Return the target of a decoder: a graph, counts or expression."""
    if decoder.target == "graph":
        return make_graph_target(cells.graph)
    return torch.from_numpy(cells.counts if decoder.requires_counts else cells.x)


def decode(
    decoder: Decoder, module: nn.Module, z: Tensor, cells: SyntheticCells
) -> tuple[Any, Tensor]:
    """Return the output of a decoder's network and the loss."""
    with use_torch_seed(1):
        output = module(z)
        return output, decoder.loss(output, make_target(decoder, cells))


def build_graph(builder: GraphBuilder, cells: SyntheticCells, seed: int = 1) -> sparse.csr_matrix:
    """Build the graph of some cells, with their batches if the builder requires them."""
    batch = (cells.batch,) if "batch" in builder.requires else ()
    return builder(cells.embedding, seed, *batch)


def compute_neighbors(cells: SyntheticCells, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest neighbors of each cell and their distances, cells x k."""
    distances = np.linalg.norm(cells.embedding[:, None] - cells.embedding, axis=2).astype(float)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, : min(k, len(distances) - 1)]
    return nearest, np.take_along_axis(distances, nearest, 1)


def make_forward_batch(cells: SyntheticCells) -> ForwardPass:
    """Return a forward pass of cells through a variational autoencoder.

    The reconstruction is poor, and a leaf tensor so that its gradient can be taken.
    """
    x = torch.from_numpy(cells.x)
    module = build_encoder_network(VAE(hidden=(8, EMBEDDING_DIM)), cells)
    with use_torch_seed(1):
        x_hat = (x + torch.rand(x.shape)).requires_grad_()
        return ForwardPass(x, x_hat, module(None, x), module)


def compute_penalty(
    regularizer: Regularizer, batch: ForwardPass, state: State, rows: Tensor | None = None
) -> Tensor:
    """Return the term that a regularizer adds to the loss of a batch."""
    with use_torch_seed(1):
        return regularizer.loss(batch, regularizer.prepare(state), rows)


def reduce_budget(pipeline: Pipeline) -> Pipeline:
    """Return the pipeline with one iteration and two epochs for each training."""
    changes: dict[str, Any] = {
        field.name: replace(value, epochs=2)
        for field in fields(pipeline)  # type: ignore[arg-type]
        if isinstance(value := getattr(pipeline, field.name), Training)
    }
    if hasattr(pipeline, "max_iterations"):
        changes["max_iterations"] = 1
    return replace(pipeline, **changes)  # type: ignore[type-var]


def make_demo_state() -> State:
    """Return the state of simulated cells at the start of a pipeline."""
    adata = Demo(n_cells=40, n_genes=30)()
    x = sparse.csr_matrix(adata.X, dtype=np.float32).log1p()
    names = np.asarray(adata.var_names, str), np.asarray(adata.obs_names, str)
    return State(x, *names, batch=np.arange(adata.n_obs) % 2)


def run_on_demo(pipeline: Pipeline, seed: int = 1) -> State:
    """Run a pipeline on simulated cells."""
    return pipeline(make_demo_state(), Stages(), seed)


def make_snapshots(cells: SyntheticCells, *shifts: int) -> list[Snapshot]:
    """Return snapshots of a run, each with the cells rotated by a shift."""
    order = np.arange(len(cells.clusters))
    rotated = [cells.take(np.roll(order, shift)) for shift in shifts]
    return [Snapshot(moved.graph, moved.clusters) for moved in rotated]


def _exercise_encoder(encoder: Encoder, cells: SyntheticCells, seed: int) -> Any:
    module = build_encoder_network(encoder, cells, seed)
    return encode(encoder, module, cells, seed), module.state_dict()


def _exercise_decoder(decoder: Decoder, cells: SyntheticCells, seed: int) -> Any:
    decoder = mirror_encoder(decoder)
    module = build_decoder_network(decoder, seed)
    return decode(decoder, module, make_latent(decoder, cells), cells), module.state_dict()


_EXERCISES: dict[str, Callable[[Any, SyntheticCells, int], Any]] = {
    "clusterer": lambda c, cells, seed: c.fit_predict(cells.embedding, cells.graph, seed),
    "decoder": _exercise_decoder,
    "encoder": _exercise_encoder,
    "graph_builder": build_graph,
    "pipeline": lambda c, _cells, seed: run_on_demo(reduce_budget(c), seed),
    # five cells: some pruners take long for each cell
    "pruner": lambda c, cells, seed: c(*compute_neighbors(cells.take(np.arange(5))), seed),
    "reader": lambda c, _cells, _seed: c(),
    "regularizer": lambda c, cells, _seed: compute_penalty(
        c, make_forward_batch(cells), cells.to_state()
    ),
    "stop": lambda c, cells, _seed: np.array(c(make_snapshots(cells, *CONVERGED_SHIFTS))),
    "transform": lambda c, cells, _seed: c(cells.adata),
}


def collect_arrays(value: Any) -> list[np.ndarray]:
    """Return copies of all arrays in a value, in a fixed order."""
    if isinstance(value, Tensor):
        return [value.detach().numpy().copy()]
    if isinstance(value, np.ndarray | np.generic):
        return [np.array(value)]
    parts: list[Any] = []
    if sparse.issparse(value):
        parts = [value.indptr, value.indices, value.data]
    elif isinstance(value, dict):
        parts = list(value.values())
    elif isinstance(value, tuple | list):
        parts = list(value)
    elif is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, field.name) for field in fields(value)]
    elif hasattr(value, "obs_names"):
        tables = [table.to_numpy(str) for table in (value.obs, value.var)]
        names = [np.asarray(n, str) for n in (value.obs_names, value.var_names)]
        parts = [value.X, *(value.layers[key] for key in value.layers), *tables, *names]
    return [array for part in parts for array in collect_arrays(part)]


@contextmanager
def seed_global_generators(seed: int) -> Iterator[None]:
    """Seed the global random generators of numpy, random and torch; restore them afterwards."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002  # the generator that a component must not use
    random.seed(seed)
    try:
        with use_torch_seed(seed):
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
