"""Errors of the published code (METHOD, section 2), corrected here: true labels (row 11)."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import numpy as np
import pytest

import scgnn
from scgnn.state import Snapshot, State

from .small_scgnn import N_CELLS, N_GENES

PACKAGE = Path(scgnn.__file__).parent
MAY_READ_LABELS = {"evaluation/clustering.py", "runs/run.py"}


def sources():
    """Yield the files that must not access true labels, with their syntax trees."""
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        if name not in MAY_READ_LABELS and not name.startswith("components/readers"):
            yield name, list(ast.walk(ast.parse(file.read_text())))


def is_attribute(node, name):
    return isinstance(node, ast.Attribute) and node.attr == name


def test_row_11_inputs_of_pipelines_and_stopping_rules_have_no_true_labels():
    assert Snapshot._fields == ("graph", "clusters")
    names = {field.name for field in dataclasses.fields(State)}
    assert not {"obs", "adata", "truth", "true_labels", "annotation"} & names


def test_row_11_no_other_module_reads_a_column_of_obs():
    for name, nodes in sources():
        read = [
            node.lineno
            for node in nodes
            if isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Load)
            and is_attribute(node.value, "obs")
        ]
        assert not read, f"{name}: lines {read}"


def test_row_11_no_other_module_reads_labels_key():
    for name, nodes in sources():
        if name.startswith("recipe/"):
            continue  # where the setting lives and is printed
        asking = [
            n.lineno
            for n in nodes
            if is_attribute(n, "labels_key") and is_attribute(n.value, "data")
        ]
        assert not asking, f"{name}: lines {asking}"


def test_row_11_components_and_pipelines_import_neither_scores_nor_annotation():
    for name, nodes in sources():
        if not name.startswith(("components/", "pipelines/")) or name.endswith("transforms.py"):
            continue
        modules = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        assert not modules & {
            "scgnn.evaluation.clustering",
            "scgnn.runs.run",
            "scgnn.data.validation",
            "anndata",
        }, name
        assert not [node for node in nodes if is_attribute(node, "obs")], name


def test_row_11_true_labels_do_not_affect_the_clusters(cells):
    anndata = pytest.importorskip("anndata")
    counts = np.expm1(cells.x).round()
    tiny = {
        "base": "scgnn_quick",
        "pipeline": {"feature_regularizers": [], "reconstruction_weight": 1.0, "max_iterations": 2},
    }
    clusters = []
    for labels in (["a"] * 30 + ["b"] * 30, ["a", "b"] * 30):
        adata = anndata.AnnData(counts)
        adata.obs_names = [f"cell{i}" for i in range(N_CELLS)]
        adata.var_names = [f"gene{i}" for i in range(N_GENES)]
        adata.obs["truth"] = labels
        done = scgnn.run(tiny, adata, labels_key="truth")
        clusters.append(done.obs["scgnn"].astype(str).tolist())
    assert clusters[0] == clusters[1]
