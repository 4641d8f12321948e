"""Estimates of the time and memory of a recipe before it runs.

Components and pipelines estimate their costs on a reference machine; the speed of this one is
measured in a twentieth of a second.
"""

from __future__ import annotations

import time
from functools import cache

import numpy as np

from scgnn.field_types import Cost, DatasetSize, StageEstimate
from scgnn.pipelines.cost import REFERENCE_FLOPS
from scgnn.recipe.recipe import Recipe

LIBRARY_MEMORY_MB = 500.0  # of torch, dgl, scipy and scikit-learn
COMMAND = "start, reading, writing"  # label of what a run does besides its stages
COMMAND_SECONDS = 6.0  # imports, report and baseline, whatever the data
SECONDS_PER_STORED_VALUE = 2e-7  # of the counts, read and written
SECONDS_PER_IMPUTED_VALUE = 1e-8  # of a dense matrix, written
MANY_GENES, MEGABYTES_PER_GENE = 100_000, 200e-6  # a gene beyond these, with its name and values


def get_dataset_size(recipe: Recipe) -> DatasetSize | None:
    """Return the size of a recipe's data, or None if the data must be read for it."""
    shape = recipe.data.reader.peek_shape(recipe.data.layer)
    return None if shape is None else DatasetSize(*shape)


@cache
def measure_slowdown() -> float:
    """Return how many times slower than the reference machine a thread of this one multiplies."""
    from threadpoolctl import threadpool_limits

    a, b = np.ones((256, 1024), np.float32), np.ones((1024, 512), np.float32)
    seconds = []
    with threadpool_limits(1, "blas"):
        for _ in range(15):
            start = time.thread_time()  # without the time of other programs
            a @ b
            seconds.append(time.thread_time() - start)
    return REFERENCE_FLOPS * float(np.median(seconds)) / (2 * len(a) * b.size)


def estimate_stages(
    recipe: Recipe, size: DatasetSize, slowdown: float = 1.0
) -> dict[str, StageEstimate]:
    """Return the estimate of each stage by its label.

    Parameters
    ----------
    recipe
        Recipe whose pipeline estimates its stages; others have none.
    size
        Size of the data before the transforms.
    slowdown
        Ratio of the time on this machine to that on the reference machine.
    """
    n_genes = size.n_genes
    for transform in recipe.data.transforms:
        n_genes = transform.estimate_n_genes(n_genes)
    n_nonzeros = round(size.n_nonzeros * n_genes / max(size.n_genes, 1))
    transformed = DatasetSize(size.n_cells, n_genes, n_nonzeros)
    costs: dict[str, list[Cost]] = {}
    for stage, n_repeats, cost in recipe.pipeline.estimate_stages(transformed):
        costs.setdefault(stage, []).extend([cost] * n_repeats)
    base_mb = LIBRARY_MEMORY_MB + 20e-6 * size.n_nonzeros
    base_mb += MEGABYTES_PER_GENE * max(size.n_genes - MANY_GENES, 0)
    estimates = {}
    for stage, repeats in costs.items():
        seconds, memory_mb = zip(*repeats, strict=True)
        mean_seconds = slowdown * sum(seconds) / len(repeats)
        estimates[stage] = StageEstimate(len(repeats), mean_seconds, base_mb + max(memory_mb))
    if estimates:
        is_imputed = getattr(recipe.pipeline, "imputation", None) is not None
        total = COMMAND_SECONDS + SECONDS_PER_STORED_VALUE * size.n_nonzeros
        total += SECONDS_PER_IMPUTED_VALUE * size.n_cells * n_genes * is_imputed
        estimates[COMMAND] = StageEstimate(1, slowdown * total, base_mb)
    return estimates


def total_seconds(estimates: dict[str, StageEstimate]) -> float:
    """Return the time of all stages, in seconds."""
    return sum(stage.n_repeats * stage.seconds for stage in estimates.values())


def peak_memory_mb(estimates: dict[str, StageEstimate]) -> float:
    """Return the memory of the stage that needs most, in 10^6 bytes."""
    return max((stage.peak_memory_mb for stage in estimates.values()), default=0.0)
