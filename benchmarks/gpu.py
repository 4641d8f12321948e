"""Parity and time of a GPU against one thread of the CPU, in a few minutes.

Prints, for every graph encoder, the largest relative difference of outputs and gradients between
the CPU and the GPU; whether repeated trainings on the GPU are bit-identical; and the time of
training and neighbors (not of reading, clustering and writing) of ``scgnn`` and ``scgnn_fast``.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np
import torch
from backends import list_encoders, make_graph
from sklearn.metrics import adjusted_rand_score

from scgnn.execution.hardware import Hardware, describe_device, use_hardware
from scgnn.execution.resources import configure_process
from scgnn.execution.stages import Stages
from scgnn.recipe.load import load_recipe
from scgnn.runs.run import execute

TRAINED = ("feature autoencoder", "cell graph", "graph autoencoder", "cluster autoencoders")
TRAINED += ("imputation",)
FIFTH = {
    "pipeline.max_iterations": 2,
    "pipeline.feature_training.epochs": 100,
    "pipeline.iteration_training.epochs": 40,
    "pipeline.cluster_training.epochs": 40,
    "pipeline.graph_training.epochs": 40,
    "pipeline.imputation_training.epochs": 40,
}


def compare_encoders(device: str) -> float:
    """Print the largest relative difference of each encoder, and return the largest of all."""
    worst = 0.0
    for weighted in (False, True):
        graph = make_graph(2000, weighted)
        for name, encoder in list_encoders().items():
            results = []
            for used in ("cpu", device):
                torch.manual_seed(1)
                module = encoder.build(32).to(used)
                with use_hardware(Hardware(used, "torch")):
                    messages = encoder.prepare_graph(graph).to(used)
                    x = torch.randn(2000, 32, generator=torch.Generator().manual_seed(2))
                    x = x.to(used).requires_grad_()
                    out = module(messages, x)
                    out.square().sum().backward()
                gradients = [weight.grad for weight in module.parameters()]
                results.append([t.detach().cpu() for t in (out, x.grad, *gradients)])
            differences = [
                float((a - b).abs().max() / a.abs().max().clamp(min=1e-9))
                for a, b in zip(*results, strict=True)
            ]
            worst = max(worst, *differences)
            kind = "weighted" if weighted else "binary"
            print(f"{name:12} {kind:9} {max(differences):.1e}", flush=True)
    return worst


def run(recipe: str, device: str, changes: dict[str, Any]) -> tuple[Any, float]:
    """Run a recipe, and return its last state and the seconds of training and neighbors."""
    backend = "torch" if device != "cpu" else "dgl"
    with use_hardware(Hardware(device, backend)):
        stages = Stages()
        state = execute(load_recipe(recipe, changes), stages=stages, force=True).state
    return state, sum(stages.seconds.get(label, 0.0) for label in TRAINED)


def compare_runs(recipe: str, device: str, changes: dict[str, Any], with_cpu: bool) -> float:
    """Print and return the time of a recipe on a GPU, and compare its results with the CPU's."""
    first, seconds = run(recipe, device, changes)
    again, seconds_again = run(recipe, device, changes)  # without the start of the device
    same = np.array_equal(first.graph_embedding, again.graph_embedding)
    seconds = min(seconds, seconds_again)
    print(f"{recipe}: {device} {seconds:.1f} s, repeated bits {same}", flush=True)
    if with_cpu:
        state, cpu_seconds = run(recipe, "cpu", changes)
        ratio, ari = cpu_seconds / seconds, adjusted_rand_score(state.clusters, first.clusters)
        print(f"{recipe}: cpu {cpu_seconds:.1f} s, ratio {ratio:.1f}, ARI of both {ari:.3f}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--cells", type=int, default=256_000, help="of scgnn_fast")
    parser.add_argument("--cpu-cells", type=int, default=16_000, help="of scgnn_fast on the CPU")
    parser.add_argument("--skip-cpu", action="store_true")
    options = parser.parse_args()
    configure_process(1)
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("torch finds no GPU")
    print(f"torch {torch.__version__}, {describe_device(options.device)}")
    start = time.perf_counter()
    print(f"largest relative difference {compare_encoders(options.device):.1e}")
    size = {"data.reader.n_cells": 3000, "data.reader.n_genes": 2000}
    compare_runs("scgnn", options.device, size | FIFTH, not options.skip_cpu)
    size = {"data.reader.n_cells": options.cells, "data.reader.n_genes": 2000}
    seconds = compare_runs("scgnn_fast", options.device, size, with_cpu=False)
    if not options.skip_cpu:
        n = options.cpu_cells
        _, cpu_seconds = run("scgnn_fast", "cpu", size | {"data.reader.n_cells": n})
        ratio = cpu_seconds / n / (seconds / options.cells)
        print(f"scgnn_fast: cpu {cpu_seconds:.1f} s for {n:,} cells, ratio by cell {ratio:.1f}")
    print(f"{time.perf_counter() - start:.0f} s in all")


if __name__ == "__main__":
    main()
