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

from scgnn.components.clusterers import Counted
from scgnn.components.decoders import InnerProduct, InnerProductSampled
from scgnn.components.graph_builders import KNN
from scgnn.components.graph_builders.neighbors import EXACT_UP_TO
from scgnn.components.transforms import TopGenes
from scgnn.pipelines.embed_and_cluster import Pass
from scgnn.pipelines.reconstruction import on_demand
from scgnn.recipe.recipe import Recipe
from scgnn.training.budget import Training

STANDARD = 95e9  # multiplications and additions a second of the machine the constants are for
ELEMENT = 4e-9  # seconds for a value of cells x genes in an epoch: what is not matrix products
WEIGHT = 1.4e-9  # Adam's step, a weight
STEP = 7e-4  # calling torch, a step of a training
PAIR = 1.9e-9  # a pair of cells in the exact loss of the graph autoencoder
DRAWN = 2.5e-8  # a sampled pair
TAKEN = 1.2e-7  # an entry of the graph whose pair is looked at
EDGE = 3.5e-8  # an entry of the graph in an epoch of message passing
WEIGHED = 20  # times as much for an edge whose weight is not 1
OF_GRAPH = 7e-7  # a cell in an epoch of the graph autoencoder
HEARD = 6e-5  # a cell in an epoch of its mini-batches, for each neighbour drawn
FIRST = 1.0  # what is imported for the first training
NEAR = 7e-9  # a pair of cells in the search of neighbours
SEARCHED = 3e-4  # a cell in the search among many, at LARGE cells
LARGE = 64_000  # cells beyond which caches and searches wear thin
GENE = 1.5e-3  # LTMG of a gene of 1,000 cells
PASS = 4e-3  # calling dgl and torch, an epoch of the graph autoencoder
CLUSTERED = 3e-4  # a cell in a clustering that tries numbers of clusters
LINKED = 3e-5  # a cell in communities of a graph
SCORED = 20_000  # cells that scores look at
CLUSTERS = 10  # as many as are expected
WAITS = 6  # times the patience, until cells that are held out are rebuilt no better
AWAKE = 0.45  # part of a rectified autoencoder that a training moves
LIBRARIES = 500.0  # megabytes of torch, dgl, scipy and scikit-learn


class Size(NamedTuple):
    """Of a data set as it is read."""

    cells: int
    genes: int
    nonzeros: int


class Estimate(NamedTuple):
    """Of one stage: how often, how long each time, and the memory of the process meanwhile."""

    times: int
    seconds: float
    megabytes: float


def size_of(recipe: Recipe) -> Size | None:
    """The size of a recipe's data where it can be had without reading them, else None."""
    shape = recipe.data.reader.shape()
    return None if shape is None else Size(*shape)


def speed() -> float:
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


def estimate(recipe: Recipe, size: Size, slowness: float = 1.0) -> dict[str, Estimate]:
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
    if not isinstance(recipe.pipeline, Pass):
        return {}  # nothing is known of what a stranger's pipeline does
    pipeline: Any = recipe.pipeline
    n, genes = size.cells, size.genes
    for transform in recipe.data.transforms:
        if isinstance(transform, TopGenes):
            genes = min(genes, transform.n)
    rounds = getattr(pipeline, "max_iterations", 0)
    density = size.nonzeros / max(size.cells * size.genes, 1)
    read = LIBRARIES + 20e-6 * size.nonzeros
    decoder = pipeline.feature_decoder
    rebuilt = 0.0 if on_demand(decoder, n, genes) else 4e-6 * n * genes
    found: dict[str, list[tuple[float, float]]] = {}

    def add(stage: str, seconds: float, megabytes: float, times: int = 1) -> None:
        found.setdefault(stage, []).extend([(seconds * slowness, read + megabytes)] * times)

    if pipeline.signal_model() is not None:
        add("LTMG", genes * GENE * (n * density / 250) ** 0.4, 12e-6 * n * genes * density)
    network = pipeline.feature_encoder

    def train(stage: str, training: Training, times: int = 1, parts: int = 1) -> None:
        megabytes = (2 + (times > 1)) * rebuilt + _batch(training, n, genes)
        add(stage, _trained(training, network, n, genes, parts), megabytes, times)

    if decoder is not None:
        train("feature autoencoder", pipeline.feature_training)
        if rounds:
            train("feature autoencoder", pipeline.iteration_training, rounds)
        if rounds and pipeline.cluster_autoencoders:
            train("cluster autoencoders", pipeline.cluster_training, rounds, CLUSTERS)
    kept = 2 * rebuilt
    edges = 0.0
    if pipeline.graph_builder is not None:
        k = _neighbours(pipeline.graph_builder, n)
        edges = 1.6 * n * k
        many = n > getattr(pipeline.graph_builder, "exact_up_to", EXACT_UP_TO)
        seconds = n * SEARCHED * max(1.0, n / LARGE) ** 0.6 if many else n * n * NEAR
        add("cell graph", seconds + n * 2e-5, kept + n * 6.5e-3 + 60e-6 * edges, rounds + 1)
    if pipeline.graph_encoder is not None:
        seconds, megabytes = _graph(pipeline, n, edges)
        add("graph autoencoder", seconds, kept + megabytes, rounds + 1)
    counted = isinstance(pipeline.clusterer, Counted)
    seconds = 0.5 + n * (CLUSTERED if counted else LINKED)
    add("clustering", seconds, kept + 100e-6 * edges, rounds + 1)
    if getattr(pipeline, "impute", False) is True:
        train("imputation", pipeline.imputation_training)
    add("scores", 0.5 + min(n, SCORED) * 4e-5, kept + 60e-6 * edges)
    return {
        stage: Estimate(len(each), sum(s for s, _ in each) / len(each), max(m for _, m in each))
        for stage, each in found.items()
    }


def _trained(training: Training, network: Any, n: int, genes: int, parts: int = 1) -> float:
    """Seconds of a training of the autoencoder, or of one for each of some parts of the cells."""
    hidden = getattr(network, "hidden", ())
    widths = (genes, *hidden)
    weights = 2 * sum(a * b for a, b in pairwise(widths)) or genes
    first = genes * (hidden[0] if hidden else 1)
    dying = getattr(network, "output_activation", "") == "relu"
    awake = AWAKE if dying and not (training.l1 or training.l2) else 1.0
    faster = 2.0 if training.precision == "bfloat16" else 1.0
    steps = parts * math.ceil(n / parts / training.batch_size)
    seen = n
    if 0 < training.steps_per_epoch < steps:
        steps = training.steps_per_epoch
        seen = min(n, steps * training.batch_size)
    products = 2 * seen * (3 * weights - first) * awake / STANDARD / faster
    moved = seen * genes * ELEMENT * (1.5 if steps > parts else 1.0)
    epoch = products + moved + steps * (STEP + weights * WEIGHT * awake)
    return FIRST + _epochs(training) * epoch + 4 * n * weights / STANDARD


def _epochs(training: Training) -> int:
    """How many are expected; those of a loss that may fall to the end are all."""
    soon = WAITS * training.patience if training.held_out else 0
    return min(training.epochs, soon or training.epochs)


def _batch(training: Training, n: int, genes: int) -> float:
    """Megabytes of a step: its cells, and what the networks make of them."""
    return 28e-6 * min(n, training.batch_size) * genes


def _neighbours(builder: Any, n: int) -> float:
    if isinstance(builder, KNN):
        from scgnn.components.graph_builders import neighbour_count

        return float(neighbour_count(builder.k, n))
    return 15.0


def _graph(pipeline: Any, n: int, edges: float) -> tuple[float, float]:
    """Seconds and megabytes of a graph autoencoder."""
    training, decoder = pipeline.graph_training, pipeline.graph_decoder
    widths = sum(getattr(pipeline.graph_encoder, "hidden", (32, 16)))
    plain = getattr(pipeline.graph_builder, "weights", "distance") == "binary"
    epoch = OF_GRAPH * n + (edges + n) * EDGE * (1 if plain else WEIGHED) * widths / 48
    epoch = PASS + epoch * max(1.0, n / LARGE) ** 0.4
    megabytes = n * 3e-3 + edges * 30e-6
    if pipeline.graph_neighbours and training.batch_size < n:
        epoch = HEARD * n * pipeline.graph_neighbours
    elif isinstance(decoder, InnerProductSampled):
        taken = min(edges, decoder.edges)
        epoch += taken * (TAKEN + decoder.pairs * DRAWN)
        megabytes += decoder.pairs * taken * 100e-6
    elif isinstance(decoder, InnerProduct):
        epoch += n * n * PAIR
        megabytes += decoder.block * n * 16e-6
    return training.epochs * epoch, megabytes
