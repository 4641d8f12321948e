"""Beside peers: time, memory, ARI and the error on hidden entries, on the same data and threads.

    python benchmarks/peers.py                                          # simulated counts
    python benchmarks/peers.py --data zeisel.h5ad --labels label --recipe scgnn_quick
    python benchmarks/peers.py --peer scanpy --peer magic --threads 2

A tenth of the non-zeros is hidden; cells and genes are those that the recipe scgnn chooses (2,000
genes at most). Every program gets this one file in a process of its own, and no labels. What it
imputed is compared with the hidden entries on one scale, ln(1 + x · m / t): t is the total of the
cell and m the median total, both of what is seen. The error is the median of the absolute
differences, as in ``imputation_scores``; of controls, which only impute, it is alone. Our
recipes leave out transforms that choose cells or genes and are otherwise as they are; peers do as
``peers/run_NAME.py`` says. Each peer is installed with pip once into an environment of its own,
with the versions of constraints.txt; which torch it takes is for pip's settings to say
(PIP_EXTRA_INDEX_URL).
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
PEER_REQUIREMENTS = {  # what pip installs for each
    "scanpy": ["scanpy", "igraph", "leidenalg"],
    "scvi": ["scvi-tools", "igraph", "leidenalg"],
    "magic": ["magic-impute", "anndata"],
}
HOLDOUT_FRACTION = 0.1  # of the non-zeros


class BenchmarkTask(NamedTuple):
    """What everybody gets, and what nobody sees."""

    path: Path  # of the seen counts
    adata: anndata.AnnData
    holdout: HiddenEntries  # on the scale of the scores
    labels: np.ndarray | None
    seed: int
    threads: int


class MethodResult(NamedTuple):
    """What a program found: its labels, and imputed values on the scale of the scores."""

    clusters: np.ndarray | None
    imputed: np.ndarray | None


def prepare_task(args: argparse.Namespace, folder: Path) -> BenchmarkTask:
    """Hide entries, write what is left to a file."""
    changes = {
        "seed": args.seed,
        "data.holdout_fraction": HOLDOUT_FRACTION,
        "data.labels_key": args.labels,
    }
    if args.data:
        changes["data.reader"] = args.data
    else:
        changes |= SIMULATION_SETTINGS | {"data.reader.n_cells": args.cells}
        changes["data.labels_key"] = "group"
    recipe = load_recipe("scgnn", changes)
    chosen = tuple(each for each in recipe.data.transforms if each.drops_cells_or_genes)
    _, state, truth, answers = prepare(
        replace(recipe, data=replace(recipe.data, transforms=chosen))
    )
    obs, var = pd.DataFrame(index=state.cells), pd.DataFrame(index=state.genes)
    seen = anndata.AnnData(sparse.csr_matrix(state.x), obs, var)
    seen.write_h5ad(folder / "seen.h5ad")
    rows, columns, values = answers.holdout
    hidden = HiddenEntries(rows, columns, np.log1p(values * compute_size_factors(seen.X)[rows]))
    return BenchmarkTask(folder / "seen.h5ad", seen, hidden, truth, args.seed, args.threads)


def compute_size_factors(x: sparse.csr_matrix) -> np.ndarray:
    """What brings each cell to the median total; 0 for an empty one."""
    totals = np.asarray(x.sum(axis=1), dtype=float).ravel()
    full = totals > 0
    return np.divide(np.median(totals[full]), totals, out=np.zeros_like(totals), where=full)


def run_recipe(name: str, task: BenchmarkTask, folder: Path) -> tuple[ProcessUsage, MethodResult]:
    """A recipe on the seen counts."""
    recipe = load_recipe(name, {"seed": task.seed})
    kept = tuple(each for each in recipe.data.transforms if not each.drops_cells_or_genes)
    data = replace(recipe.data, reader=H5AD(str(task.path)), transforms=kept)
    (folder / "recipe.yaml").write_text(to_yaml(replace(recipe, data=data)), encoding="utf-8")
    words = ["-m", "scgnn", "run", folder / "recipe.yaml", "--out", folder / "out"]
    cost = run_measured([sys.executable, *words, "--threads", str(task.threads)], task.threads)
    result = anndata.read_h5ad(folder / "out" / "result.h5ad")
    labels = result.obs["scgnn"].astype(int).to_numpy()
    scale = infer_scale(kept)
    if "scgnn_imputed" not in result.layers or scale == "other":
        return cost, MethodResult(labels, None)
    before, imputed = task.adata, np.asarray(result.layers["scgnn_imputed"], dtype=float)
    for transform in kept:
        before = transform(before)
    x = before.X
    if scale == "log1p":
        x, imputed = x.expm1(), np.expm1(imputed)
    return cost, MethodResult(labels, np.log1p(imputed * compute_size_factors(x)[:, None]))


def run_peer(
    name: str, task: BenchmarkTask, folder: Path, environments: Path
) -> tuple[ProcessUsage, MethodResult]:
    """Another program on the seen counts, installed first where it is not."""
    python, out = environments / name / "bin" / "python", folder / "found.npz"
    words = [python, "-W", "ignore", BENCHMARKS_DIR / "peers" / f"run_{name}.py"]
    words += [task.path, out, str(task.seed), str(task.threads)]
    if install_peer(name, environments / name):
        run_measured(words, task.threads)  # the first run of new libraries compiles them
    cost = run_measured(words, task.threads)
    with np.load(out) as found:
        return cost, MethodResult(found.get("labels"), found.get("imputed"))


def install_peer(name: str, folder: Path) -> bool:
    """Whether a peer was installed just now; it is there either way."""
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
    """A row of the table; true labels come in here."""
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
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--data", help="counts in any format that recipes read")
    words.add_argument("--labels", help="column of obs with the true labels")
    words.add_argument("--cells", type=int, default=1000, help="of the simulated counts")
    words.add_argument("--recipe", action="append", help="default scgnn_quick and scgnn")
    words.add_argument("--peer", action="append", choices=PEER_REQUIREMENTS, help="default all")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--threads", type=int, default=1)
    words.add_argument("--environments", type=Path, default=Path.home() / ".cache" / "scgnn-peers")
    asked = words.parse_args()
    set_threads(asked.threads)
    with tempfile.TemporaryDirectory() as name:
        given = prepare_task(asked, Path(name))
        cells, genes = given.adata.shape
        hidden = f"{len(given.holdout.values):,} hidden entries, threads: {asked.threads}"
        print(f"{asked.data or 'simulated'}: {cells:,} cells x {genes:,} genes, {hidden}\n{HEADER}")
        names = [*(asked.peer or PEER_REQUIREMENTS), *(asked.recipe or ["scgnn_quick", "scgnn"])]
        for each in names:
            folder = Path(tempfile.mkdtemp(dir=name))
            try:
                if each in PEER_REQUIREMENTS:
                    row = run_peer(each, given, folder, asked.environments)
                else:
                    row = run_recipe(each, given, folder)
                print(format_row(each, *row, given), flush=True)
            except (ProgramFailedError, UserError) as reason:
                print(f"{each:<20}  {str(reason).splitlines()[-1]}", flush=True)
        normalised = sparse.diags(compute_size_factors(given.adata.X)) @ given.adata.X
        answers = ImputationTargets(given.holdout, None, None, None, "log1p")
        for each, scores in score_baselines(
            normalised.log1p().tocsr(), answers, asked.seed
        ).items():
            print(f"control: {each:<51}{format_value(scores['imputation.median_l1'], 24)}")


if __name__ == "__main__":
    main()
