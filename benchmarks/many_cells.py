"""Benchmark of the cost per cell of each stage, extrapolated to 10 and 100 million cells.

    python benchmarks/many_cells.py                          # 25k, 50k and 100k cells, minutes
    python benchmarks/many_cells.py --cells 50000 100000 200000

Simulated data: twenty groups in ten dimensions, mapped to a rectified embedding of 128 dimensions;
expression of 2,000 genes with 10 % non-zeros. Each stage is measured in its own process on one
thread. Seconds per cell are those of the largest size; the exponent is fitted to all sizes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from scgnn.components.clusterers import KMeans, Leiden, Louvain
from scgnn.components.decoders import MLPDecoder as Rebuilding
from scgnn.components.decoders import SampledInnerProductDecoder
from scgnn.components.encoders import GCN, MLPEncoder
from scgnn.components.graph_builders import KNN
from scgnn.evaluation.clustering import score_separation
from scgnn.execution.resources import PeakMemory, set_threads
from scgnn.pipelines.autoencoders import Autoencoder, fit_feature_autoencoder, reconstruct
from scgnn.pipelines.graph_autoencoder import fit_graph_autoencoder
from scgnn.pipelines.reconstruction import count_zero_columns
from scgnn.state import State
from scgnn.training.settings import Training

EMBEDDING_DIM, N_GENES, N_GROUPS, N_NEIGHBORS = 128, 2000, 20, 10
MAX_CAPPED_CELLS = 20_000  # for expensive stages whose cost per cell is constant
BATCH_SIZE = 1024  # cells of a mini-batch of the graph autoencoder
FANOUT = 5  # sampled neighbors per cell and layer


class StageMeasurement(NamedTuple):
    seconds: float
    bytes_per_cell: float  # peak memory per cell in addition to the input


def simulate_embedding(n: int) -> np.ndarray:
    """Simulate an embedding, cells x EMBEDDING_DIM."""
    rng = np.random.default_rng(0)
    place = rng.normal(scale=2, size=(N_GROUPS, 10))[rng.integers(0, N_GROUPS, n)]
    place += rng.normal(size=place.shape)
    return np.maximum(place @ rng.normal(size=(10, EMBEDDING_DIM)), 0).astype(np.float32)


def simulate_graph(n: int) -> sparse.csr_matrix:
    """Simulate a graph as sparse as that of the embedding: nearby cells on a circle."""
    rng = np.random.default_rng(1)
    rows = np.repeat(np.arange(n), N_NEIGHBORS)
    group = n // 50
    cols = (rows // group * group + rng.integers(0, group, len(rows))) % n
    graph = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, cols)), (n, n))
    graph.setdiag(0)
    graph.eliminate_zeros()
    graph.data[:] = 1
    return sparse.csr_matrix(graph.maximum(graph.T))


def simulate_expression(n: int) -> State:
    """Simulate expression, CSR, cells x genes."""
    x = sparse.random(n, N_GENES, 0.1, "csr", np.float32, np.random.default_rng(0))
    return State(x, np.arange(N_GENES).astype(str), np.arange(n).astype(str))


def prepare_neighbors(n: int) -> Callable[[], Any]:
    embedding = simulate_embedding(n)
    return lambda: KNN(n_neighbors=N_NEIGHBORS)(embedding, 0)


def prepare_clustering(clusterer: Any) -> Callable[[int], Callable[[], Any]]:
    def prepare(n: int) -> Callable[[], Any]:
        graph = KNN(n_neighbors=N_NEIGHBORS)(simulate_embedding(n), 0)
        embedding = np.ascontiguousarray(simulate_embedding(n)[:, :16])
        return lambda: clusterer.fit_predict(embedding, graph, 0)

    return prepare


def prepare_graph_training(epochs: int, fanout: int = 0) -> Callable[[int], Callable[[], Any]]:
    """Return a training of the graph autoencoder, on the full graph or in mini-batches."""

    def prepare(n: int) -> Callable[[], Any]:
        embedding, graph = simulate_embedding(n), simulate_graph(n)
        training = Training(epochs=epochs, learning_rate=1e-2, batch_size=BATCH_SIZE)
        parts = GCN(), SampledInnerProductDecoder(), training
        return lambda: fit_graph_autoencoder(*parts, embedding, graph, "raw", 0.0, fanout, 0)

    return prepare


def prepare_feature_training(epochs: int) -> Callable[[int], Callable[[], Any]]:
    def prepare(n: int) -> Callable[[], Any]:
        state = simulate_expression(n)
        parts = Autoencoder(MLPEncoder(), Rebuilding(), 1.0)
        training = Training(epochs=epochs, batch_size=1024)
        return lambda: fit_feature_autoencoder(parts, training, state, 0, None)

    return prepare


def prepare_reconstruction(n: int) -> Callable[[], Any]:
    """Return a pass over all rows of a lazy reconstruction."""
    from scgnn.pipelines import reconstruction

    reconstruction.MAX_STORED_VALUES = 0
    state, parts = simulate_expression(n), Autoencoder(MLPEncoder(), Rebuilding(), 1.0)
    fitted = fit_feature_autoencoder(parts, Training(epochs=1), state, 0, None)
    return lambda: count_zero_columns(reconstruct(parts, fitted, N_GENES))


def prepare_scores(n: int) -> Callable[[], Any]:
    embedding = simulate_embedding(n)[:, :16]
    labels = np.random.default_rng(0).integers(0, N_GROUPS, n)
    return lambda: score_separation(embedding, labels, 0)


# function that prepares a stage for n cells, and whether MAX_CAPPED_CELLS applies
STAGES: dict[str, tuple[Callable[[int], Callable[[], Any]], bool]] = {
    "cell graph": (prepare_neighbors, False),
    "louvain": (prepare_clustering(Louvain()), False),
    "leiden": (prepare_clustering(Leiden()), False),
    "kmeans": (prepare_clustering(KMeans(n_clusters=N_GROUPS)), False),
    "scores": (prepare_scores, False),
    "graph autoencoder, 1 epoch": (prepare_graph_training(1), False),
    "graph autoencoder, 3 epochs": (prepare_graph_training(3), False),
    "graph autoencoder, an epoch in mini-batches": (prepare_graph_training(1, FANOUT), True),
    "feature autoencoder, 1 epoch": (prepare_feature_training(1), True),
    "feature autoencoder, 3 epochs": (prepare_feature_training(3), True),
    "rebuilding all rows": (prepare_reconstruction, True),
}


def measure_stage(stage: str, n: int) -> StageMeasurement:
    """Measure a stage in this process."""
    import psutil

    set_threads(1)
    work = STAGES[stage][0](n)
    before = psutil.Process(os.getpid()).memory_info().rss
    start = time.process_time()
    with PeakMemory() as peak:
        work()
    return StageMeasurement(time.process_time() - start, (peak.megabytes * 1e6 - before) / n)


def fit_exponent(sizes: list[int], seconds: list[float]) -> float:
    """Fit the exponent of the growth with cells, at least 1."""
    if len(sizes) < 2:
        return 1.0
    return max(1.0, float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[25_000, 50_000, 100_000])
    parser.add_argument("--stages", nargs="+", default=list(STAGES))
    args = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    header = ("stage", "s a million", "power", "B a cell", "h 10 M", "h 100 M")
    print("{:<44}{:>12}{:>7}{:>10}{:>9}{:>9}".format(*header))
    for stage in args.stages:
        sizes = [MAX_CAPPED_CELLS // 2, MAX_CAPPED_CELLS] if STAGES[stage][1] else args.cells
        with ProcessPoolExecutor(1, spawn, max_tasks_per_child=1) as pool:
            costs = list(pool.map(measure_stage, [stage] * len(sizes), sizes))
        exponent, last = fit_exponent(sizes, [cost.seconds for cost in costs]), costs[-1]
        hours = [last.seconds * (n / sizes[-1]) ** exponent / 3600 for n in (1e7, 1e8)]
        million = last.seconds / sizes[-1] * 1e6
        figures = f"{million:>12,.1f}{exponent:>7.2f}{last.bytes_per_cell:>10,.0f}"
        figures += f"{hours[0]:>9,.2f}{hours[1]:>9,.1f}"
        print(
            f"{stage:<44}{figures}   " + ", ".join(f"{cost.seconds:.1f}" for cost in costs),
            flush=True,
        )


if __name__ == "__main__":
    main()
