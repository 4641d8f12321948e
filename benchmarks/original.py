"""Beside the original program: processor seconds an iteration, at the same epochs.

    python benchmarks/original.py --data goolam.h5ad                      # beside recorded rates
    python benchmarks/original.py --original DIR --share 0.1 --iterations 2
    python benchmarks/original.py --cells 600 --genes 1000 --original DIR

``DIR`` is a checkout of github juexinwang/scGNN, which is left as it is: its code runs in a copy
in which ``REPLACED`` is done, without which it does not start on current libraries. It runs with
the paper's flags (LTMG, graph autoencoder, cluster autoencoders, dense input) on the matrix and the
LTMG states that our recipe makes of the same data: those of a file, or simulated counts as in
scaling.py, by default 3,000 cells x 3,000 genes, of which the recipe keeps 2,000. Without ``DIR``
ours stands beside the rates that are recorded here for two sizes, on another day.

"Of the whole" is all that a recipe took beside all iterations of the original.

Neither program stops before its last iteration; a recipe of a single pass stays one. Every process
has one thread, and its time is that of the whole process over the iterations, so that at a small
share of the epochs it is mostly start-up: ours with LTMG, reading and writing, the original's
without LTMG, which is another program. The original trains every cluster on all cells, so its time
also goes with its clusters.
``--python`` is an interpreter whose environment has numpy, torch, scikit-learn, pandas, matplotlib,
networkx, igraph and tqdm.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from processes import ProcessUsage, run_measured
from scaling import SIMULATION_SETTINGS

from scgnn.components.ltmg import LTMG
from scgnn.execution.resources import set_threads
from scgnn.recipe.load import load_recipe
from scgnn.runs.run import prepare
from scgnn.state import State
from scgnn.training.budget import Training

# file: what newer libraries refuse, and the same in their words
SOURCE_PATCHES = {
    "benchmark_util.py": [("import seaborn as sns\n", ""), ("import umap\n", "")],  # for plots
    "clustering_metric.py": [("from munkres import Munkres\n", "")],  # with true labels only
    "scGNN.py": [("sp.csr_matrix.todense(adj)", "adj.todense()")],
    "util_function.py": [
        ("delim_whitespace=True", r"sep=r'\s+'"),
        ("mode=ADJ_UNDIRECTED", "mode='undirected'"),
    ],
}
EPOCH_FLAGS = {  # of the paper, by the original's flags
    "--Regu-epochs": 500,
    "--EM-epochs": 200,  # of the imputation, too
    "--cluster-epochs": 200,
    "--GAEepochs": 200,
}
# (cells, genes): seconds an iteration of the original, one thread, all epochs, current libraries
RECORDED_RATES = {
    (124, 2000): (45.0, "360 and 465 s for 8 and 10 iterations on Goolam"),
    (3000, 2000): (480.0, "80 minutes for 10 iterations, extrapolated"),
}


class ProgramRun(NamedTuple):
    """What a program took, for how much."""

    usage: ProcessUsage
    n_iterations: int
    n_clusters: int

    @property
    def seconds_per_iteration(self) -> float:
        return self.usage.cpu_seconds / max(self.n_iterations, 1)  # a single pass counts as one


def run_recipe(name: str, changes: dict[str, Any], args: argparse.Namespace) -> ProgramRun:
    """One of our recipes, each of its trainings as much shorter as asked."""
    pipeline = load_recipe(name, changes).pipeline
    if pipeline.max_iterations:  # type: ignore[attr-defined]  # not a recipe of a single pass
        never = {"pipeline.max_iterations": args.iterations, "pipeline.stop": "never"}
        changes = {**changes, **never}
    for field in fields(pipeline):  # type: ignore[arg-type]
        training = getattr(pipeline, field.name)
        if isinstance(training, Training):
            epochs = scale_epochs(training.epochs, args.share)
            changes[f"pipeline.{field.name}.epochs"] = epochs
    words = [f"--set={path}={json.dumps(value)}" for path, value in changes.items()]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        cost = run_measured(
            [sys.executable, "-m", "scgnn", "run", name, "--threads=1", *words, f"--out={out}"]
        )
        found = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return ProgramRun(cost, found["iterations"], found["n_clusters"])


def scale_epochs(epochs: int, fraction: float) -> int:
    return max(1, round(fraction * epochs))


def run_original(state: State, args: argparse.Namespace) -> ProgramRun:
    """The original program on what our pipeline begins with."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code, data, out = folder / "code", folder / "data", folder / "out"
        copy_patched_source(args.original, code)
        write_inputs(state, data / "set")
        words = ["-W", "ignore", "scGNN.py", "--datasetName", "set", "--datasetDir", f"{data}/"]
        words += ["--LTMGDir", f"{data}/", "--outputDir", f"{out}/", "--no-cuda"]
        words += ["--coresUsage", "1", "--nonsparseMode", "--regulized-type", "LTMG"]
        words += ["--useGAEembedding", "--converge-celltyperatio", "1"]
        words += ["--EM-iteration", str(args.iterations)]
        for flag, epochs in EPOCH_FLAGS.items():
            words += [flag, str(scale_epochs(epochs, args.share))]
        cost = run_measured([Path(args.python).absolute(), *words], cwd=code)
        clusters = pd.read_csv(out / "set_results.txt", index_col=0)["Celltype"].nunique()
    return ProgramRun(cost, args.iterations, clusters)


def copy_patched_source(checkout: Path, folder: Path) -> None:
    """The original's code, ready for current libraries."""
    shutil.copytree(checkout / "gae", folder / "gae")
    for file in checkout.glob("*.py"):
        text = file.read_text(encoding="utf-8")
        for old, new in SOURCE_PATCHES.get(file.name, []):
            text = text.replace(old, new)
        (folder / file.name).write_text(text, encoding="utf-8")


def write_inputs(state: State, folder: Path) -> None:
    """Its input files: log expression and LTMG states, both genes x cells."""
    folder.mkdir(parents=True)
    x = pd.DataFrame(state.x.toarray().T, state.genes, state.cells)
    x.to_csv(folder / "Use_expression.csv")
    states = LTMG(input="log").fit(state.x).states.T.tocoo()
    head = "%%MatrixMarket matrix coordinate integer general\n{} {} {}"
    np.savetxt(
        folder / "LTMG_sparse.mtx",
        np.column_stack([states.row + 1, states.col + 1, states.data]),
        fmt="%d",
        header=head.format(*states.shape, states.nnz),
        comments="",
    )


def find_recorded_rate(state: State, fraction: float) -> tuple[float, str]:
    """Seconds an iteration that the original took before, for data of this size."""
    seconds, source = RECORDED_RATES.get((state.n_cells, len(state.genes)), (float("nan"), ""))
    if not source:
        known = ", ".join(f"{cells:,} x {genes:,}" for cells, genes in RECORDED_RATES)
        return seconds, f"no rate is recorded for this size (only for {known}): give --original"
    times = f", times {fraction:g}" if fraction != 1 else ""
    return fraction * seconds, f"recorded: {source}{times}"


HEADER = (
    f"{'':<24}{'s/iteration':>12}{'ratio':>8}{'s':>9}{'of the whole':>14}"
    f"{'wall s':>9}{'MB':>8}{'clusters':>10}"
)


def format_row(name: str, row: ProgramRun, base: float, n_iterations: int) -> str:
    return (
        f"{name:<24}{row.seconds_per_iteration:12.2f}{row.seconds_per_iteration / base:8.3f}{row.usage.cpu_seconds:9.1f}"
        f"{row.usage.cpu_seconds / (base * n_iterations):14.3f}"
        f"{row.usage.wall_seconds:9.1f}{row.usage.peak_memory_mb:8,.0f}{row.n_clusters:10}"
    )


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--data", help="counts in any format that recipes read")
    words.add_argument("--cells", type=int, default=3000, help="of the simulated counts")
    words.add_argument("--genes", type=int, default=3000, help="of the simulated counts")
    words.add_argument("--original", type=Path, help="a checkout of the original")
    words.add_argument("--python", default=sys.executable, help="what the original runs with")
    words.add_argument("--recipe", action="append", help="default scgnn; may be repeated")
    words.add_argument("--iterations", type=int, default=10)
    words.add_argument("--share", type=float, default=1.0, help="of all epochs, of either side")
    asked = words.parse_args()
    if asked.original and not (asked.original / "scGNN.py").exists():
        words.error(f"--original {asked.original}: no scGNN.py in it; give a checkout of scGNN")
    asked.python = shutil.which(asked.python) or words.error(f"--python {asked.python}: not there")
    set_threads(1)
    simulated = SIMULATION_SETTINGS | {
        "data.reader.n_cells": asked.cells,
        "data.reader.n_genes": asked.genes,
    }
    simulated["data.reader.library_size"] = asked.genes / 2
    changes = {"data.reader": asked.data} if asked.data else simulated
    state = prepare(load_recipe("scgnn", changes)).state
    size = f"{state.n_cells:,} cells x {len(state.genes):,} genes"
    budget = f"{asked.iterations} iterations, {asked.share:g} of the epochs"
    print(f"{asked.data or 'simulated'}: {size}, {budget}, one thread\n{HEADER}", flush=True)
    if asked.original:
        row = run_original(state, asked)
        base = row.seconds_per_iteration
        print(format_row("original", row, base, asked.iterations), flush=True)
    else:
        base, source = find_recorded_rate(state, asked.share)
        print(f"{'original':<24}{base:12.2f}{1:8.3f}   {source}")
    for name in asked.recipe or ["scgnn"]:
        row = run_recipe(name, changes, asked)
        print(format_row(name, row, base, asked.iterations), flush=True)


if __name__ == "__main__":
    main()
