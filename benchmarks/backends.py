"""Time of graph encoders with each backend, forward and backward.

One process measures all backends in turn: milliseconds of CPU time of one thread, the least of
several passes. As in training, the features have no gradient. ``--threads 2`` uses more threads;
the time is then that of all of them.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from scipy import sparse

from scgnn.components.encoders import SAGE, Encoder, MessagePassing
from scgnn.execution.hardware import Hardware, has_dgl, use_hardware
from scgnn.execution.resources import configure_process

N_FEATURES, N_NEIGHBORS = 128, 10


def make_graph(n_cells: int, weighted: bool) -> sparse.csr_matrix:
    """Return a symmetric graph with about 10 neighbors a cell, most of them nearby."""
    random = np.random.default_rng(0)
    rows = np.repeat(np.arange(n_cells), N_NEIGHBORS // 2)
    columns = (rows + random.integers(1, 200, len(rows))) % n_cells
    weights = random.random(len(rows), dtype=np.float32) if weighted else np.ones(len(rows), "f")
    half = sparse.csr_matrix((weights, (rows, columns)), (n_cells, n_cells))
    return half.maximum(half.T).tocsr()


def list_encoders() -> dict[str, MessagePassing]:
    """Return all graph encoders, by name and, where it matters, kind of edges."""
    names = [n for n in Encoder.names() if issubclass(Encoder.get(n), MessagePassing)]
    return {name: Encoder.get(name)() for name in names} | {"sage pool": SAGE(aggregator="pool")}


def measure(encoder: MessagePassing, graph: sparse.csr_matrix, backend: str, n: int) -> float:
    """Return the least CPU time of a forward and backward pass, in milliseconds."""
    with use_hardware(Hardware("cpu", backend)):
        messages = encoder.prepare_graph(graph)
    torch.manual_seed(0)
    module, x = encoder.build(N_FEATURES), torch.randn(graph.shape[0], N_FEATURES)
    times = []
    for _ in range(n + 1):
        start = time.process_time()
        module(messages, x).sum().backward()
        times.append(time.process_time() - start)
    return 1e3 * min(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=4000)
    parser.add_argument("--passes", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    configure_process(options.threads)  # memory of freed arrays is kept, as in runs
    backends = ["dgl", "torch"] if has_dgl() else ["torch"]
    print(f"{options.cells} cells, milliseconds: {', '.join(backends)}, ratio of the last two")
    for weighted in (False, True):
        graph = make_graph(options.cells, weighted)
        for name, encoder in list_encoders().items():
            times = [measure(encoder, graph, backend, options.passes) for backend in backends]
            ratio = f"{times[-1] / times[0]:7.2f}" if len(times) > 1 else ""
            kind = "weighted" if weighted else "binary"
            print(f"{name:12} {kind:9}", *(f"{t:8.1f}" for t in times), ratio, flush=True)


if __name__ == "__main__":
    main()
