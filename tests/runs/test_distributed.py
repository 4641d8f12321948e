"""A run divided among processes comes to the result of one process, and they end together."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from budgets import REDUCED_BUDGET, WITHOUT_LTMG
from conftest import CommandResult
from feature_autoencoders import expression, make_autoencoder
from paths import ROOT, TESTS
from scgnn.components.readers import H5AD, Demo
from scgnn.components.readers.shard import ShardReader
from scgnn.data.layers import select_counts
from scgnn.errors import InputError, RecipeError
from scgnn.execution import process_group
from scgnn.pipelines.autoencoders import (
    WarmStart,
    fit_cluster_autoencoders,
    fit_feature_autoencoder,
    reconstruct,
)
from scgnn.recipe.load import load_recipe
from scgnn.runs import distributed
from scgnn.training.collectives import (
    DistributedCommunicator,
    ShardRange,
    communicator,
    use_communicator,
)
from scgnn.training.settings import Training

TRAINING = Training(
    epochs=12,
    learning_rate=3e-3,
    batch_size=16,
    validation_fraction=0.1,
    early_stopping_patience=50,
)
LONGER = {"pipeline.feature_training.epochs": 60, "pipeline.graph_training.epochs": 20}
LONGER |= {"pipeline.feature_training.batch_size": 25, "pipeline.max_iterations": 1}
LONGER |= {f"pipeline.{word}_training.epochs": 10 for word in ("iteration", "imputation")}
CLEAR = Demo(
    n_cells=60, n_genes=50, n_groups=3, marker_fraction=0.3, marker_strength=3.0, dropout=0.0
)
FILES = "cells.csv history.csv log.txt metrics.json recipe.yaml report.html result.h5ad"

TRAINED = """
import sys
import numpy as np
from test_distributed import trained
from scgnn.execution import process_group
from scgnn.training.collectives import DistributedCommunicator, use_communicator

with process_group.init_process_group():
    with use_communicator(DistributedCommunicator()):
        found = trained(process_group.rank(), process_group.world_size())
    np.savez(f"{sys.argv[1]}/{process_group.rank()}.npz", **found)
"""


def trained(number=0, of=1):
    """Return weights, losses and embedding of this process after training on all and by cluster."""
    full = expression(cells=45)
    cells = slice(full.n_cells * number // of, full.n_cells * (number + 1) // of)
    labels = (np.arange(full.n_cells) > 20).astype(int)  # a process may have none of a cluster
    state = replace(full, x=full.x[cells], clusters=labels[cells], ltmg_states=None)
    first = fit_feature_autoencoder(make_autoencoder(), TRAINING, state, 3, None)
    start = WarmStart(first.weights, {})
    later = fit_cluster_autoencoders(make_autoencoder(), TRAINING, state, start, "copy", "own", 4)
    rebuilt = reconstruct(make_autoencoder(), later, state.n_genes, state.clusters)
    arrays = {"embedding": later.embedding, "rebuilt": rebuilt[:], "losses": first.losses}
    return {**arrays, "later": later.losses, **first.weights}


@pytest.fixture
def python(tmp_path, monkeypatch):
    """Return a function that starts Python in a folder, with package and tests on its path."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    roots = [Path(__file__).parent, TESTS, ROOT]
    monkeypatch.setenv("PYTHONPATH", ":".join(map(str, roots)))

    def start(*words, **environment):
        run = [sys.executable, *map(str, words)]
        settings = {"cwd": tmp_path, "env": {**os.environ, **environment}, "text": True}
        return subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings)

    return start


@pytest.fixture
def both(python):
    """Return a function that runs Python in two processes, as torchrun starts them."""

    def run(*words):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = str(free.getsockname()[1])
        known = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": port}
        started = [python(*words, RANK=str(number), **known) for number in range(2)]
        outputs = [process.communicate(timeout=300) for process in started]
        return [
            CommandResult(process.returncode, *output)
            for process, output in zip(started, outputs, strict=True)
        ]

    return run


@pytest.fixture
def second(monkeypatch):
    """Set the environment of the second of two processes of torchrun."""
    started = {"RANK": 1, "WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": 1}
    for name, value in started.items():
        monkeypatch.setenv(name, str(value))


# --- two processes ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_training_comes_to_the_same_weights(both, tmp_path):
    assert [done.exit_code for done in both("-c", TRAINED, tmp_path)] == [0, 0]
    alone = trained()
    one, other = (dict(np.load(tmp_path / f"{number}.npz")) for number in range(2))
    for name in alone:
        if name in ("embedding", "rebuilt"):
            result = np.concatenate([one[name], other[name]])
        else:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)  # every bit
            result = one[name]
        np.testing.assert_allclose(result, alone[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_a_run_comes_to_the_same_folder(python, run_cli, to_set_options, tmp_path):
    CLEAR().write_h5ad(tmp_path / "clear.h5ad")
    data = ["--data", tmp_path / "clear.h5ad", "--labels-key", "group"]
    words = ["run", "scgnn", *data, *to_set_options(REDUCED_BUDGET | WITHOUT_LTMG | LONGER)]
    assert run_cli(*words, "--out", tmp_path / "one").exit_code == 0
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = python(*torchrun, "-m", "scgnn", *words, "--out", tmp_path / "two")
    message, wrong = done.communicate(timeout=300)
    assert done.returncode == 0, wrong
    one, two = tmp_path / "one", tmp_path / "two"
    assert message.count("files in") == 1
    assert {path.name for path in one.iterdir()} == {path.name for path in two.iterdir()}
    assert set(FILES.split()) <= {path.name for path in two.iterdir()}
    cells, others = (pd.read_csv(out / "cells.csv") for out in (one, two))
    assert list(cells["cell"]) == list(others["cell"])
    assert adjusted_rand_score(cells["cluster"], others["cluster"]) > 0.99
    scores, result = (json.loads((out / "metrics.json").read_text()) for out in (one, two))
    assert result["ari"] == pytest.approx(scores["ari"])
    left, right = (read_h5ad(out / "result.h5ad") for out in (one, two))
    assert right.X is None
    assert list(left.obs["group"]) == list(right.obs["group"])
    assert list(left.var_names) == list(right.var_names)
    for key in ("X_scgnn_features", "X_scgnn"):
        np.testing.assert_allclose(left.obsm[key], right.obsm[key], atol=1e-3)
    result, expected = (item.layers["scgnn_imputed"] for item in (right, left))
    np.testing.assert_allclose(result, expected, atol=1e-2)


@pytest.mark.slow
def test_a_mistake_in_the_cells_of_one_ends_all_with_a_sentence(both, to_set_options, tmp_path):
    wrong = CLEAR()
    wrong.X.data[wrong.X.indptr[50]] = -1.0
    wrong.write_h5ad(tmp_path / "wrong.h5ad")
    words = ["run", "scgnn", "--data", "wrong.h5ad", "--out", "out", *to_set_options(WITHOUT_LTMG)]
    first, second = both("-m", "scgnn", *words)
    assert (first.exit_code, second.exit_code) == (2, 2)
    assert [line for line in first.stderr.splitlines() if "part 1 of 2" not in line] == []
    (sentence,) = second.stderr.splitlines()
    assert "counts cannot be negative, -1 in cell 'cell_51'" in sentence
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_annotation_that_an_h5ad_cannot_hold_is_converted(both, to_set_options, tmp_path):
    adata = CLEAR()
    with h5py.File(tmp_path / "clear.loom", "w") as file:
        file["matrix"] = adata.X.toarray().T
        file["row_attrs/Gene"] = adata.var_names.to_numpy(object)
        file["col_attrs/CellID"] = adata.obs_names.to_numpy(object)
        file["col_attrs/_index"] = np.arange(adata.n_obs)
    options = to_set_options(REDUCED_BUDGET | WITHOUT_LTMG)
    words = ["run", "scgnn", "--data", "clear.loom", "--out", tmp_path / "out", *options]
    first, second = both("-m", "scgnn", *words)
    assert (first.exit_code, second.exit_code) == (0, 0), first.stderr + second.stderr
    assert read_h5ad(tmp_path / "out" / "result.h5ad").n_obs == adata.n_obs


# --- what a process knows of the others ---------------------------------------------------------


def test_a_process_alone_counts_for_itself():
    alone = communicator()
    assert (process_group.world_size(), alone.world_size, alone.rank) == (1, 1, 0)
    assert (alone.all_reduce_sum(3.5), alone.all_reduce_max(2)) == (3.5, 2)
    assert alone.shard_range(7) == (0, 7, 7)


def test_outside_a_step_a_process_counts_for_itself(second):
    assert (process_group.world_size(), process_group.rank()) == (2, 1)
    assert communicator().world_size == 1
    assert communicator().all_reduce_sum(3.5) == 3.5
    with use_communicator(DistributedCommunicator()):
        assert (communicator().world_size, communicator().rank) == (2, 1)
    assert communicator().world_size == 1


def test_every_cell_of_a_batch_is_in_one_place():
    import torch

    batch = torch.tensor([8, 0, 3, 9, 4])
    places = [ShardRange(0, 4, 10), ShardRange(4, 6, 10)]
    assert [item.to_local(batch).tolist() for item in places] == [[0, 3], [4, 5, 0]]
    assert places[0].to_local(None) is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("no"), 2),
        (process_group.PeerLostError("gone"), 1),
        (KeyError(), 1),
        (SystemExit(3), 3),
    ],
)
def test_codes_of_what_ends_a_process(error, code):
    assert process_group.get_exit_code(error) == code


# --- shards of the data -------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["X", "auto", "counts", "raw"])
@pytest.mark.parametrize("dense", [False, True])
def test_parts_of_a_file_are_its_cells(make_counts, tmp_path, layer, dense):
    adata = make_counts(n_cells=11)
    adata.raw = adata.copy()
    adata.obs.index = [f"cell_{i // 2}" for i in range(11)]  # repeated
    adata.layers["counts"] = adata.X + 1
    adata.X = adata.X if dense else sparse.csr_matrix(adata.X)
    adata.write_h5ad(tmp_path / "a.h5ad")
    reader = H5AD(path=str(tmp_path / "a.h5ad"))
    result = [ShardReader(reader, number, 3, layer)() for number in range(3)]
    expected = select_counts(*reader.read_counts(layer)).X
    expected = expected.toarray() if sparse.issparse(expected) else expected
    np.testing.assert_array_equal(np.concatenate([item.X.toarray() for item in result]), expected)
    names = [name for item in result for name in item.obs_names]
    assert len(set(names)) == 11
    assert [name.split("-")[0] for name in names] == list(adata.obs_names)


def test_parts_of_other_data_are_their_cells():
    full = Demo(n_cells=10, n_genes=20)
    result = [ShardReader(full, number, 2)() for number in range(2)]
    np.testing.assert_array_equal(np.vstack([e.X.toarray() for e in result]), full().X.toarray())


def test_more_processes_than_cells_are_refused(make_counts, tmp_path):
    make_counts(n_cells=2).write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(InputError, match="2 cells cannot be divided among 3 processes"):
        ShardReader(H5AD(path=str(tmp_path / "a.h5ad")), 0, 3)()


# --- what cannot be divided ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pipeline.feature_regularizers": ["ltmg"]}, "pipeline.feature_regularizers: ltmg"),
        (
            {"pipeline.imputation_regularizers": ["nonzero_error"]},
            "imputation_regularizers: nonzero_error",
        ),
        ({"pipeline.feature_encoder.normalization": "batch"}, "feature_encoder.normalization"),
        ({"pipeline.feature_decoder": "zinb", "data.transforms": []}, "feature_decoder: zinb"),
        ({"data.thinning_fraction": 0.1}, "data.thinning_fraction"),
        ({"data.reader": {"name": "h5ad", "path": "x", "n_top_genes": 9}}, "reader.n_top_genes"),
        ({"data.transforms": ["filter", "normalize_total"]}, "normalize_total"),
    ],
)
def test_settings_that_take_all_cells_are_refused(second, changes, message):
    recipe = load_recipe("scgnn", WITHOUT_LTMG | changes)
    with pytest.raises(RecipeError) as refused:
        distributed.check_distributed_support(recipe, uses_cache=False)
    (problem,) = refused.value.problems
    assert message in problem
    assert problem.endswith("(run by 2 processes)")


def test_the_recipe_of_the_page_is_not_refused(second, load_recipe_text):
    page = (ROOT / "docs" / "many_cells.md").read_text(encoding="utf-8")
    section = page.partition("## Several processes")[2]
    (recipe,) = re.findall(r"```yaml\n(.*?)```", section, re.S)
    distributed.check_distributed_support(load_recipe_text(recipe), uses_cache=False)


def test_nothing_else_is_refused(second):
    distributed.check_distributed_support(load_recipe("scgnn", WITHOUT_LTMG), uses_cache=False)
    with pytest.raises(RecipeError, match="--resume, --cache-dir"):
        distributed.check_distributed_support(load_recipe("scgnn", WITHOUT_LTMG), uses_cache=True)


def test_a_study_is_refused(second, monkeypatch, run_cli):
    monkeypatch.setattr(process_group, "init_process_group", nullcontext)
    done = run_cli("run", "components")
    assert done.exit_code == 2
    assert done.stderr == "torchrun: only for recipes; use --jobs or --scheduler for a study\n"
