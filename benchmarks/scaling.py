"""How time and memory grow with the cells, by stage, beside what the estimate said.

    python benchmarks/scaling.py                                  # scgnn_quick, 1k and 4k cells
    python benchmarks/scaling.py --recipe scgnn --cells 1000 4000 16000 --set pipeline.imputation=null

Simulated counts: 2,000 genes, 20 groups, about nine tenths zeros. Each run is a process of its own
on one thread. The exponent is that of the fitted power of the cells, from 4,000 cells up where
there are two such sizes.
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
from scgnn.runs.cost_model import REFERENCE_FLOPS, estimate_stages, get_dataset_size, measure_flops

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
    """The metrics of a run in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        words = ["-m", "scgnn", "run", recipe, "--labels-key", "group", "--threads", "1"]
        for path, value in build_changes(n_cells, overrides).items():
            words += ["--set", f"{path}={json.dumps(value)}"]
        words += ["--out", str(out)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, *words], check=True, capture_output=True, env=environment)
        found: dict[str, Any] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
        return found


def fit_exponent(n_cells: list[int], values: list[float]) -> float:
    """Of the power of the cells that fits best."""
    pairs = [(n, v) for n, v in zip(n_cells, values, strict=True) if v > 0]
    large = [(n, v) for n, v in pairs if n >= 4000]
    logs = np.log(large if len(large) > 1 else pairs)
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0]) if len(logs) > 1 else float("nan")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--recipe", default="scgnn_quick")
    words.add_argument("--cells", type=int, nargs="+", default=[1000, 4000])
    words.add_argument("--set", action="append", default=[], dest="given")
    asked = words.parse_args()
    set_threads(1)
    found = {}
    for n in asked.cells:
        slowness = REFERENCE_FLOPS / measure_flops()
        recipe = load_recipe(asked.recipe, build_changes(n, asked.given))
        size = get_dataset_size(recipe)
        assert size is not None
        said = estimate_stages(recipe, size, slowness)
        found[n] = run_recipe(asked.recipe, n, asked.given)
        whole = sum(found[n]["seconds"].values())
        foreseen = sum(each.n_repeats * each.seconds for each in said.values())
        most = max(each.peak_memory_mb for each in said.values())
        print(
            f"{n:,} cells: {whole:.1f} s (said {foreseen:.1f}), "
            f"{found[n]['peak_memory_mb']:,.0f} MB (said {most:,.0f}), ARI {found[n]['ari']:.3f}",
            flush=True,
        )
        for stage, seconds in found[n]["seconds"].items():
            peak = found[n]["peak_memory_mb_by_stage"][stage]
            each = said[stage]
            print(
                f"  {stage:<22} {seconds:8.1f} s (said {each.n_repeats * each.seconds:.1f}), "
                f"{peak:,.0f} MB (said {each.peak_memory_mb:,.0f})"
            )
    stages = list(found[asked.cells[0]]["seconds"])
    totals = [sum(found[n]["seconds"].values()) for n in asked.cells]
    powers = [f"all {fit_exponent(asked.cells, totals):.2f}"]
    for stage in stages:
        took = [found[n]["seconds"][stage] for n in asked.cells]
        powers.append(f"{stage} {fit_exponent(asked.cells, took):.2f}")
    peaks = [found[n]["peak_memory_mb"] for n in asked.cells]
    print(f"time grows with the cells to the power of: {', '.join(powers)}")
    print(f"memory: {fit_exponent(asked.cells, peaks):.2f}")


if __name__ == "__main__":
    main()
