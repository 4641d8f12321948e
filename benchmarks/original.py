"""Comparison with the original program: CPU seconds per iteration for the same epochs.

    python benchmarks/original.py --data goolam.h5ad        # recorded rates
    python benchmarks/original.py --original DIR --epoch-fraction 0.1 --iterations 2
    python benchmarks/original.py --cells 600 --genes 1000 --original DIR

``DIR`` is a checkout of juexinwang/scGNN. It is not modified: the program runs in a copy with the
replacements that current versions of its dependencies require. It runs with the flags of the paper
(LTMG, graph autoencoder, cluster autoencoders, dense input) on the expression and LTMG states that
our recipe computes from the same data: a file, or simulated counts as in scaling.py, by default
3,000 cells x 3,000 genes, of which the recipe keeps 2,000. Without ``DIR``, our times are compared
with rates of the original that were recorded earlier for two sizes.

Both programs run all iterations; a recipe with a single pass counts as one iteration. Each process
uses one thread, and its total time is divided by the number of iterations. For a small fraction of
the epochs, most of that is start-up: for our recipes with LTMG, reading and writing, for the
original without LTMG, which is a separate program. The original trains each cluster on all cells,
so its time also depends on the number of clusters. The column "of the whole" is the time of a
recipe relative to all iterations of the original.

``--python`` is an interpreter with numpy, torch, scikit-learn, pandas, matplotlib, networkx, igraph
and tqdm.
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
from scgnn.training.settings import Training

# file: (code that current dependencies reject, replacement)
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
    "--EM-epochs": 200,  # also of the imputation
    "--cluster-epochs": 200,
    "--GAEepochs": 200,
}
# (cells, genes): seconds per iteration of the original, one thread, all epochs
RECORDED_RATES = {
    (124, 2000): (45.0, "360 and 465 s for 8 and 10 iterations on Goolam"),
    (3000, 2000): (480.0, "80 minutes for 10 iterations, extrapolated"),
}


class ProgramRun(NamedTuple):
    """Resource usage and size of the result of a program."""

    usage: ProcessUsage
    n_iterations: int
    n_clusters: int

    @property
    def seconds_per_iteration(self) -> float:
        return self.usage.cpu_seconds / max(self.n_iterations, 1)  # a single pass counts as one


def run_recipe(name: str, changes: dict[str, Any], args: argparse.Namespace) -> ProgramRun:
    """Run a recipe with a fraction of the epochs of each training."""
    pipeline = load_recipe(name, changes).pipeline
    if pipeline.max_iterations:  # type: ignore[attr-defined]  # not a recipe of a single pass
        never = {"pipeline.max_iterations": args.iterations, "pipeline.stop": "never"}
        changes = {**changes, **never}
    for field in fields(pipeline):  # type: ignore[arg-type]
        training = getattr(pipeline, field.name)
        if isinstance(training, Training):
            epochs = scale_epochs(training.epochs, args.epoch_fraction)
            changes[f"pipeline.{field.name}.epochs"] = epochs
    options = [f"--set={path}={json.dumps(value)}" for path, value in changes.items()]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        cost = run_measured(
            [sys.executable, "-m", "scgnn", "run", name, "--threads=1", *options, f"--out={out}"]
        )
        metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return ProgramRun(cost, metrics["iterations"], metrics["n_clusters"])


def scale_epochs(epochs: int, fraction: float) -> int:
    return max(1, round(fraction * epochs))


def run_original(state: State, args: argparse.Namespace) -> ProgramRun:
    """Run the original program on the input of our pipeline."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code, data, out = folder / "code", folder / "data", folder / "out"
        copy_patched_source(args.original, code)
        write_inputs(state, data / "set")
        command = ["-W", "ignore", "scGNN.py", "--datasetName", "set", "--datasetDir", f"{data}/"]
        command += ["--LTMGDir", f"{data}/", "--outputDir", f"{out}/", "--no-cuda"]
        command += ["--coresUsage", "1", "--nonsparseMode", "--regulized-type", "LTMG"]
        command += ["--useGAEembedding", "--converge-celltyperatio", "1"]
        command += ["--EM-iteration", str(args.iterations)]
        for flag, epochs in EPOCH_FLAGS.items():
            command += [flag, str(scale_epochs(epochs, args.epoch_fraction))]
        cost = run_measured([Path(args.python).absolute(), *command], cwd=code)
        clusters = pd.read_csv(out / "set_results.txt", index_col=0)["Celltype"].nunique()
    return ProgramRun(cost, args.iterations, clusters)


def copy_patched_source(checkout: Path, folder: Path) -> None:
    """Copy the original program and patch it for current dependencies."""
    shutil.copytree(checkout / "gae", folder / "gae")
    for file in checkout.glob("*.py"):
        text = file.read_text(encoding="utf-8")
        for old, new in SOURCE_PATCHES.get(file.name, []):
            text = text.replace(old, new)
        (folder / file.name).write_text(text, encoding="utf-8")


def write_inputs(state: State, folder: Path) -> None:
    """Write the input files of the original: log expression and LTMG states, genes x cells."""
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
    """Return the recorded seconds per iteration of the original for data of this size."""
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
        f"{name:<24}{row.seconds_per_iteration:12.2f}{row.seconds_per_iteration / base:8.3f}"
        f"{row.usage.cpu_seconds:9.1f}"
        f"{row.usage.cpu_seconds / (base * n_iterations):14.3f}"
        f"{row.usage.wall_seconds:9.1f}{row.usage.peak_memory_mb:8,.0f}{row.n_clusters:10}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="counts in any format that recipes read")
    parser.add_argument("--cells", type=int, default=3000, help="size of the simulated counts")
    parser.add_argument("--genes", type=int, default=3000, help="size of the simulated counts")
    parser.add_argument("--original", type=Path, help="checkout of the original program")
    parser.add_argument("--python", default=sys.executable, help="runs the original program")
    parser.add_argument("--recipe", action="append", help="default scgnn; may be repeated")
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--epoch-fraction", type=float, default=1.0, help="of both programs")
    args = parser.parse_args()
    if args.original and not (args.original / "scGNN.py").exists():
        parser.error(f"--original {args.original}: no scGNN.py found; pass a checkout of scGNN")
    args.python = shutil.which(args.python) or parser.error(f"--python {args.python}: not found")
    set_threads(1)
    simulated = SIMULATION_SETTINGS | {
        "data.reader.n_cells": args.cells,
        "data.reader.n_genes": args.genes,
    }
    simulated["data.reader.library_size"] = args.genes / 2
    changes = {"data.reader": args.data} if args.data else simulated
    state = prepare(load_recipe("scgnn", changes)).state
    size = f"{state.n_cells:,} cells x {len(state.genes):,} genes"
    budget = f"{args.iterations} iterations, {args.epoch_fraction:g} of the epochs"
    print(f"{args.data or 'simulated'}: {size}, {budget}, one thread\n{HEADER}", flush=True)
    if args.original:
        row = run_original(state, args)
        base = row.seconds_per_iteration
        print(format_row("original", row, base, args.iterations), flush=True)
    else:
        base, source = find_recorded_rate(state, args.epoch_fraction)
        print(f"{'original':<24}{base:12.2f}{1:8.3f}   {source}")
    for name in args.recipe or ["scgnn"]:
        row = run_recipe(name, changes, args)
        print(format_row(name, row, base, args.iterations), flush=True)


if __name__ == "__main__":
    main()
