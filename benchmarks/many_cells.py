"""What each stage costs a cell, and what that makes of 10 and 100 million cells on paper.

    python benchmarks/many_cells.py                          # 25k, 50k and 100k cells, minutes
    python benchmarks/many_cells.py --cells 50000 100000 200000

Simulated: twenty groups in ten dimensions, rectified to an embedding of 128 numbers; expression of
2,000 genes, a tenth of it not zero. One thread; every figure is of a process of its own. Seconds of
a cell are those of the largest size; the power of the cells by which a stage grows is fitted to all
sizes. What lies beyond the largest size is extrapolated.
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
from scgnn.components.decoders import MLP as Rebuilding
from scgnn.components.decoders import InnerProductSampled
from scgnn.components.encoders import GCN, MLP
from scgnn.components.graph_builders import KNN
from scgnn.evaluation.clustering import internal_scores
from scgnn.execution.resources import PeakMemory, set_threads
from scgnn.pipelines.autoencoders import Autoencoder, expression, fit_features
from scgnn.pipelines.graph_autoencoder import fit_graph
from scgnn.pipelines.reconstruction import always_zero
from scgnn.state import State
from scgnn.training.budget import Training

WIDTH, GENES, GROUPS, K = 128, 2000, 20, 10
MOST = 20_000  # cells of what costs every cell the same and is dear
SEEDS = 1024  # cells of a mini-batch of the graph autoencoder
FAN_OUT = 5  # neighbours drawn of each cell, in each layer


class Cost(NamedTuple):
    seconds: float
    bytes: float  # of memory besides the input, a cell


def cells_in_groups(n: int) -> np.ndarray:
    """An embedding, cells x WIDTH."""
    rng = np.random.default_rng(0)
    place = rng.normal(scale=2, size=(GROUPS, 10))[rng.integers(0, GROUPS, n)]
    place += rng.normal(size=place.shape)
    return np.maximum(place @ rng.normal(size=(10, WIDTH)), 0).astype(np.float32)


def graph_of(n: int) -> sparse.csr_matrix:
    """A graph like that of the embedding, at no cost: K cells nearby along a circle, not all."""
    rng = np.random.default_rng(1)
    rows = np.repeat(np.arange(n), K)
    group = n // 50
    cols = (rows // group * group + rng.integers(0, group, len(rows))) % n
    graph = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, cols)), (n, n))
    graph.setdiag(0)
    graph.eliminate_zeros()
    graph.data[:] = 1
    return sparse.csr_matrix(graph.maximum(graph.T))


def counts_of(n: int) -> State:
    """Expression, sparse."""
    x = sparse.random(n, GENES, 0.1, "csr", np.float32, np.random.default_rng(0))
    return State(x, np.arange(GENES).astype(str), np.arange(n).astype(str))


def neighbours(n: int) -> Callable[[], Any]:
    embedding = cells_in_groups(n)
    return lambda: KNN(k=K)(embedding, 0)


def clusters(clusterer: Any) -> Callable[[int], Callable[[], Any]]:
    def prepare(n: int) -> Callable[[], Any]:
        graph = KNN(k=K)(cells_in_groups(n), 0)
        embedding = np.ascontiguousarray(cells_in_groups(n)[:, :16])
        return lambda: clusterer(embedding, graph, 0)

    return prepare


def graph_epochs(epochs: int, neighbours: int = 0) -> Callable[[int], Callable[[], Any]]:
    """On the whole graph, or in mini-batches of cells whose neighbours are drawn."""

    def prepare(n: int) -> Callable[[], Any]:
        embedding, graph = cells_in_groups(n), graph_of(n)
        training = Training(epochs=epochs, learning_rate=1e-2, batch_size=SEEDS)
        parts = GCN(), InnerProductSampled(), training
        return lambda: fit_graph(*parts, embedding, graph, "raw", 0.0, neighbours, 0)

    return prepare


def feature_epochs(epochs: int) -> Callable[[int], Callable[[], Any]]:
    def prepare(n: int) -> Callable[[], Any]:
        state = counts_of(n)
        parts = Autoencoder(MLP(), Rebuilding(), 1.0)
        training = Training(epochs=epochs, batch_size=1024)
        return lambda: fit_features(parts, training, state, 0, None)

    return prepare


def rebuilding(n: int) -> Callable[[], Any]:
    """Every row of what was rebuilt, once."""
    from scgnn.pipelines import reconstruction

    reconstruction.LARGEST = 0
    state, parts = counts_of(n), Autoencoder(MLP(), Rebuilding(), 1.0)
    fitted = fit_features(parts, Training(epochs=1), state, 0, None)
    return lambda: always_zero(expression(parts, fitted, GENES))


def scores(n: int) -> Callable[[], Any]:
    embedding = cells_in_groups(n)[:, :16]
    labels = np.random.default_rng(0).integers(0, GROUPS, n)
    return lambda: internal_scores(embedding, labels, 0)


STAGES: dict[str, tuple[Callable[[int], Callable[[], Any]], bool]] = {  # and whether it is cut off
    "cell graph": (neighbours, False),
    "louvain": (clusters(Louvain()), False),
    "leiden": (clusters(Leiden()), False),
    "kmeans": (clusters(KMeans(k=GROUPS)), False),
    "scores": (scores, False),
    "graph autoencoder, 1 epoch": (graph_epochs(1), False),
    "graph autoencoder, 3 epochs": (graph_epochs(3), False),
    "graph autoencoder, an epoch in mini-batches": (graph_epochs(1, FAN_OUT), True),
    "feature autoencoder, 1 epoch": (feature_epochs(1), True),
    "feature autoencoder, 3 epochs": (feature_epochs(3), True),
    "rebuilding all rows": (rebuilding, True),
}


def cost(stage: str, n: int) -> Cost:
    """Of a stage, in this process."""
    import psutil

    set_threads(1)
    work = STAGES[stage][0](n)
    before = psutil.Process(os.getpid()).memory_info().rss
    start = time.process_time()
    with PeakMemory() as peak:
        work()
    return Cost(time.process_time() - start, (peak.megabytes * 1e6 - before) / n)


def power(sizes: list[int], seconds: list[float]) -> float:
    """Of the cells by which a stage grows, at least 1."""
    if len(sizes) < 2:
        return 1.0
    return max(1.0, float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0]))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--cells", type=int, nargs="+", default=[25_000, 50_000, 100_000])
    words.add_argument("--stages", nargs="+", default=list(STAGES))
    asked = words.parse_args()
    spawn = multiprocessing.get_context("spawn")
    header = ("stage", "s a million", "power", "B a cell", "h 10 M", "h 100 M")
    print("{:<44}{:>12}{:>7}{:>10}{:>9}{:>9}".format(*header))
    for stage in asked.stages:
        sizes = [MOST // 2, MOST] if STAGES[stage][1] else asked.cells
        with ProcessPoolExecutor(1, spawn, max_tasks_per_child=1) as pool:
            found = list(pool.map(cost, [stage] * len(sizes), sizes))
        grows, last = power(sizes, [each.seconds for each in found]), found[-1]
        hours = [last.seconds * (n / sizes[-1]) ** grows / 3600 for n in (1e7, 1e8)]
        million = last.seconds / sizes[-1] * 1e6
        figures = (
            f"{million:>12,.1f}{grows:>7.2f}{last.bytes:>10,.0f}{hours[0]:>9,.2f}{hours[1]:>9,.1f}"
        )
        print(
            f"{stage:<44}{figures}   " + ", ".join(f"{each.seconds:.1f}" for each in found),
            flush=True,
        )


if __name__ == "__main__":
    main()
