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
from processes import Cost, Failed, run
from scaling import SIMULATED
from scipy import sparse

from scgnn.components.readers import H5AD
from scgnn.errors import UserError
from scgnn.evaluation import clustering, imputation
from scgnn.evaluation.baselines import control_scores
from scgnn.evaluation.targets import Answers, Entries, scale_after
from scgnn.execution.resources import set_threads
from scgnn.recipe.load import load_recipe
from scgnn.recipe.recipe import to_yaml
from scgnn.runs.run import prepare

HERE = Path(__file__).parent
PEERS = {  # what pip installs for each
    "scanpy": ["scanpy", "igraph", "leidenalg"],
    "scvi": ["scvi-tools", "igraph", "leidenalg"],
    "magic": ["magic-impute", "anndata"],
}
HIDDEN = 0.1  # of the non-zeros


class Task(NamedTuple):
    """What everybody gets, and what nobody sees."""

    path: Path  # of the seen counts
    seen: anndata.AnnData
    hidden: Entries  # on the scale of the scores
    truth: np.ndarray | None
    seed: int
    threads: int


class Found(NamedTuple):
    """What a program found: its labels, and imputed values on the scale of the scores."""

    labels: np.ndarray | None
    imputed: np.ndarray | None


def task(asked: argparse.Namespace, folder: Path) -> Task:
    """Hide entries, write what is left to a file."""
    changes = {"seed": asked.seed, "data.holdout": HIDDEN, "data.labels": asked.labels}
    if asked.data:
        changes["data.reader"] = asked.data
    else:
        changes |= SIMULATED | {"data.reader.cells": asked.cells}
        changes["data.labels"] = "group"
    recipe = load_recipe("scgnn", changes)
    chosen = tuple(each for each in recipe.data.transforms if each.selects)
    _, state, truth, answers = prepare(
        replace(recipe, data=replace(recipe.data, transforms=chosen))
    )
    obs, var = pd.DataFrame(index=state.cells), pd.DataFrame(index=state.genes)
    seen = anndata.AnnData(sparse.csr_matrix(state.x), obs, var)
    seen.write_h5ad(folder / "seen.h5ad")
    rows, columns, values = answers.holdout
    hidden = Entries(rows, columns, np.log1p(values * factors(seen.X)[rows]))
    return Task(folder / "seen.h5ad", seen, hidden, truth, asked.seed, asked.threads)


def factors(x: sparse.csr_matrix) -> np.ndarray:
    """What brings each cell to the median total; 0 for an empty one."""
    totals = np.asarray(x.sum(axis=1), dtype=float).ravel()
    full = totals > 0
    return np.divide(np.median(totals[full]), totals, out=np.zeros_like(totals), where=full)


def ours(name: str, given: Task, folder: Path) -> tuple[Cost, Found]:
    """A recipe on the seen counts."""
    recipe = load_recipe(name, {"seed": given.seed})
    kept = tuple(each for each in recipe.data.transforms if not each.selects)
    data = replace(recipe.data, reader=H5AD(str(given.path)), transforms=kept)
    (folder / "recipe.yaml").write_text(to_yaml(replace(recipe, data=data)), encoding="utf-8")
    words = ["-m", "scgnn", "run", folder / "recipe.yaml", "--out", folder / "out"]
    cost = run([sys.executable, *words, "--threads", str(given.threads)], given.threads)
    result = anndata.read_h5ad(folder / "out" / "result.h5ad")
    labels = result.obs["scgnn"].astype(int).to_numpy()
    scale = scale_after(kept)
    if "scgnn_imputed" not in result.layers or scale == "other":
        return cost, Found(labels, None)
    before, imputed = given.seen, np.asarray(result.layers["scgnn_imputed"], dtype=float)
    for transform in kept:
        before = transform(before)
    x = before.X
    if scale == "log1p":
        x, imputed = x.expm1(), np.expm1(imputed)
    return cost, Found(labels, np.log1p(imputed * factors(x)[:, None]))


def peer(name: str, given: Task, folder: Path, environments: Path) -> tuple[Cost, Found]:
    """Another program on the seen counts, installed first where it is not."""
    python, out = environments / name / "bin" / "python", folder / "found.npz"
    words = [python, "-W", "ignore", HERE / "peers" / f"run_{name}.py"]
    words += [given.path, out, str(given.seed), str(given.threads)]
    if installed(name, environments / name):
        run(words, given.threads)  # the first run of new libraries compiles them
    cost = run(words, given.threads)
    with np.load(out) as found:
        return cost, Found(found.get("labels"), found.get("imputed"))


def installed(name: str, folder: Path) -> bool:
    """Whether a peer was installed just now; it is there either way."""
    done, wanted = folder / "installed", "\n".join(PEERS[name])
    if done.exists() and done.read_text(encoding="utf-8") == wanted:
        return False
    print(f"installing {name} into {folder}", file=sys.stderr, flush=True)
    venv.create(folder, with_pip=True, clear=True)
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    run([*pip, "-c", HERE.parent / "constraints.txt", *PEERS[name]])
    done.write_text(wanted, encoding="utf-8")
    return True


def line(name: str, cost: Cost, found: Found, given: Task) -> str:
    """A row of the table; true labels come in here."""
    ari = error = clusters = None
    if found.labels is not None:
        clusters = len(np.unique(found.labels))
        if given.truth is not None:
            ari = clustering.label_scores(given.truth, found.labels)["ari"]
    if found.imputed is not None:
        rows, columns, values = given.hidden
        error = imputation.imputation_scores(found.imputed[rows, columns], values)["median_l1"]
    return (
        f"{name:<20}{cost.processor:12.1f}{cost.wall:10.1f}{cost.megabytes:10,.0f}"
        f"{shown(clusters, 10, 'd')}{shown(ari, 8)}{shown(error, 14)}"
    )


def shown(value: float | None, width: int, form: str = ".3f") -> str:
    return f"{'–' if value is None else format(value, form):>{width}}"


HEAD = (
    f"{'':<20}{'processor s':>12}{'wall s':>10}{'MB':>10}"
    f"{'clusters':>10}{'ARI':>8}{'hidden error':>14}"
)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--data", help="counts in any format that recipes read")
    words.add_argument("--labels", help="column of obs with the true labels")
    words.add_argument("--cells", type=int, default=1000, help="of the simulated counts")
    words.add_argument("--recipe", action="append", help="default scgnn_quick and scgnn")
    words.add_argument("--peer", action="append", choices=PEERS, help="default all")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--threads", type=int, default=1)
    words.add_argument("--environments", type=Path, default=Path.home() / ".cache" / "scgnn-peers")
    asked = words.parse_args()
    set_threads(asked.threads)
    with tempfile.TemporaryDirectory() as name:
        given = task(asked, Path(name))
        cells, genes = given.seen.shape
        hidden = f"{len(given.hidden.values):,} hidden entries, threads: {asked.threads}"
        print(f"{asked.data or 'simulated'}: {cells:,} cells x {genes:,} genes, {hidden}\n{HEAD}")
        names = [*(asked.peer or PEERS), *(asked.recipe or ["scgnn_quick", "scgnn"])]
        for each in names:
            folder = Path(tempfile.mkdtemp(dir=name))
            try:
                if each in PEERS:
                    row = peer(each, given, folder, asked.environments)
                else:
                    row = ours(each, given, folder)
                print(line(each, *row, given), flush=True)
            except (Failed, UserError) as reason:
                print(f"{each:<20}  {str(reason).splitlines()[-1]}", flush=True)
        normalised = sparse.diags(factors(given.seen.X)) @ given.seen.X
        answers = Answers(given.hidden, None, None, None, "log1p")
        for each, scores in control_scores(normalised.log1p().tocsr(), answers, asked.seed).items():
            print(f"control: {each:<51}{shown(scores['imputation.median_l1'], 24)}")


if __name__ == "__main__":
    main()
