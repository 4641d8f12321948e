"""How long a recipe may take and how much memory it may need, before it runs.

A small model: what each stage multiplies and moves, at the speed of this machine, which is
measured in a twentieth of a second. Its constants were fitted to runs of scgnn_fast by
benchmarks/scaling.py, which sets it beside those of any recipe. The loop counts as often as it
may run.
"""

from __future__ import annotations

import math
import time
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from scgnn.components.clusterers import GivenK
from scgnn.components.decoders import ExactInnerProductDecoder, SampledInnerProductDecoder
from scgnn.components.graph_builders import KNN
from scgnn.components.graph_builders.neighbors import DEFAULT_EXACT_UP_TO
from scgnn.components.transforms import TopGenes
from scgnn.pipelines.embed_and_cluster import EmbeddingPipeline
from scgnn.pipelines.reconstruction import is_lazy
from scgnn.recipe.recipe import Recipe
from scgnn.training.budget import Training

REFERENCE_FLOPS = (
    95e9  # multiplications and additions a second of the machine the constants are for
)
SECONDS_PER_ELEMENT = (
    4e-9  # seconds for a value of cells x genes in an epoch: what is not matrix products
)
SECONDS_PER_WEIGHT = 1.4e-9  # Adam's step, a weight
SECONDS_PER_STEP = 7e-4  # calling torch, a step of a training
SECONDS_PER_PAIR = 1.9e-9  # a pair of cells in the exact loss of the graph autoencoder
SECONDS_PER_SAMPLED_PAIR = 2.5e-8  # a sampled pair
SECONDS_PER_SAMPLED_EDGE = 1.2e-7  # an entry of the graph whose pair is looked at
SECONDS_PER_EDGE = 3.5e-8  # an entry of the graph in an epoch of message passing
WEIGHTED_EDGE_FACTOR = 20  # times as much for an edge whose weight is not 1
SECONDS_PER_NODE = 7e-7  # a cell in an epoch of the graph autoencoder
SECONDS_PER_SAMPLED_NEIGHBOR = (
    6e-5  # a cell in an epoch of its mini-batches, for each neighbour drawn
)
IMPORT_SECONDS = 1.0  # what is imported for the first training
SECONDS_PER_DISTANCE = 7e-9  # a pair of cells in the search of neighbours
SECONDS_PER_APPROXIMATE_QUERY = 3e-4  # a cell in the search among many, at LARGE cells
LARGE_N_CELLS = 64_000  # cells beyond which caches and searches wear thin
SECONDS_PER_LTMG_GENE = 1.5e-3  # LTMG of a gene of 1,000 cells
SECONDS_PER_GRAPH_EPOCH = 4e-3  # calling dgl and torch, an epoch of the graph autoencoder
SECONDS_PER_CELL_GIVEN_K = 3e-4  # a cell in a clustering that tries numbers of clusters
SECONDS_PER_CELL_COMMUNITY = 3e-5  # a cell in communities of a graph
MAX_SCORED_CELLS = 20_000  # cells that scores look at
EXPECTED_CLUSTERS = 10  # as many as are expected
EPOCHS_PER_PATIENCE = 6  # times the patience, until cells that are held out are rebuilt no better
ACTIVE_FRACTION = 0.45  # part of a rectified autoencoder that a training moves
LIBRARY_MEMORY_MB = 500.0  # megabytes of torch, dgl, scipy and scikit-learn


class DatasetSize(NamedTuple):
    """Of a data set as it is read."""

    n_cells: int
    n_genes: int
    n_nonzeros: int


class StageEstimate(NamedTuple):
    """Of one stage: how often, how long each time, and the memory of the process meanwhile."""

    n_repeats: int
    seconds: float
    peak_memory_mb: float


def get_dataset_size(recipe: Recipe) -> DatasetSize | None:
    """The size of a recipe's data where it can be had without reading them, else None."""
    shape = recipe.data.reader.peek_shape()
    return None if shape is None else DatasetSize(*shape)


def measure_flops() -> float:
    """Multiplications and additions a second of one thread of this machine, in float32."""
    from threadpoolctl import threadpool_limits

    one, two = (np.ones(shape, np.float32) for shape in ((256, 1024), (1024, 512)))
    took = []
    with threadpool_limits(1, "blas"):
        for _ in range(8):
            start = time.perf_counter()
            one @ two
            took.append(time.perf_counter() - start)
    return 2 * one.shape[0] * two.size / min(took)


def estimate_stages(
    recipe: Recipe, size: DatasetSize, slowdown: float = 1.0
) -> dict[str, StageEstimate]:
    """Every stage of a recipe on data of a size, by the name under which it is reported.

    Empty for a pipeline of which nothing is known.

    Parameters
    ----------
    recipe
        Complete.
    size
        Of its data as they are read.
    slowness
        How much slower this machine is than the one that the constants are for.
    """
    if not isinstance(recipe.pipeline, EmbeddingPipeline):
        return {}  # nothing is known of what a stranger's pipeline does
    pipeline: Any = recipe.pipeline
    n, genes = size.n_cells, size.n_genes
    for transform in recipe.data.transforms:
        if isinstance(transform, TopGenes):
            genes = min(genes, transform.n_top_genes)
    rounds = getattr(pipeline, "max_iterations", 0)
    density = size.n_nonzeros / max(size.n_cells * size.n_genes, 1)
    read = LIBRARY_MEMORY_MB + 20e-6 * size.n_nonzeros
    decoder = pipeline.feature_decoder
    rebuilt = 0.0 if is_lazy(decoder, n, genes) else 4e-6 * n * genes
    found: dict[str, list[tuple[float, float]]] = {}

    def add(stage: str, seconds: float, megabytes: float, times: int = 1) -> None:
        found.setdefault(stage, []).extend([(seconds * slowdown, read + megabytes)] * times)

    if pipeline.ltmg_model() is not None:
        add(
            "LTMG",
            genes * SECONDS_PER_LTMG_GENE * (n * density / 250) ** 0.4,
            12e-6 * n * genes * density,
        )
    network = pipeline.feature_encoder

    def train(stage: str, training: Training, times: int = 1, parts: int = 1) -> None:
        megabytes = (2 + (times > 1)) * rebuilt + _estimate_batch_memory(training, n, genes)
        add(stage, _estimate_training(training, network, n, genes, parts), megabytes, times)

    if decoder is not None:
        train("feature autoencoder", pipeline.feature_training)
        if rounds:
            train("feature autoencoder", pipeline.iteration_training, rounds)
        if rounds and pipeline.cluster_autoencoders:
            train("cluster autoencoders", pipeline.cluster_training, rounds, EXPECTED_CLUSTERS)
    kept = 2 * rebuilt
    edges = 0.0
    if pipeline.graph_builder is not None:
        k = _estimate_n_neighbors(pipeline.graph_builder, n)
        edges = 1.6 * n * k
        many = n > getattr(pipeline.graph_builder, "exact_up_to", DEFAULT_EXACT_UP_TO)
        seconds = (
            n * SECONDS_PER_APPROXIMATE_QUERY * max(1.0, n / LARGE_N_CELLS) ** 0.6
            if many
            else n * n * SECONDS_PER_DISTANCE
        )
        add("cell graph", seconds + n * 2e-5, kept + n * 6.5e-3 + 60e-6 * edges, rounds + 1)
    if pipeline.graph_encoder is not None:
        seconds, megabytes = _estimate_graph_autoencoder(pipeline, n, edges)
        add("graph autoencoder", seconds, kept + megabytes, rounds + 1)
    counted = isinstance(pipeline.clusterer, GivenK)
    seconds = 0.5 + n * (SECONDS_PER_CELL_GIVEN_K if counted else SECONDS_PER_CELL_COMMUNITY)
    add("clustering", seconds, kept + 100e-6 * edges, rounds + 1)
    if getattr(pipeline, "imputation", None) == "autoencoder":
        train("imputation", pipeline.imputation_training)
    add("scores", 0.5 + min(n, MAX_SCORED_CELLS) * 4e-5, kept + 60e-6 * edges)
    return {
        stage: StageEstimate(
            len(each), sum(s for s, _ in each) / len(each), max(m for _, m in each)
        )
        for stage, each in found.items()
    }


def _estimate_training(
    training: Training, network: Any, n: int, genes: int, n_parts: int = 1
) -> float:
    """Seconds of a training of the autoencoder, or of one for each of some parts of the cells."""
    n_components = getattr(network, "n_components", None)
    hidden = getattr(network, "hidden", (n_components,) if n_components else ())
    widths = (genes, *hidden)
    weights = 2 * sum(a * b for a, b in pairwise(widths)) or genes
    first = genes * (hidden[0] if hidden else 1)
    dying = getattr(network, "output_activation", "") == "relu"
    awake = ACTIVE_FRACTION if dying and not (training.l1 or training.l2) else 1.0
    faster = 2.0 if training.precision == "bfloat16" else 1.0
    steps = n_parts * math.ceil(n / n_parts / training.batch_size)
    seen = n
    if training.steps_per_epoch is not None and training.steps_per_epoch < steps:
        steps = training.steps_per_epoch
        seen = min(n, steps * training.batch_size)
    products = 2 * seen * (3 * weights - first) * awake / REFERENCE_FLOPS / faster
    moved = seen * genes * SECONDS_PER_ELEMENT * (1.5 if steps > n_parts else 1.0)
    epoch = products + moved + steps * (SECONDS_PER_STEP + weights * SECONDS_PER_WEIGHT * awake)
    return IMPORT_SECONDS + _estimate_epochs(training) * epoch + 4 * n * weights / REFERENCE_FLOPS


def _estimate_epochs(training: Training) -> int:
    """How many are expected; those of a loss that may fall to the end are all."""
    soon = (
        EPOCHS_PER_PATIENCE * training.early_stopping_patience
        if training.validation_fraction and training.early_stopping_patience
        else 0
    )
    return min(training.epochs, soon or training.epochs)


def _estimate_batch_memory(training: Training, n: int, genes: int) -> float:
    """Megabytes of a step: its cells, and what the networks make of them."""
    return 28e-6 * min(n, training.batch_size) * genes


def _estimate_n_neighbors(builder: Any, n: int) -> float:
    if isinstance(builder, KNN):
        from scgnn.components.graph_builders import resolve_n_neighbors

        return float(resolve_n_neighbors(builder.n_neighbors, n))
    return 15.0


def _estimate_graph_autoencoder(pipeline: Any, n: int, edges: float) -> tuple[float, float]:
    """Seconds and megabytes of a graph autoencoder."""
    training, decoder = pipeline.graph_training, pipeline.graph_decoder
    widths = sum(getattr(pipeline.graph_encoder, "hidden", (32, 16)))
    plain = getattr(pipeline.graph_builder, "weights", "inverse_distance") == "binary"
    epoch = (
        SECONDS_PER_NODE * n
        + (edges + n) * SECONDS_PER_EDGE * (1 if plain else WEIGHTED_EDGE_FACTOR) * widths / 48
    )
    epoch = SECONDS_PER_GRAPH_EPOCH + epoch * max(1.0, n / LARGE_N_CELLS) ** 0.4
    megabytes = n * 3e-3 + edges * 30e-6
    if pipeline.graph_fanout and training.batch_size < n:
        epoch = SECONDS_PER_SAMPLED_NEIGHBOR * n * pipeline.graph_fanout
    elif isinstance(decoder, SampledInnerProductDecoder):
        taken = min(edges, decoder.max_edges)
        epoch += taken * (SECONDS_PER_SAMPLED_EDGE + decoder.n_negative * SECONDS_PER_SAMPLED_PAIR)
        megabytes += decoder.n_negative * taken * 100e-6
    elif isinstance(decoder, ExactInnerProductDecoder):
        epoch += n * n * SECONDS_PER_PAIR
        megabytes += decoder.block_size * n * 16e-6
    return training.epochs * epoch, megabytes
