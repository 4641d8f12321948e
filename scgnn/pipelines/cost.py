"""Cost estimates of the stages of pipelines that embed and cluster.

The constants were fitted to runs of scgnn_fast by ``benchmarks/scaling.py``, which compares them
with runs of any recipe.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from scgnn.components.graph_builders.contract import LARGE_N_CELLS
from scgnn.field_types import Cost, DatasetSize
from scgnn.pipelines.reconstruction import is_lazy
from scgnn.training.settings import Training

REFERENCE_FLOPS = 95e9  # a second, of one thread of the reference machine
SECONDS_PER_ELEMENT = 4e-9  # of cells x genes in an epoch, besides matrix products
SECONDS_PER_WEIGHT = 2.5e-9  # in a step: gradient and Adam
SECONDS_PER_STEP = 7e-4  # calls of torch
IMPORT_SECONDS = 1.0  # before the first training
ACTIVE_FRACTION = 0.45  # of the weights of a ReLU autoencoder, once units are inactive
ALL_ACTIVE_EPOCHS = 100  # of a first training, before units are inactive
EPOCHS_PER_PATIENCE = 6  # until the validation loss stops improving
EXPECTED_CLUSTERS = 10

SECONDS_PER_EDGE = 3.5e-8  # in an epoch of message passing, at 48 units
SECONDS_PER_NODE = 7e-7  # in an epoch of the graph autoencoder
SECONDS_PER_SAMPLED_NEIGHBOR = 6e-5  # of a node in an epoch of mini-batches
SECONDS_PER_GRAPH_EPOCH = 4e-3  # calls of torch

MEGABYTES_PER_WEIGHT = 16e-6  # with its gradient and two moments of Adam
MEGABYTES_PER_UNIT = 16e-6  # of a layer, for each cell of a batch
FITTED_WEIGHTS = 5_000_000  # of a network, whose memory LIBRARY_MEMORY_MB includes
FITTED_GRAPH_UNITS = 64  # of a graph encoder, whose memory its cells include

MAX_SCORED_CELLS = 20_000


def estimate_stages(pipeline: Any, size: DatasetSize) -> Iterator[tuple[str, int, Cost]]:
    """Yield label, number of repeats and cost of each stage; all iterations count."""
    n, n_genes = size.n_cells, size.n_genes
    n_iterations = getattr(pipeline, "max_iterations", 0)
    decoder, builder = pipeline.feature_decoder, pipeline.graph_builder
    decoder_widths = getattr(decoder, "hidden", None) or ()
    stored_mb = 0.0 if is_lazy(decoder, n, n_genes) else 4e-6 * n * n_genes
    if (model := pipeline.ltmg_model()) is not None:
        yield "LTMG", 1, model.estimate_cost(size)

    def train(
        stage: str,
        training: Training,
        n_repeats: int = 1,
        n_parts: int = 1,
        is_first: bool = False,
    ) -> Any:
        n_stored = 2 + (n_repeats > 1)
        memory_mb = n_stored * stored_mb + 28e-6 * min(n, training.batch_size) * n_genes
        hidden = (*pipeline.feature_encoder.estimate_widths(n_genes)[1:], *decoder_widths)
        memory_mb += (
            MEGABYTES_PER_UNIT * min(n, training.batch_size) * max(sum(hidden) - n_genes, 0)
        )
        memory_mb += _estimate_weight_memory((n_genes, *hidden, n_genes))
        args = training, pipeline.feature_encoder, n, n_genes, n_parts, is_first
        seconds = estimate_training(*args)
        return stage, n_repeats, Cost(seconds, memory_mb)

    if decoder is not None:
        yield train("feature autoencoder", pipeline.feature_training, is_first=True)
        if n_iterations:
            yield train("feature autoencoder", pipeline.iteration_training, n_iterations)
            if pipeline.cluster_autoencoders:
                training = pipeline.cluster_training
                yield train("cluster autoencoders", training, n_iterations, EXPECTED_CLUSTERS)
    else:
        widths = pipeline.feature_encoder.estimate_widths(n_genes)
        memory_mb = MEGABYTES_PER_UNIT * n * max(sum(widths[1:]) - n_genes, 0)
        memory_mb += _estimate_weight_memory(widths)
        if memory_mb:  # a projection of ordinary width costs next to nothing
            yield "feature embedding", 1, Cost(0.0, memory_mb)
    n_edges = 0.0 if builder is None else builder.estimate_n_edges(n)
    stages = {}
    if builder is not None:
        stages["cell graph"] = builder.estimate_cost(n)
    if pipeline.graph_encoder is not None:
        stages["graph autoencoder"] = _estimate_graph_autoencoder(pipeline, size, n_edges)
    seconds = 0.5 + n * pipeline.clusterer.seconds_per_cell
    stages["clustering"] = Cost(seconds, 100e-6 * n_edges)
    for stage, cost in stages.items():
        yield stage, n_iterations + 1, cost._replace(memory_mb=2 * stored_mb + cost.memory_mb)
    if getattr(pipeline, "imputation", None) == "autoencoder":
        yield train("imputation", pipeline.imputation_training)
    seconds = 0.5 + min(n, MAX_SCORED_CELLS) * 4e-5
    yield "scores", 1, Cost(seconds, 2 * stored_mb + 60e-6 * n_edges)


def estimate_training(
    training: Training,
    encoder: Any,
    n_cells: int,
    n_genes: int,
    n_parts: int = 1,
    is_first: bool = True,
) -> float:
    """Return the seconds of training an autoencoder, or one for each part of the cells.

    Parameters
    ----------
    training
        Epochs, batches and penalties.
    encoder
        Encoder of the autoencoder; its decoder is as large.
    n_cells, n_genes
        Size of the data.
    n_parts
        Number of parts of the cells.
    is_first
        Whether the weights are new, so that no unit is inactive yet.
    """
    widths = encoder.estimate_widths(n_genes)
    n_weights = 2 * sum(a * b for a, b in pairwise(widths)) or n_genes
    n_first = math.prod(widths[:2])  # of the first layer, whose input needs no gradient
    has_inactive = getattr(encoder, "output_activation", None) == "relu"
    is_penalized = training.l1 or training.l2
    active = 1.0
    if has_inactive and not is_penalized:
        n_all_active = min(ALL_ACTIVE_EPOCHS, training.epochs) if is_first else 0
        active -= (1 - ACTIVE_FRACTION) * (1 - n_all_active / training.epochs)
    flops = REFERENCE_FLOPS * (2.0 if training.precision == "bfloat16" else 1.0)
    n_steps, n_trained = n_parts * math.ceil(n_cells / n_parts / training.batch_size), n_cells
    if training.steps_per_epoch is not None and training.steps_per_epoch < n_steps:
        n_steps = training.steps_per_epoch
        n_trained = min(n_cells, n_steps * training.batch_size)
    products = 2 * n_trained * (3 * n_weights - n_first) * active / flops
    copies = n_trained * n_genes * SECONDS_PER_ELEMENT * (1.5 if n_steps > n_parts else 1.0)
    steps = n_steps * (SECONDS_PER_STEP + n_weights * SECONDS_PER_WEIGHT * active)
    prediction = 4 * n_cells * n_weights / REFERENCE_FLOPS
    n_epochs = training.epochs  # all of them without a validation loss
    if training.validation_fraction and training.early_stopping_patience:
        n_epochs = min(n_epochs, EPOCHS_PER_PATIENCE * training.early_stopping_patience)
    return IMPORT_SECONDS + n_epochs * (products + copies + steps) + prediction


def _estimate_weight_memory(widths: tuple[int, ...], n_copies: int = 1) -> float:
    """Return the memory of dense layers of these widths beyond that of an ordinary network."""
    n_weights = n_copies * sum(a * b for a, b in pairwise(widths))
    return MEGABYTES_PER_WEIGHT * max(n_weights - FITTED_WEIGHTS, 0)


def _estimate_graph_autoencoder(pipeline: Any, size: DatasetSize, n_edges: float) -> Cost:
    n_cells, encoder = size.n_cells, pipeline.graph_encoder
    training, memory_mb = pipeline.graph_training, n_cells * 3e-3 + n_edges * 30e-6
    widths = encoder.estimate_widths(pipeline.feature_encoder.estimate_widths(size.n_genes)[-1])
    n_copies = getattr(encoder, "heads", 1) * (1 + getattr(encoder, "hops", 0))
    n_extra_units = max(n_copies * sum(widths[1:]) - FITTED_GRAPH_UNITS * n_copies, 0)
    memory_mb += MEGABYTES_PER_UNIT * n_cells * n_extra_units
    memory_mb += _estimate_weight_memory(widths, n_copies)
    if pipeline.graph_fanout and training.batch_size < n_cells:
        epoch = SECONDS_PER_SAMPLED_NEIGHBOR * n_cells * pipeline.graph_fanout
        return Cost(training.epochs * epoch, memory_mb)
    n_units = sum(widths[1:]) or 48
    per_edge = SECONDS_PER_EDGE * n_units / 48
    epoch = SECONDS_PER_NODE * n_cells + (n_edges + n_cells) * per_edge
    epoch = SECONDS_PER_GRAPH_EPOCH + epoch * max(1.0, n_cells / LARGE_N_CELLS) ** 0.4
    loss = pipeline.graph_decoder.estimate_epoch(n_cells, n_edges)
    return Cost(training.epochs * (epoch + loss.seconds), memory_mb + loss.memory_mb)
