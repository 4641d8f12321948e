"""Benchmark of the cell graph and of the graph autoencoder's loss.

    python benchmarks/graph.py               # 13,000 cells; the loop takes half a minute
    python benchmarks/graph.py --cells 2000

The cell graph is compared with a loop over cells as in the original program (graph_function.py):
for each cell, sort the distances to all others and prune long edges. Its times are wall-clock
seconds on one and on all threads; the loop uses one. The exact loss in blocks is compared with the
dense loss of Kipf & Welling over all pairs, differentiated by torch, in CPU seconds of one thread.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import sparse
from scipy.spatial.distance import cdist
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from scgnn.components.decoders import ExactInnerProductDecoder, make_graph_target
from scgnn.components.graph_builders import KNN
from scgnn.execution.resources import PeakMemory, set_threads


def simulate_embedding(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Simulate an embedding of twenty groups with rectified values, cells x d."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(scale=2, size=(20, d))
    embedding = centers[rng.integers(0, 20, n)] + rng.normal(size=(n, d))
    return np.maximum(embedding, 0).astype(np.float32)


def build_graph_by_loop(embedding: np.ndarray, n_neighbors: int = 10) -> sparse.csr_matrix:
    """Build the cell graph as the original program does, cell by cell."""
    pairs = []
    for i in range(len(embedding)):
        distances = cdist(embedding[i : i + 1], embedding, "euclidean")
        order = distances.argsort()[0, : n_neighbors + 1]
        nearest = distances[0, order[1:]]
        limit = nearest.mean() + nearest.std()
        pairs += [(i, j) for j, d in zip(order[1:], nearest, strict=True) if d <= limit]
    rows, cols = np.array(pairs).T
    n = len(embedding)
    graph = sparse.csr_matrix((np.ones(len(rows)), (rows, cols)), (n, n))
    return graph.maximum(graph.T)


def compute_dense_loss(
    mean: Tensor, log_sd: Tensor, noise: Tensor, label: Tensor, target: Any
) -> Tensor:
    """Return the loss over all pairs of cells at once."""
    z = mean + noise * log_sd.exp()
    weight = torch.tensor(target.pos_weight)
    cost = target.norm * binary_cross_entropy_with_logits(z @ z.T, label, pos_weight=weight)
    inside = 1 + 2 * log_sd - mean.square() - (2 * log_sd).exp()
    return cost - 0.5 / len(mean) * inside.sum(1).mean()


def measure(
    function: Callable[[], Any], repeats: int = 5, clock: Callable[[], float] = time.process_time
) -> tuple[float, float, Any]:
    """Return the median CPU seconds, the additional memory in MB and the last result."""
    import psutil

    took, before = [], psutil.Process().memory_info().rss / 1e6
    with PeakMemory() as peak:
        for _ in range(repeats):
            start = clock()
            value = function()
            took.append(clock() - start)
    return statistics.median(took), peak.megabytes - before, value


def benchmark_neighbors(n: int) -> None:
    embedding = simulate_embedding(n, 128)
    theirs, _, expected = measure(lambda: build_graph_by_loop(embedding), 1, time.perf_counter)
    print(f"graph stage, {n:,} x 128: loop over cells {theirs:.1f} s")
    for threads in sorted({1, os.cpu_count() or 1}):
        set_threads(threads)
        KNN()(embedding[:500], 0)
        ours, _, graph = measure(lambda: KNN()(embedding, 0), 5, time.perf_counter)
        same = (graph != expected).nnz == 0
        print(
            f"    ours on {threads} threads {ours:.2f} s: {theirs / ours:.0f} times; "
            f"the same {graph.nnz // 2:,} edges: {same}"
        )


def benchmark_graph_autoencoder(n: int) -> None:
    embedding = simulate_embedding(n, 16)
    graph = KNN()(embedding, 0)
    target = make_graph_target(graph)
    torch.manual_seed(0)
    output = torch.randn(n, 32) * 0.3
    noise = torch.randn(n, 16)
    decoder = ExactInnerProductDecoder()

    def ours() -> tuple[float, Tensor]:
        leaf = output.clone().requires_grad_()
        value = decoder.loss(leaf, target, noise=noise)
        value.backward()
        assert leaf.grad is not None
        return value.item(), leaf.grad

    mine, my_memory, (my_value, my_slope) = measure(ours)
    line = f"graph autoencoder's loss and gradient, {n:,} cells: {mine:.3f} s, {my_memory:,.0f} MB"
    if n > 10_000:
        print(line)
        return
    label = torch.from_numpy((graph + sparse.identity(n)).toarray().astype(np.float32))

    def dense() -> tuple[float, Tensor]:
        leaf = output.clone().requires_grad_()
        value = compute_dense_loss(leaf[:, :16], leaf[:, 16:], noise, label, target)
        value.backward()
        assert leaf.grad is not None
        return value.item(), leaf.grad

    theirs, memory, (value, slope) = measure(dense)
    apart = float((my_slope - slope).abs().max() / slope.abs().max())
    memory += label.numel() * 4e-6
    print(
        f"{line}; dense {theirs:.3f} s, {memory:,.0f} MB: {theirs / mine:.1f} times, "
        f"{my_memory / memory:.0%} of the memory; loss {my_value:.6f} and {value:.6f}, "
        f"gradients apart by {apart:.1e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=13_000, help="cells of the cell graph")
    args = parser.parse_args()
    set_threads(1)
    for n in (1000, 4000, 50_000):
        benchmark_graph_autoencoder(n)
    benchmark_neighbors(args.cells)


if __name__ == "__main__":
    main()
