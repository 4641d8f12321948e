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

from scgnn.components.decoders import Decoder, GraphDecoder, graph_target
from scgnn.components.encoders import MLP, VAE, Encoder
from scgnn.components.graph_builders import GraphBuilder
from scgnn.components.pruners import Pruner
from scgnn.components.readers import Demo, Reader
from scgnn.components.regularizers import Forward, Regularizer
from scgnn.components.stopping import Stop
from scgnn.components.transforms import Transform
from scgnn.execution.stages import Stages
from scgnn.pipelines import Pipeline
from scgnn.registry.component import Component
from scgnn.registry.introspection import requirements
from scgnn.seeding import torch_seed
from scgnn.state import Round, State
from scgnn.testing.edge_cases import N_GENES, WIDTH, Cells
from scgnn.training.budget import Training

STANDING = (0, *[1] * 12)  # how far cells have moved on in rounds that come to rest


def use(component: Component, cells: Cells, seed: int) -> list[np.ndarray]:
    """What a component gives on some cells, as arrays."""
    return arrays(_USES[component.kind](component, cells, seed))


def network(encoder: Encoder, cells: Cells, seed: int = 1) -> nn.Module:
    """A new network of an encoder, made for the expression of some cells."""
    with torch_seed(seed):
        module = encoder.build(N_GENES)
    encoder.prepare(module, cells.x, seed)
    return module


def encode(encoder: Encoder, module: nn.Module, cells: Cells, seed: int = 1) -> Tensor:
    """The embedding of some cells; what is drawn on the way is drawn from ``seed``."""
    with torch_seed(seed):
        found: Tensor = module(encoder.graph(cells.graph), torch.from_numpy(cells.x))
        return found


def mirrored(decoder: Decoder) -> Decoder:
    """A decoder that knows its encoder."""
    return decoder.mirror(MLP(hidden=(8, WIDTH)))


def decoder_network(decoder: Decoder, seed: int = 1) -> nn.Module:
    """A new network of a decoder that knows its encoder."""
    with torch_seed(seed):
        return decoder.build(WIDTH, N_GENES)


def latent(decoder: Decoder, cells: Cells) -> Tensor:
    """What a decoder is handed: an embedding, or all that an encoder gives for one."""
    width = decoder.latent(WIDTH) if isinstance(decoder, GraphDecoder) else WIDTH
    z = np.tile(cells.embedding, (1, -(-width // WIDTH)))[:, :width] / 10
    return torch.from_numpy(z.astype(np.float32))


def target(decoder: Decoder, cells: Cells) -> Any:
    """What a decoder must rebuild."""
    if decoder.target == "graph":
        return graph_target(cells.graph)
    return torch.from_numpy(cells.counts if decoder.counts else cells.x)


def decode(decoder: Decoder, module: nn.Module, z: Tensor, cells: Cells) -> tuple[Any, Tensor]:
    """The output of a decoder and its loss."""
    with torch_seed(1):
        output = module(z)
        return output, decoder.loss(output, target(decoder, cells))


def build_graph(builder: GraphBuilder, cells: Cells, seed: int = 1) -> sparse.csr_matrix:
    """The graph of an embedding; the batches where they are asked for."""
    more = (cells.batch,) if "batch" in builder.requires else ()
    return builder(cells.embedding, seed, *more)


def neighbours(cells: Cells, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """The nearest cells of each cell and their distances, cells x k, nearest first."""
    distances = np.linalg.norm(cells.embedding[:, None] - cells.embedding, axis=2).astype(float)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, : min(k, len(distances) - 1)]
    return nearest, np.take_along_axis(distances, nearest, 1)


def forward(cells: Cells) -> Forward:
    """Some cells on their way through a variational autoencoder that rebuilds them badly.

    The reconstruction is a leaf, so that its gradient can be looked at.
    """
    x = torch.from_numpy(cells.x)
    module = network(VAE(hidden=(8, WIDTH)), cells)
    with torch_seed(1):
        x_hat = (x + torch.rand(x.shape)).requires_grad_()
        return Forward(x, x_hat, module(None, x), module)


def penalty(
    regularizer: Regularizer, batch: Forward, state: State, rows: Tensor | None = None
) -> Tensor:
    """The term that a regularizer adds for a batch."""
    with torch_seed(1):
        return regularizer.penalty(batch, regularizer.prepare(state), rows)


def small(pipeline: Pipeline) -> Pipeline:
    """The same pipeline with next to no training."""
    changes: dict[str, Any] = {
        field.name: replace(value, epochs=2)
        for field in fields(pipeline)  # type: ignore[arg-type]
        if isinstance(value := getattr(pipeline, field.name), Training)
    }
    if hasattr(pipeline, "max_iterations"):
        changes["max_iterations"] = 1
    return replace(pipeline, **changes)  # type: ignore[type-var]


def demo(n_cells: int = 40) -> State:
    """Simulated cells, as a pipeline is given them."""
    adata = Demo(cells=n_cells, genes=30)()
    x = sparse.csr_matrix(adata.X, dtype=np.float32).log1p()
    names = np.asarray(adata.var_names, str), np.asarray(adata.obs_names, str)
    return State(x, *names, batch=np.arange(n_cells) % 2)


def run(pipeline: Pipeline, seed: int = 1) -> State:
    """A pipeline on the demo."""
    return pipeline(demo(), Stages(), seed)


def rounds(cells: Cells, *moved: int) -> list[Round]:
    """Rounds of a pipeline, each with its cells moved on by so many places."""
    return [
        Round(shifted.graph, shifted.labels)
        for by in moved
        for shifted in [cells.ordered(np.roll(np.arange(len(cells.labels)), by))]
    ]


def _use_encoder(encoder: Encoder, cells: Cells, seed: int) -> Any:
    module = network(encoder, cells, seed)
    return encode(encoder, module, cells, seed), module.state_dict()


def _use_decoder(decoder: Decoder, cells: Cells, seed: int) -> Any:
    decoder = mirrored(decoder)
    module = decoder_network(decoder, seed)
    return decode(decoder, module, latent(decoder, cells), cells), module.state_dict()


def _use_clusterer(clusterer: Any, cells: Cells, seed: int) -> Any:
    return clusterer(cells.embedding, cells.graph, seed)


def _use_pruner(pruner: Pruner, cells: Cells, seed: int) -> Any:
    return pruner(*neighbours(cells.ordered(np.arange(5))), seed)  # some are slow by the cell


def _use_reader(reader: Reader, _cells: Cells, _seed: int) -> Any:
    return reader()


def _use_regularizer(regularizer: Regularizer, cells: Cells, _seed: int) -> Any:
    return penalty(regularizer, forward(cells), cells.state())


def _use_transform(transform: Transform, cells: Cells, _seed: int) -> Any:
    return transform(cells.adata)


def _use_stop(stop: Stop, cells: Cells, _seed: int) -> Any:
    return np.array(stop(rounds(cells, *STANDING)))


def _use_pipeline(pipeline: Pipeline, _cells: Cells, seed: int) -> Any:
    return run(small(pipeline), seed)


_USES: dict[str, Callable[[Any, Cells, int], Any]] = {
    "clusterer": _use_clusterer,
    "decoder": _use_decoder,
    "encoder": _use_encoder,
    "graph_builder": build_graph,
    "pipeline": _use_pipeline,
    "pruner": _use_pruner,
    "reader": _use_reader,
    "regularizer": _use_regularizer,
    "stop": _use_stop,
    "transform": _use_transform,
}


def arrays(value: Any) -> list[np.ndarray]:
    """Every array in a value, in order."""
    if isinstance(value, Tensor):
        return [value.detach().numpy().copy()]
    if isinstance(value, np.ndarray | np.generic):
        return [np.array(value)]
    if sparse.issparse(value):
        return arrays([value.indptr, value.indices, value.data])
    if isinstance(value, dict):
        return arrays(list(value.values()))
    if isinstance(value, tuple | list):
        return [array for item in value for array in arrays(item)]
    if is_dataclass(value) and not isinstance(value, type):
        return arrays([getattr(value, field.name) for field in fields(value)])
    if hasattr(value, "obs_names"):
        frames = [value.obs.to_numpy(str), value.var.to_numpy(str)]
        names = [np.asarray(n, str) for n in (value.obs_names, value.var_names)]
        return arrays([value.X, *(value.layers[key] for key in value.layers), *frames, *names])
    return []


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """The random generators of the process in a known state; afterwards they are as before."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002  # the very generator that a component must not use
    random.seed(seed)
    try:
        with torch_seed(seed):
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


def needs_graph(component: Component) -> bool:
    """Whether a component or anything inside it reads the graph."""
    return "graph" in requirements(component)
