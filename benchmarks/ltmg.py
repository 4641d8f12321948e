"""Benchmark of LTMG: throughput, count matrices, scaling with cells, comparison with R.

    python benchmarks/ltmg.py                         # all but R
    python benchmarks/ltmg.py --r-script RunLTMG.R    # with the R program, requires Rscript

``RunLTMG.R`` is the file ``R/RunLTMG.R`` of the R package scGNNLTMG. One thread; rates are per
second of wall-clock time and, in brackets, of CPU time, which other load affects less.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import psutil
import threadpoolctl
from scipy import sparse

from scgnn.components.ltmg import LTMG
from scgnn.execution.resources import PeakMemory

Variant = Literal["mle", "published"]
VARIANTS: tuple[Variant, ...] = ("mle", "published")

# Evaluates the file except the method of the package's class, then times the search K = 2 … 5 of
# every gene, and the program as shipped, with its shrinking K.
R_DRIVER = """
arguments <- commandArgs(TRUE)
for (expression in parse(arguments[1])) {
  if (!startsWith(deparse(expression)[1], "setMethod")) eval(expression, globalenv())
}
suppressMessages(try(library(mixtools), silent = TRUE))
x <- as.matrix(read.csv(arguments[2], header = FALSE))
rownames(x) <- paste0("gene", seq_len(nrow(x)))
colnames(x) <- paste0("cell", seq_len(ncol(x)))
setClass("Held", representation(InputData = "matrix", OrdinalMatrix = "matrix"))
options(warn = -1)
search <- system.time(for (i in seq_len(nrow(x))) LTMG(x[i, ], 0, k = 5))
held <- new("Held", InputData = x, OrdinalMatrix = matrix(0))
invisible(capture.output(suppressMessages(
  run <- system.time(held <- .RunLTMG(held, Gene_use = "all"))
)))
processor <- function(t) t[["user.self"]] + t[["sys.self"]]
cat(search[["elapsed"]], processor(search), run[["elapsed"]], processor(run), "\\n")
"""


def simulate_continuous(n_cells: int, n_genes: int, seed: int = 0) -> np.ndarray:
    """Log-normal expression in one to four active states, 5 to 80 % zeros; cells x genes."""
    random = np.random.default_rng(seed)
    x = np.zeros((n_cells, n_genes))
    for g in range(n_genes):
        active, hidden = g % 4 + 1, (0.05, 0.2, 0.4, 0.6, 0.8)[g // 4 % 5]
        weight = np.r_[hidden, (1 - hidden) * random.dirichlet(np.full(active, 3.0))]
        mean = np.r_[-0.6, 2 + np.r_[0, np.cumsum(random.uniform(1, 2.2, active - 1))]]
        sd = np.r_[0.6, random.uniform(0.25, 0.6, active)]
        state = random.choice(active + 1, n_cells, p=weight)
        y = random.normal(mean[state], sd[state])
        x[:, g] = np.where(y < 0.5, 0, np.exp(y))
    return x


def simulate_counts(n_cells: int, n_genes: int, seed: int = 0) -> sparse.csr_matrix:
    """Negative binomial counts of genes that some cells express, 90 % zeros; cells x genes."""
    random = np.random.default_rng(seed)
    columns = []
    for _ in range(n_genes):
        n_on = int(n_cells * random.uniform(0.03, 0.3))
        on = random.choice(n_cells, n_on, replace=False)
        rate = random.lognormal(0.2, 0.8) * random.gamma(2, 0.5, n_on)
        column = np.zeros(n_cells, np.float32)
        column[on] = random.poisson(rate)
        columns.append(sparse.csc_matrix(column[:, None]))
    return sparse.hstack(columns, "csr")


class FitTiming(NamedTuple):
    """Time and memory of a fit."""

    wall_seconds: float
    cpu_seconds: float
    added_memory_mb: float  # in 10^6 bytes, at the peak

    def format_rate(self, n_genes: int) -> str:
        return f"{n_genes / self.wall_seconds:8.1f} ({n_genes / self.cpu_seconds:.1f}) genes/s"


def measure_fit(variant: Variant, x: np.ndarray | sparse.csr_matrix) -> FitTiming:
    before = psutil.Process(os.getpid()).memory_info().rss / 1e6
    with PeakMemory() as memory:
        wall, cpu = time.perf_counter(), time.process_time()
        LTMG(variant=variant).fit(x)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return FitTiming(wall, cpu, memory.megabytes - before)


def benchmark_throughput(n_genes: int) -> None:
    print(f"\nContinuous values, 1,000 cells, {n_genes} genes, K to 5")
    x = simulate_continuous(1000, n_genes)
    for variant in VARIANTS:
        print(f"  {variant:28s} {measure_fit(variant, x).format_rate(n_genes)}")


def benchmark_count_matrix(n_cells: int, n_genes: int) -> None:
    x = simulate_counts(n_cells, n_genes)
    zeros = 1 - x.nnz / (n_cells * n_genes)
    print(f"\nCounts, {n_cells:,} cells x {n_genes:,} genes, {zeros:.0%} zeros")
    for variant in VARIANTS:
        timing = measure_fit(variant, x)
        seconds, memory = timing.wall_seconds, timing.added_memory_mb
        print(f"  {variant:10s} {seconds:.1f} s, {memory:.0f} MB in addition to the matrix")


def benchmark_cell_scaling(n_genes: int) -> None:
    print(f"\nScaling with cells, {n_genes} genes; CPU milliseconds per gene")
    print("     cells    counts  continuous")
    for n_cells in (1_000, 4_000, 16_000, 64_000):
        inputs = (simulate_counts(n_cells, n_genes), simulate_continuous(n_cells, n_genes))
        cost = [1000 * measure_fit("mle", x).cpu_seconds / n_genes for x in inputs]
        print(f"  {n_cells:8,} {cost[0]:9.2f} {cost[1]:11.2f}")


def benchmark_r(script: Path, n_genes: int) -> None:
    rscript = shutil.which("Rscript")
    if rscript is None:
        print("\nRscript not found; skipping the comparison with R")
        return
    x = simulate_continuous(1000, n_genes)
    with tempfile.TemporaryDirectory() as folder:
        driver, values = Path(folder, "driver.R"), Path(folder, "x.csv")
        driver.write_text(R_DRIVER)
        np.savetxt(values, x.T, delimiter=",", fmt="%.17g")
        command = [rscript, "--vanilla", str(driver), str(script), str(values)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"\nRscript failed: {done.stderr.strip()}")
        return
    wall, cpu, run_wall, run_cpu = map(float, done.stdout.split()[-4:])
    search, run = FitTiming(wall, cpu, 0), FitTiming(run_wall, run_cpu, 0)
    print(f"\nComparison with R, {n_genes} genes, 1,000 cells, continuous values")
    print(f"  {'R, K = 2 … 5':28s} {search.format_rate(n_genes)}")
    print(f"  {'R as shipped, shrinking K':28s} {run.format_rate(n_genes)}")
    tiled = np.tile(x, (1, max(1, 400 // n_genes)))
    for variant in VARIANTS:
        ours = measure_fit(variant, tiled)
        ratio = search.cpu_seconds / n_genes * tiled.shape[1] / ours.cpu_seconds
        print(f"  {variant:28s} {ours.format_rate(tiled.shape[1])}, {ratio:.0f}x as fast as R")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--genes", type=int, default=600, help="number of genes of the throughput benchmark"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the genes")
    parser.add_argument("--r-script", type=Path, help="R/RunLTMG.R of the original package")
    parser.add_argument("--r-genes", type=int, default=20, help="number of genes for R")
    options = parser.parse_args()
    divisor = 10 if options.quick else 1
    with threadpoolctl.threadpool_limits(1):
        LTMG().fit(simulate_continuous(100, 4))  # warm up
        benchmark_throughput(options.genes // divisor)
        if options.r_script:
            benchmark_r(options.r_script, options.r_genes)
        benchmark_cell_scaling(200 // divisor)
        benchmark_count_matrix(13_000, 2_000 // divisor)


if __name__ == "__main__":
    main()
