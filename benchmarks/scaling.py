"""Benchmark of the growth of time and memory with cells, compared with the estimates.

    python benchmarks/scaling.py                                  # scgnn_quick, 1k and 4k cells
    python benchmarks/scaling.py --recipe scgnn --cells 1000 4000 --set pipeline.imputation=null

Simulated counts: 2,000 genes, 20 groups, about 90 % zeros. Each run is a separate process on one
thread. Exponents are fitted to sizes from 4,000 cells, if there are two of them, else to all.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from scgnn.cli.options import parse_changes
from scgnn.execution.resources import set_threads
from scgnn.recipe.load import load_recipe
from scgnn.runs.cost_model import estimate_stages, get_dataset_size, measure_slowdown

SIMULATION_SETTINGS = {
    "data.reader.n_genes": 2000,
    "data.reader.n_groups": 20,
    "data.reader.library_size": 900,
    "data.reader.dropout": 1.0,
    "data.reader.true_mean": False,
}


def build_changes(n_cells: int, overrides: list[str]) -> dict[str, Any]:
    return {**SIMULATION_SETTINGS, "data.reader.n_cells": n_cells, **parse_changes(overrides)}


def run_recipe(recipe: str, n_cells: int, overrides: list[str]) -> dict[str, Any]:
    """Run a recipe in a separate process and return its metrics."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = ["-m", "scgnn", "run", recipe, "--labels-key", "group", "--threads", "1"]
        for path, value in build_changes(n_cells, overrides).items():
            command += ["--set", f"{path}={json.dumps(value)}"]
        command += ["--out", str(out)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, *command], check=True, capture_output=True, env=environment)
        metrics: dict[str, Any] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
        return metrics


def fit_exponent(n_cells: list[int], values: list[float]) -> float:
    """Fit the exponent of a power law."""
    pairs = [(n, v) for n, v in zip(n_cells, values, strict=True) if v > 0]
    large = [(n, v) for n, v in pairs if n >= 4000]
    logs = np.log(large if len(large) > 1 else pairs)
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0]) if len(logs) > 1 else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="scgnn_quick")
    parser.add_argument("--cells", type=int, nargs="+", default=[1000, 4000])
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    args = parser.parse_args()
    set_threads(1)
    results = {}
    for n in args.cells:
        slowness = measure_slowdown()
        recipe = load_recipe(args.recipe, build_changes(n, args.overrides))
        size = get_dataset_size(recipe)
        assert size is not None
        estimates = estimate_stages(recipe, size, slowness)
        results[n] = run_recipe(args.recipe, n, args.overrides)
        total = sum(results[n]["seconds"].values())
        expected = {stage: e.n_repeats * e.seconds for stage, e in estimates.items()}
        memory = max(e.peak_memory_mb for e in estimates.values())
        print(
            f"{n:,} cells: {total:.1f} s (estimated {sum(expected.values()):.1f}), "
            f"{results[n]['peak_memory_mb']:,.0f} MB (estimated {memory:,.0f}), "
            f"ARI {results[n]['ari']:.3f}",
            flush=True,
        )
        for stage, seconds in results[n]["seconds"].items():
            peak = results[n]["peak_memory_mb_by_stage"][stage]
            if stage in estimates:
                print(
                    f"  {stage:<22} {seconds:8.1f} s (estimated {expected[stage]:.1f}), "
                    f"{peak:,.0f} MB (estimated {estimates[stage].peak_memory_mb:,.0f})"
                )
    stages = list(results[args.cells[0]]["seconds"])
    totals = [sum(results[n]["seconds"].values()) for n in args.cells]
    powers = [f"all {fit_exponent(args.cells, totals):.2f}"]
    for stage in stages:
        seconds = [results[n]["seconds"][stage] for n in args.cells]
        powers.append(f"{stage} {fit_exponent(args.cells, seconds):.2f}")
    peaks = [results[n]["peak_memory_mb"] for n in args.cells]
    print(f"exponents of time: {', '.join(powers)}")
    print(f"exponent of memory: {fit_exponent(args.cells, peaks):.2f}")


if __name__ == "__main__":
    main()
