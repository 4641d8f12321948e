"""Each kind of component used once, as a pipeline uses it."""

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
from scgnn.components.pruners import Pruner
from scgnn.components.readers import Demo, Reader
from scgnn.components.regularizers import ForwardPass, Regularizer
from scgnn.components.stopping import StoppingRule
from scgnn.components.transforms import Transform
from scgnn.execution.stages import Stages
from scgnn.pipelines import Pipeline
from scgnn.registry.component import Component
from scgnn.registry.introspection import collect_requirements
from scgnn.seeding import use_torch_seed
from scgnn.state import Snapshot, State
from scgnn.testing.edge_cases import EMBEDDING_DIM, N_GENES, SyntheticCells
from scgnn.training.budget import Training

CONVERGED_SHIFTS = (0, *[1] * 12)  # how far cells have moved on in rounds that come to rest


def exercise(component: Component, cells: SyntheticCells, seed: int) -> list[np.ndarray]:
    """What a component gives on some cells, as arrays."""
    return collect_arrays(_EXERCISERS[component.kind](component, cells, seed))


def build_encoder_network(encoder: Encoder, cells: SyntheticCells, seed: int = 1) -> nn.Module:
    """A new network of an encoder, made for the expression of some cells."""
    with use_torch_seed(seed):
        module = encoder.build(N_GENES)
    encoder.prepare(module, cells.x, seed)
    return module


def encode(encoder: Encoder, module: nn.Module, cells: SyntheticCells, seed: int = 1) -> Tensor:
    """The embedding of some cells; what is drawn on the way is drawn from ``seed``."""
    with use_torch_seed(seed):
        found: Tensor = module(encoder.prepare_graph(cells.graph), torch.from_numpy(cells.x))
        return found


def mirror_encoder(decoder: Decoder) -> Decoder:
    """A decoder that knows its encoder."""
    return decoder.mirror(MLPEncoder(hidden=(8, EMBEDDING_DIM)))


def build_decoder_network(decoder: Decoder, seed: int = 1) -> nn.Module:
    """A new network of a decoder that knows its encoder."""
    with use_torch_seed(seed):
        return decoder.build(EMBEDDING_DIM, N_GENES)


def make_latent(decoder: Decoder, cells: SyntheticCells) -> Tensor:
    """What a decoder is handed: an embedding, or all that an encoder gives for one."""
    width = (
        decoder.encoder_width(EMBEDDING_DIM) if isinstance(decoder, GraphDecoder) else EMBEDDING_DIM
    )
    z = np.tile(cells.embedding, (1, -(-width // EMBEDDING_DIM)))[:, :width] / 10
    return torch.from_numpy(z.astype(np.float32))


def make_target(decoder: Decoder, cells: SyntheticCells) -> Any:
    """What a decoder must rebuild."""
    if decoder.target == "graph":
        return make_graph_target(cells.graph)
    return torch.from_numpy(cells.counts if decoder.requires_counts else cells.x)


def decode(
    decoder: Decoder, module: nn.Module, z: Tensor, cells: SyntheticCells
) -> tuple[Any, Tensor]:
    """The output of a decoder and its loss."""
    with use_torch_seed(1):
        output = module(z)
        return output, decoder.loss(output, make_target(decoder, cells))


def build_graph(builder: GraphBuilder, cells: SyntheticCells, seed: int = 1) -> sparse.csr_matrix:
    """The graph of an embedding; the batches where they are asked for."""
    more = (cells.batch,) if "batch" in builder.requires else ()
    return builder(cells.embedding, seed, *more)


def compute_neighbors(cells: SyntheticCells, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """The nearest cells of each cell and their distances, cells x k, nearest first."""
    distances = np.linalg.norm(cells.embedding[:, None] - cells.embedding, axis=2).astype(float)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, : min(k, len(distances) - 1)]
    return nearest, np.take_along_axis(distances, nearest, 1)


def make_forward_batch(cells: SyntheticCells) -> ForwardPass:
    """Some cells on their way through a variational autoencoder that rebuilds them badly.

    The reconstruction is a leaf, so that its gradient can be looked at.
    """
    x = torch.from_numpy(cells.x)
    module = build_encoder_network(VAE(hidden=(8, EMBEDDING_DIM)), cells)
    with use_torch_seed(1):
        x_hat = (x + torch.rand(x.shape)).requires_grad_()
        return ForwardPass(x, x_hat, module(None, x), module)


def compute_penalty(
    regularizer: Regularizer, batch: ForwardPass, state: State, rows: Tensor | None = None
) -> Tensor:
    """The term that a regularizer adds for a batch."""
    with use_torch_seed(1):
        return regularizer.penalty(batch, regularizer.prepare(state), rows)


def reduce_budget(pipeline: Pipeline) -> Pipeline:
    """The same pipeline with next to no training."""
    changes: dict[str, Any] = {
        field.name: replace(value, epochs=2)
        for field in fields(pipeline)  # type: ignore[arg-type]
        if isinstance(value := getattr(pipeline, field.name), Training)
    }
    if hasattr(pipeline, "max_iterations"):
        changes["max_iterations"] = 1
    return replace(pipeline, **changes)  # type: ignore[type-var]


def make_demo_state(n_cells: int = 40) -> State:
    """Simulated cells, as a pipeline is given them."""
    adata = Demo(n_cells=n_cells, n_genes=30)()
    x = sparse.csr_matrix(adata.X, dtype=np.float32).log1p()
    names = np.asarray(adata.var_names, str), np.asarray(adata.obs_names, str)
    return State(x, *names, batch=np.arange(n_cells) % 2)


def run_on_demo(pipeline: Pipeline, seed: int = 1) -> State:
    """A pipeline on the demo."""
    return pipeline(make_demo_state(), Stages(), seed)


def make_snapshots(cells: SyntheticCells, *shifts: int) -> list[Snapshot]:
    """Rounds of a pipeline, each with its cells moved on by so many places."""
    return [
        Snapshot(shifted.graph, shifted.clusters)
        for by in shifts
        for shifted in [cells.take(np.roll(np.arange(len(cells.clusters)), by))]
    ]


def _exercise_encoder(encoder: Encoder, cells: SyntheticCells, seed: int) -> Any:
    module = build_encoder_network(encoder, cells, seed)
    return encode(encoder, module, cells, seed), module.state_dict()


def _exercise_decoder(decoder: Decoder, cells: SyntheticCells, seed: int) -> Any:
    decoder = mirror_encoder(decoder)
    module = build_decoder_network(decoder, seed)
    return decode(decoder, module, make_latent(decoder, cells), cells), module.state_dict()


def _exercise_clusterer(clusterer: Any, cells: SyntheticCells, seed: int) -> Any:
    return clusterer(cells.embedding, cells.graph, seed)


def _exercise_pruner(pruner: Pruner, cells: SyntheticCells, seed: int) -> Any:
    return pruner(*compute_neighbors(cells.take(np.arange(5))), seed)  # some are slow by the cell


def _exercise_reader(reader: Reader, _cells: SyntheticCells, _seed: int) -> Any:
    return reader()


def _exercise_regularizer(regularizer: Regularizer, cells: SyntheticCells, _seed: int) -> Any:
    return compute_penalty(regularizer, make_forward_batch(cells), cells.to_state())


def _exercise_transform(transform: Transform, cells: SyntheticCells, _seed: int) -> Any:
    return transform(cells.adata)


def _exercise_stop(stop: StoppingRule, cells: SyntheticCells, _seed: int) -> Any:
    return np.array(stop(make_snapshots(cells, *CONVERGED_SHIFTS)))


def _exercise_pipeline(pipeline: Pipeline, _cells: SyntheticCells, seed: int) -> Any:
    return run_on_demo(reduce_budget(pipeline), seed)


_EXERCISERS: dict[str, Callable[[Any, SyntheticCells, int], Any]] = {
    "clusterer": _exercise_clusterer,
    "decoder": _exercise_decoder,
    "encoder": _exercise_encoder,
    "graph_builder": build_graph,
    "pipeline": _exercise_pipeline,
    "pruner": _exercise_pruner,
    "reader": _exercise_reader,
    "regularizer": _exercise_regularizer,
    "stop": _exercise_stop,
    "transform": _exercise_transform,
}


def collect_arrays(value: Any) -> list[np.ndarray]:
    """Every array in a value, in order."""
    if isinstance(value, Tensor):
        return [value.detach().numpy().copy()]
    if isinstance(value, np.ndarray | np.generic):
        return [np.array(value)]
    if sparse.issparse(value):
        return collect_arrays([value.indptr, value.indices, value.data])
    if isinstance(value, dict):
        return collect_arrays(list(value.values()))
    if isinstance(value, tuple | list):
        return [array for item in value for array in collect_arrays(item)]
    if is_dataclass(value) and not isinstance(value, type):
        return collect_arrays([getattr(value, field.name) for field in fields(value)])
    if hasattr(value, "obs_names"):
        frames = [value.obs.to_numpy(str), value.var.to_numpy(str)]
        names = [np.asarray(n, str) for n in (value.obs_names, value.var_names)]
        return collect_arrays(
            [value.X, *(value.layers[key] for key in value.layers), *frames, *names]
        )
    return []


@contextmanager
def seed_global_generators(seed: int) -> Iterator[None]:
    """The random generators of the process in a known state; afterwards they are as before."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002  # the very generator that a component must not use
    random.seed(seed)
    try:
        with use_torch_seed(seed):
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


def needs_graph(component: Component) -> bool:
    """Whether a component or anything inside it reads the graph."""
    return "graph" in collect_requirements(component)
