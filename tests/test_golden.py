"""Numbers of whole runs, the words of every seed, the checks of every kind, and the label firewall.

``python tests/test_golden.py`` records the numbers again, after a change that is meant to move
them.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import math
import platform
from importlib import metadata
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch

import scgnn
import scgnn.testing.suite  # fills CHECKS
from scgnn.recipe.load import load_recipe
from scgnn.runs.run import execute
from scgnn.testing.check import CHECKS

FILE = Path(__file__).parent / "data" / "golden.json"
SMALL = {
    "data.reader.n_cells": 90,
    "data.reader.n_genes": 120,
    "data.labels_key": "group",
    "pipeline.feature_training.epochs": 4,
}
GRAPH = SMALL | {
    "pipeline.graph_training.epochs": 4,
    "pipeline.feature_encoder.hidden": [24, 12],
}
LOOP = GRAPH | {
    "pipeline.cluster_training.epochs": 3,
    "pipeline.iteration_training.epochs": 3,
    "pipeline.imputation_training.epochs": 3,
    "pipeline.max_iterations": 2,
}
RUNS = {
    "scgnn": LOOP | {"data.thinning_fraction": 0.2},
    "scgnn2": LOOP,
    "scgnn_quick": LOOP,
    "scgnn_published_code": LOOP,
    "scgnn_fast": GRAPH,
    "pca_leiden": {key: SMALL[key] for key in list(SMALL)[:3]},
}
NOT_COMPARED = {"seconds", "peak_memory_mb", "peak_memory_mb_by_stage", "stop_reason"}


def machine() -> str:
    """What the last bits depend on."""
    names = ("torch", "numpy", "scipy", "scikit-learn", "dgl", "igraph", "leidenalg")
    versions = [f"{name} {metadata.version(name)}" for name in names]
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
    return ", ".join([*versions, platform.machine(), cpu, torch.backends.cpu.get_cpu_capability()])


def digest(rows) -> str:
    return hashlib.blake2b(repr(rows).encode(), digest_size=16).hexdigest()


def flat(scores, path=""):
    for key, value in scores.items():
        if isinstance(value, dict):
            yield from flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def numbers(recipe: str) -> dict:
    """Everything a run gives: clusters, history and scores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        result = execute(load_recipe(recipe, RUNS[recipe]))
    finally:
        torch.set_num_threads(threads)
    clusters = result.adata.obs["scgnn"].astype(int).tolist()
    history = [
        [r.iteration, r.stage, r.quantity, r.epoch, float(r.value)] for r in result.state.history
    ]
    scores = {
        k: v for k, v in flat({k: v for k, v in result.metrics.items() if k not in NOT_COMPARED})
    }
    last = {f"{stage}, {quantity}": value for _, stage, quantity, _, value in history}
    return {
        "clusters": digest(clusters),
        "history": digest(history),
        "scores": scores,
        "last": last,
    }


@pytest.mark.parametrize("recipe", RUNS)
def test_a_run_gives_the_recorded_numbers(recipe):
    golden = json.loads(FILE.read_text())
    expected, found = golden["runs"][recipe], json.loads(json.dumps(numbers(recipe)))
    if golden["machine"] == machine():
        assert found == expected
        return
    assert found["scores"].keys() == expected["scores"].keys()  # elsewhere the last bits differ
    assert found["last"].keys() == expected["last"].keys()
    for name, value in expected["last"].items():
        if name.endswith("loss"):
            assert math.isclose(found["last"][name], value, rel_tol=0.05), name


def test_the_words_of_the_seeds_are_those_of_the_first_release():
    """Seeds are hashes of these words: another word is another result."""
    words = set()
    for path in Path(scgnn.__file__).parent.rglob("*.py"):
        if path.name == "seeding.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in ("seed_for", "generator"):
                    words |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    assert words == {
        0, "bootstrap", "cells drawn", "cluster_autoencoders", "clusterer", "decoder", "detectable",
        "encoder", "feature_autoencoder", "final_clusterer", "graph_builder", "graph_encoder",
        "held_out", "holdout", "imputation", "imputation_controls", "mean_shift", "permuted",
        "prepare", "random", "rank", "sign_flip", "signal", "silhouette", "thinning", "training",
    }  # fmt: skip


def test_no_check_of_the_suite_is_lost():
    counted = {}
    for check in CHECKS:
        counted[check.kind or "every kind"] = counted.get(check.kind or "every kind", 0) + 1
    assert counted == json.loads(FILE.read_text())["checks"]


class Tripwire:
    """A label that notes which module of scgnn looks at it."""

    touched: ClassVar[set[str]] = set()

    def __init__(self, text: str) -> None:
        self.text = text

    def _note(self) -> None:
        modules = (f.frame.f_globals.get("__name__", "") for f in inspect.stack())
        self.touched.add(next((m for m in modules if m.partition(".")[0] == "scgnn"), "?"))

    def __str__(self) -> str:
        self._note()
        return self.text

    def __eq__(self, other: object) -> bool:
        self._note()
        return self.text == str(other)

    def __hash__(self) -> int:
        self._note()
        return hash(self.text)

    def __repr__(self) -> str:
        return str(self)


def test_only_the_scores_look_at_true_labels(make_counts):
    adata = make_counts(n_cells=60)
    adata.obs["truth"] = pd.Series(
        [Tripwire("ab"[i % 2]) for i in range(60)], index=adata.obs_names, dtype=object
    )
    Tripwire.touched.clear()
    small = {key: value for key, value in LOOP.items() if not key.startswith("data.")}
    result = execute(load_recipe("scgnn_quick", small | {"data.labels_key": "truth"}), adata)
    assert result.metrics["ari"] is not None
    assert Tripwire.touched == {"scgnn.evaluation.clustering"}


if __name__ == "__main__":
    kinds: dict[str, int] = {}
    for check in CHECKS:
        kinds[check.kind or "every kind"] = kinds.get(check.kind or "every kind", 0) + 1
    golden = {"machine": machine(), "checks": kinds, "runs": {name: numbers(name) for name in RUNS}}
    FILE.write_text(json.dumps(golden, indent=1, default=np.ndarray.tolist) + "\n")
