"""Comparison of recipes or settings on labeled data: time, final losses and ARI.

    python benchmarks/versions.py "scgnn" "scgnn_fast" --data a.h5ad b.h5ad --labels-key label
    python benchmarks/versions.py "scgnn_fast" "scgnn_fast pipeline.graph_decoder=inner_product" \
        "scgnn_fast pipeline.feature_training.precision=float32" --data a.h5ad --labels-key label

A version is a recipe with changed settings. Each run is a separate process on one thread; its CPU
time includes start-up, reading and writing. Values are means over seeds, in the last row also over
data sets. Losses are those of the last epoch of the last training, per cell; they are comparable
between versions that minimize the same loss.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from processes import run_measured

STAGES = ("feature autoencoder", "graph autoencoder")


class VersionRun(NamedTuple):
    """Resource usage and scores of a run."""

    seconds: float
    peak_memory_mb: float
    ari: float
    n_clusters: float
    feature_loss: float
    graph_loss: float


def run_version(version: str, data: str, labels: str, seed: int) -> VersionRun:
    """Run a version in a separate process."""
    recipe, *settings = version.split()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        command = [
            "-m",
            "scgnn",
            "run",
            recipe,
            "--data",
            data,
            "--labels-key",
            labels,
            "--threads",
            "1",
        ]
        for setting in [f"seed={seed}", *settings]:
            command += ["--set", setting]
        cost = run_measured([sys.executable, *command, "--out", str(out)])
        metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
        history = pd.read_csv(out / "history.csv")
    losses = [get_last_loss(history, stage, metrics["n_cells"]) for stage in STAGES]
    return VersionRun(
        cost.cpu_seconds, cost.peak_memory_mb, metrics["ari"], metrics["n_clusters"], *losses
    )


def get_last_loss(history: pd.DataFrame, stage: str, n_cells: int) -> float:
    """Return the loss per cell in the last epoch of a stage; nan without such a stage."""
    losses = history[(history["stage"] == stage) & (history["quantity"] == "loss")]["value"]
    if losses.empty:
        return float("nan")
    # the loss of the graph autoencoder is already a mean over cells
    return float(losses.iloc[-1]) / (1 if stage == "graph autoencoder" else n_cells)


def format_row(version: str, data: str, rows: list[VersionRun], base: float) -> str:
    mean = VersionRun(*np.mean(rows, axis=0))
    aris = " ".join(f"{row.ari:.3f}" for row in rows)
    return (
        f"| {version} | {data} | {mean.seconds:.1f} | {base / mean.seconds:.1f} | "
        f"{mean.peak_memory_mb:,.0f} | {mean.ari:.3f} ({aris}) | {mean.n_clusters:.1f} | "
        f"{mean.feature_loss:.2f} | {mean.graph_loss:.4f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("versions", nargs="+", help="recipe, or 'recipe path=value path=value'")
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--labels-key", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    print("| version | data | s | times faster | MB | ARI | clusters | feature loss | graph loss |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    every: dict[str, list[VersionRun]] = {version: [] for version in args.versions}
    for data in args.data:
        base = 0.0
        for version in args.versions:
            rows = [run_version(version, data, args.labels_key, seed) for seed in range(args.seeds)]
            every[version].append(VersionRun(*np.mean(rows, axis=0)))
            base = base or every[version][-1].seconds
            print(format_row(version, Path(data).stem, rows, base), flush=True)
    base = 0.0
    for version, rows in every.items():
        base = base or float(np.mean([row.seconds for row in rows]))
        print(format_row(version, "mean", rows, base))


if __name__ == "__main__":
    main()
