"""Comparison with other programs: time, memory, ARI and the error on hidden entries.

    python benchmarks/peers.py                                          # simulated counts
    python benchmarks/peers.py --data zeisel.h5ad --labels-key label --recipe scgnn_quick
    python benchmarks/peers.py --peer scanpy --peer magic --threads 2

10 % of the non-zeros are hidden, and cells and genes are those that the recipe scgnn selects (2,000
genes at most). Each program gets this file, without labels, in its own process with the same number
of threads. Imputed values are compared with the hidden entries on the scale ln(1 + x · m / t), with
the total t of the cell and the median total m of the visible counts. The error is the median
absolute difference; it is the only score of the baselines. Recipes are run without transforms that
select cells or genes, peers by ``peers/run_NAME.py``. Each peer is installed once, with pip and
constraints.txt, into its own environment; pip's settings (PIP_EXTRA_INDEX_URL) select the build of
torch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import venv
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import anndata
import numpy as np
import pandas as pd
from processes import ProcessUsage, ProgramFailedError, run_measured
from scaling import SIMULATION_SETTINGS
from scipy import sparse

from scgnn.components.readers import H5AD
from scgnn.errors import UserError
from scgnn.evaluation import clustering, imputation
from scgnn.evaluation.baselines import score_baselines
from scgnn.evaluation.targets import HiddenEntries, ImputationTargets, infer_scale
from scgnn.execution.resources import set_threads
from scgnn.recipe.load import load_recipe
from scgnn.recipe.recipe import to_yaml
from scgnn.runs.run import prepare

BENCHMARKS_DIR = Path(__file__).parent
PEER_REQUIREMENTS = {  # packages for pip
    "scanpy": ["scanpy", "igraph", "leidenalg"],
    "scvi": ["scvi-tools", "igraph", "leidenalg"],
    "magic": ["magic-impute", "anndata"],
}
HOLDOUT_FRACTION = 0.1  # of the non-zeros


class BenchmarkTask(NamedTuple):
    """Input of all programs, and the hidden entries."""

    path: Path  # of the visible counts
    adata: anndata.AnnData
    holdout: HiddenEntries  # on the scale of the scores
    labels: np.ndarray | None
    seed: int
    threads: int


class MethodResult(NamedTuple):
    """Clusters of a program, and its imputed values on the scale of the scores."""

    clusters: np.ndarray | None
    imputed: np.ndarray | None


def prepare_task(args: argparse.Namespace, folder: Path) -> BenchmarkTask:
    """Hide entries and write the visible counts to a file."""
    changes = {
        "seed": args.seed,
        "data.holdout_fraction": HOLDOUT_FRACTION,
        "data.labels_key": args.labels_key,
    }
    if args.data:
        changes["data.reader"] = args.data
    else:
        changes |= SIMULATION_SETTINGS | {"data.reader.n_cells": args.cells}
        changes["data.labels_key"] = "group"
    recipe = load_recipe("scgnn", changes)
    transforms = tuple(t for t in recipe.data.transforms if t.drops_cells_or_genes)
    _, state, truth, answers = prepare(
        replace(recipe, data=replace(recipe.data, transforms=transforms))
    )
    obs, var = pd.DataFrame(index=state.cells), pd.DataFrame(index=state.genes)
    visible = anndata.AnnData(sparse.csr_matrix(state.x), obs, var)
    visible.write_h5ad(folder / "visible.h5ad")
    rows, columns, values = answers.holdout
    hidden = HiddenEntries(rows, columns, np.log1p(values * compute_size_factors(visible.X)[rows]))
    return BenchmarkTask(folder / "visible.h5ad", visible, hidden, truth, args.seed, args.threads)


def compute_size_factors(x: sparse.csr_matrix) -> np.ndarray:
    """Return the factor that scales each cell to the median total; 0 for empty cells."""
    totals = np.asarray(x.sum(axis=1), dtype=float).ravel()
    full = totals > 0
    return np.divide(np.median(totals[full]), totals, out=np.zeros_like(totals), where=full)


def run_recipe(name: str, task: BenchmarkTask, folder: Path) -> tuple[ProcessUsage, MethodResult]:
    """Run a recipe on the visible counts."""
    recipe = load_recipe(name, {"seed": task.seed})
    transforms = tuple(t for t in recipe.data.transforms if not t.drops_cells_or_genes)
    data = replace(recipe.data, reader=H5AD(str(task.path)), transforms=transforms)
    (folder / "recipe.yaml").write_text(to_yaml(replace(recipe, data=data)), encoding="utf-8")
    command = ["-m", "scgnn", "run", folder / "recipe.yaml", "--out", folder / "out"]
    cost = run_measured([sys.executable, *command, "--threads", str(task.threads)], task.threads)
    result = anndata.read_h5ad(folder / "out" / "result.h5ad")
    labels = result.obs["scgnn"].astype(int).to_numpy()
    scale = infer_scale(transforms)
    if "scgnn_imputed" not in result.layers or scale == "other":
        return cost, MethodResult(labels, None)
    before, imputed = task.adata, np.asarray(result.layers["scgnn_imputed"], dtype=float)
    for transform in transforms:
        before = transform(before)
    x = before.X
    if scale == "log1p":
        x, imputed = x.expm1(), np.expm1(imputed)
    return cost, MethodResult(labels, np.log1p(imputed * compute_size_factors(x)[:, None]))


def run_peer(
    name: str, task: BenchmarkTask, folder: Path, environments: Path
) -> tuple[ProcessUsage, MethodResult]:
    """Run a peer on the visible counts, after installing it if necessary."""
    python, out = environments / name / "bin" / "python", folder / "out.npz"
    command = [python, "-W", "ignore", BENCHMARKS_DIR / "peers" / f"run_{name}.py"]
    command += [task.path, out, str(task.seed), str(task.threads)]
    if install_peer(name, environments / name):
        run_measured(command, task.threads)  # the first run compiles libraries
    cost = run_measured(command, task.threads)
    with np.load(out) as result:
        return cost, MethodResult(result.get("labels"), result.get("imputed"))


def install_peer(name: str, folder: Path) -> bool:
    """Install a peer if necessary, and return whether it was."""
    done, wanted = folder / "installed", "\n".join(PEER_REQUIREMENTS[name])
    if done.exists() and done.read_text(encoding="utf-8") == wanted:
        return False
    print(f"installing {name} into {folder}", file=sys.stderr, flush=True)
    venv.create(folder, with_pip=True, clear=True)
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    run_measured([*pip, "-c", BENCHMARKS_DIR.parent / "constraints.txt", *PEER_REQUIREMENTS[name]])
    done.write_text(wanted, encoding="utf-8")
    return True


def format_row(name: str, cost: ProcessUsage, result: MethodResult, task: BenchmarkTask) -> str:
    """Return a row of the table; true labels are used here only."""
    ari = error = clusters = None
    if result.clusters is not None:
        clusters = len(np.unique(result.clusters))
        if task.labels is not None:
            ari = clustering.score_against_labels(task.labels, result.clusters)["ari"]
    if result.imputed is not None:
        rows, columns, values = task.holdout
        error = imputation.score_hidden_entries(result.imputed[rows, columns], values)["median_l1"]
    return (
        f"{name:<20}{cost.cpu_seconds:12.1f}{cost.wall_seconds:10.1f}{cost.peak_memory_mb:10,.0f}"
        f"{format_value(clusters, 10, 'd')}{format_value(ari, 8)}{format_value(error, 14)}"
    )


def format_value(value: float | None, width: int, form: str = ".3f") -> str:
    return f"{'–' if value is None else format(value, form):>{width}}"


HEADER = (
    f"{'':<20}{'processor s':>12}{'wall s':>10}{'MB':>10}"
    f"{'clusters':>10}{'ARI':>8}{'hidden error':>14}"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="counts in any format that recipes read")
    parser.add_argument("--labels-key", help="column of obs with the true labels")
    parser.add_argument("--cells", type=int, default=1000, help="size of the simulated counts")
    parser.add_argument("--recipe", action="append", help="default scgnn_quick and scgnn")
    parser.add_argument("--peer", action="append", choices=PEER_REQUIREMENTS, help="default all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--environments", type=Path, default=Path.home() / ".cache" / "scgnn-peers")
    args = parser.parse_args()
    set_threads(args.threads)
    with tempfile.TemporaryDirectory() as name:
        task = prepare_task(args, Path(name))
        cells, genes = task.adata.shape
        hidden = f"{len(task.holdout.values):,} hidden entries, threads: {args.threads}"
        print(f"{args.data or 'simulated'}: {cells:,} cells x {genes:,} genes, {hidden}\n{HEADER}")
        names = [*(args.peer or PEER_REQUIREMENTS), *(args.recipe or ["scgnn_quick", "scgnn"])]
        for name in names:
            folder = Path(tempfile.mkdtemp(dir=name))
            try:
                if name in PEER_REQUIREMENTS:
                    row = run_peer(name, task, folder, args.environments)
                else:
                    row = run_recipe(name, task, folder)
                print(format_row(name, *row, task), flush=True)
            except (ProgramFailedError, UserError) as reason:
                print(f"{name:<20}  {str(reason).splitlines()[-1]}", flush=True)
        normalized = sparse.diags(compute_size_factors(task.adata.X)) @ task.adata.X
        answers = ImputationTargets(task.holdout, None, None, None, "log1p")
        for name, scores in score_baselines(normalized.log1p().tocsr(), answers, args.seed).items():
            print(f"baseline: {name:<50}{format_value(scores['imputation.median_l1'], 24)}")


if __name__ == "__main__":
    main()
