"""How long a recipe may take and how much memory it may need, before it runs.

A small model: what each stage multiplies and moves, at the speed of this machine, which is
measured in a twentieth of a second. Its constants come from single measurements of each part and
have not been fitted to whole runs yet: benchmarks/scaling.py sets it beside what such runs took.
The loop counts as often as it may run.
"""

from __future__ import annotations

import math
import time
from itertools import pairwise
from typing import Any, NamedTuple

from scgnn.components.clusterers import Counted
from scgnn.components.decoders import InnerProduct, InnerProductSampled
from scgnn.components.graph_builders import KNN
from scgnn.components.regularizers import LTMGStates
from scgnn.components.transforms import TopGenes
from scgnn.pipelines.passes import Pass
from scgnn.recipe import Recipe
from scgnn.training import Training

STANDARD = 80e9  # multiplications and additions a second of the machine the constants are for
ELEMENT = 4e-9  # seconds for a value of cells x genes in an epoch: what is not matrix products
WEIGHT = 1.4e-9  # Adam's step, a weight
STEP = 7e-4  # calling torch, a step of a training
PAIR = 1.9e-9  # a pair of cells in the exact loss of the graph autoencoder
DRAWN = 6e-8  # a sampled pair
EDGE = 3e-7  # an edge in an epoch of message passing
NEAR = 9e-9  # a pair of cells in the search of neighbours
GENE = 1.5e-3  # LTMG of a gene of 1,000 cells
CLUSTERED = 3e-4  # a cell in a clustering
CLUSTERS = 10  # as many as are expected
WAITS = 5  # times the patience, until cells that are held out are rebuilt no better
AWAKE = 0.45  # part of a rectified autoencoder that a training moves
LIBRARIES = 660.0  # megabytes of torch, dgl, scipy and scikit-learn


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
    import torch

    one, two = torch.ones(256, 1024), torch.ones(1024, 512)
    took = []
    for _ in range(8):
        start = time.perf_counter()
        one @ two
        took.append(time.perf_counter() - start)
    return 2 * one.shape[0] * two.numel() / torch.get_num_threads() / min(took)


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
    read = LIBRARIES + 24e-6 * size.nonzeros
    dense = 4e-6 * n * genes
    found: dict[str, list[tuple[float, float]]] = {}

    def add(stage: str, seconds: float, megabytes: float, times: int = 1) -> None:
        found.setdefault(stage, []).extend([(seconds * slowness, read + megabytes)] * times)

    if any(isinstance(r, LTMGStates) for r in pipeline.regularizers()):
        add("LTMG", genes * GENE * (n * density / 250) ** 0.4, 12e-6 * n * genes * density)
    stack = getattr(pipeline.feature_encoder, "hidden", ())
    if pipeline.feature_decoder is not None:
        kept = _kept(dense, n, pipeline.feature_training)
        add("feature autoencoder", _trained(pipeline.feature_training, stack, n, genes), kept)
        if rounds:
            budget = pipeline.iteration_training
            kept = _kept(dense, n, budget) + dense
            add("feature autoencoder", _trained(budget, stack, n, genes), kept, rounds)
        if rounds and pipeline.cluster_autoencoders:
            budget = pipeline.cluster_training
            seconds = _trained(budget, stack, n, genes, parts=CLUSTERS)
            add("cluster autoencoders", seconds, _kept(dense, n, budget) + dense, rounds)
    edges = 0.0
    if pipeline.graph_builder is not None:
        k = _neighbours(pipeline.graph_builder, n)
        edges = 1.6 * n * k
        add("cell graph", n * n * NEAR + n * 1e-4, 3 * dense + 60e-6 * edges, rounds + 1)
    if pipeline.graph_encoder is not None:
        seconds, megabytes = _graph(pipeline, n, edges)
        add("graph autoencoder", seconds, 2 * dense + megabytes, rounds + 1)
    counts = isinstance(pipeline.clusterer, Counted)
    seconds = n * CLUSTERED * (1 if counts else 0.3) + 0.05
    add("clustering", seconds, 2 * dense + 100e-6 * edges, rounds + 1)
    if getattr(pipeline, "impute", False) is True:
        budget = pipeline.imputation_training
        add("imputation", _trained(budget, stack, n, genes), _kept(dense, n, budget) + 2 * dense)
    add("scores", 0.05 + n * 2e-4, 2 * dense)
    return {
        stage: Estimate(len(each), sum(s for s, _ in each) / len(each), max(m for _, m in each))
        for stage, each in found.items()
    }


def _trained(
    training: Training, hidden: tuple[int, ...], n: int, genes: int, parts: int = 1
) -> float:
    """Seconds of a training of the autoencoder, or of one for each of some parts of the cells."""
    widths = (genes, *hidden)
    weights = 2 * sum(a * b for a, b in pairwise(widths)) or genes
    first = genes * (hidden[0] if hidden else 1)
    awake = 1.0 if training.l1 or training.l2 else AWAKE
    faster = 2.0 if training.precision == "bfloat16" else 1.0
    steps = parts * math.ceil(n / parts / training.batch_size)
    if 0 < training.steps_per_epoch < steps:
        steps = training.steps_per_epoch
        n = min(n, steps * training.batch_size)
    products = 2 * n * (3 * weights - first) * awake / STANDARD / faster
    moved = n * genes * ELEMENT * (1.5 if steps > parts else 1.0)
    return _epochs(training) * (products + moved + steps * (STEP + weights * WEIGHT * awake))


def _epochs(training: Training) -> int:
    """How many are expected; those of a loss that may fall to the end are all."""
    soon = WAITS * training.patience if training.held_out else 0
    return min(training.epochs, soon or training.epochs)


def _kept(dense: float, n: int, training: Training) -> float:
    """Megabytes of a training: the input, the output, and what a step needs of a batch."""
    return dense * (3 + 6 * min(1.0, training.batch_size / n))


def _neighbours(builder: Any, n: int) -> float:
    if isinstance(builder, KNN):
        from scgnn.components.graph_builders import neighbour_count

        return float(neighbour_count(builder.k, n))
    return 15.0


def _graph(pipeline: Any, n: int, edges: float) -> tuple[float, float]:
    """Seconds and megabytes of a graph autoencoder."""
    training, decoder = pipeline.graph_training, pipeline.graph_decoder
    widths = sum(getattr(pipeline.graph_encoder, "hidden", (32, 16)))
    epoch = (edges + n) * EDGE * widths / 48 + STEP
    megabytes = (edges + n) * widths * 12e-6
    if isinstance(decoder, InnerProductSampled):
        drawn = decoder.pairs * min(edges, decoder.edges)
        epoch += drawn * DRAWN
        megabytes += drawn * 16 * 12e-6
    elif isinstance(decoder, InnerProduct):
        epoch += n * n * PAIR
        megabytes += decoder.block * n * 16e-6
    return training.epochs * epoch, megabytes
