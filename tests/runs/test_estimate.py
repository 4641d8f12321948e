"""Estimates of time and memory before a run."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import sparse

import scgnn
from scgnn.cli.options import parse_changes
from scgnn.components.readers import H5AD, Demo
from scgnn.data.validation import validate
from scgnn.errors import UserError
from scgnn.execution.formatting import format_duration
from scgnn.execution.resources import memory_limit
from scgnn.field_types import DatasetSize
from scgnn.interface import use_command_line
from scgnn.recipe.load import load_recipe
from scgnn.runs.cost_model import estimate_stages, peak_memory_mb
from scgnn.runs.preflight import check_fits_memory, format_estimate


@pytest.mark.parametrize("dense", [False, True])
def test_a_file_says_its_size_without_being_read(tmp_path, dense):
    adata = validate(Demo(n_cells=40, n_genes=30)(), "demo")
    adata.layers["counts"] = adata.X.copy()
    if dense:
        adata.X = adata.X.toarray()
    adata.write_h5ad(tmp_path / "cells.h5ad")
    stored = 40 * 30 if dense else adata.X.nnz
    assert H5AD(path=str(tmp_path / "cells.h5ad")).peek_shape() == (40, 30, stored)
    in_layer = H5AD(path=str(tmp_path / "cells.h5ad")).peek_shape("counts")
    assert in_layer == (40, 30, sparse.csr_matrix(adata.X).nnz)


def test_demo_says_about_how_much_is_not_zero():
    cells, genes, nonzeros = Demo().peek_shape()
    counts = Demo()().X
    assert (cells, genes) == counts.shape
    assert 0.95 < nonzeros / counts.nnz < 1.05


def estimate(recipe, cells, changes=None):
    result = estimate_stages(
        load_recipe(recipe, changes or {}), DatasetSize(cells, 2000, cells * 200)
    )
    return sum(stage.n_repeats * stage.seconds for stage in result.values()), result


def test_more_cells_and_epochs_take_longer_and_more_memory():
    few, some = estimate("scgnn", 1000)[1], estimate("scgnn", 4000)[1]
    assert few.keys() == some.keys()
    assert all(some[name].seconds > few[name].seconds for name in few)
    assert all(some[name].peak_memory_mb > few[name].peak_memory_mb for name in few)
    longer = estimate("scgnn", 1000, {"pipeline.feature_training.epochs": 1000})[0]
    assert longer > estimate("scgnn", 1000)[0]


def test_what_a_recipe_leaves_out_costs_nothing():
    assert set(estimate("pca_kmeans", 1000)[1]) == {
        *("cell graph", "clustering", "scores", "start, reading, writing")
    }
    quick = estimate("scgnn", 1000, {"pipeline.cluster_autoencoders": False})[1]
    assert "cluster autoencoders" not in quick
    assert "imputation" not in estimate("scgnn", 1000, {"pipeline.imputation": None})[1]
    assert estimate("scgnn", 1000)[1]["cluster autoencoders"].n_repeats == 10


def test_check_says_it(run_cli, tmp_path):
    done = run_cli("check", "scgnn")
    assert done.stdout.splitlines()[-1] == "all checks passed; nothing was run"
    assert "estimate    roughly " in done.stdout
    (tmp_path / "counts.csv").write_text("cell,a,b\nx,1,2\ny,0,3\n")
    read = {"data.reader": {"name": "csv", "path": str(tmp_path / "counts.csv")}}
    estimate = format_estimate(load_recipe("scgnn", read))
    assert estimate == "estimate    unknown until the data are read\n"


def test_durations_are_in_the_unit_that_fits():
    assert [format_duration(s) for s in (0.2, 12, 240, 7200)] == [
        "0.2 s",
        "12 s",
        "4 min",
        "2.0 h",
    ]
    assert np.isfinite(estimate("scgnn2", 1000)[0])


def large(recipe="scgnn", **changes):
    paths = {f"pipeline.{name}": value for name, value in changes.items()}
    return load_recipe(recipe, paths | {"data.reader.n_cells": 60_000, "data.reader.n_genes": 2000})


SIZE = DatasetSize(60_000, 2000, 12_000_000)


def test_what_cannot_fit_is_refused_with_what_would_make_it_fit(monkeypatch):
    there_is = 0.8 * peak_memory_mb(estimate_stages(large(), SIZE))
    monkeypatch.setattr("scgnn.runs.preflight.memory_limit", lambda: there_is)
    with pytest.raises(UserError, match=r"60,000 cells need roughly .* MB \(.*\), but") as caught:
        check_fits_memory(large(), SIZE)
    (words,) = re.findall(r"MB are available: (pipeline__.*) makes it fit", str(caught.value))
    arguments = eval(f"dict({words})")
    changes = {name.replace("__", "."): value for name, value in arguments.items()}
    check_fits_memory(load_recipe(large(), changes), SIZE)
    with use_command_line(), pytest.raises(UserError, match=r"--force runs it anyway$") as caught:
        check_fits_memory(large(), SIZE)
    (words,) = re.findall(r"MB are available: (--set .*) makes it fit", str(caught.value))
    assert parse_changes(words.replace("--set ", "").split()) == changes


def test_where_no_setting_makes_it_fit_that_is_said(monkeypatch):
    monkeypatch.setattr("scgnn.runs.preflight.memory_limit", lambda: 1000.0)
    with pytest.raises(UserError, match=r"or a machine with more memory; force=True") as caught:
        check_fits_memory(large("pca_leiden"), SIZE)
    (most,) = re.findall(r"use at most ([0-9,]+) cells, fewer genes", str(caught.value))
    cells = int(most.replace(",", ""))
    fewer = DatasetSize(cells, SIZE.n_genes, SIZE.n_nonzeros * cells // SIZE.n_cells)
    check_fits_memory(large("pca_leiden"), fewer)


def test_a_very_long_run_names_what_takes_longest_and_a_shorter_recipe(run_cli):
    message = run_cli("check", "scgnn", "--set", "data.reader.n_cells=200000").stdout
    pattern = r"graph autoencoder takes \d\d% of it; the recipe scgnn_fast would take \d+ min"
    assert re.search(pattern, message)
    assert "would take" not in run_cli("check", "scgnn").stdout


def test_a_demo_of_very_many_genes_is_not_made_to_say_its_size():
    assert Demo(n_cells=500, n_genes=20_000_000).peek_shape()[:2] == (500, 20_000_000)
    many = Demo(n_cells=100, n_genes=60_000)
    assert many.peek_shape()[2] == pytest.approx(many().X.nnz, rel=0.1)


def test_workers_share_the_memory(monkeypatch):
    size = DatasetSize(1000, 2000, 200_000)
    needed = peak_memory_mb(estimate_stages(load_recipe("scgnn"), size))
    monkeypatch.setattr("scgnn.runs.preflight.memory_limit", lambda: 1.5 * needed)
    check_fits_memory(load_recipe("scgnn"), size)
    with pytest.raises(UserError, match="for each of 2 workers"):
        check_fits_memory(load_recipe("scgnn"), size, n_workers=2)


@pytest.mark.parametrize("what", ["scgnn_quick", "./study.yaml"])
def test_run_and_check_refuse_it_before_anything_is_read(run_cli, work_dir, monkeypatch, what):
    study = "base: scgnn_quick\nvary: {pipeline.clusterer: [leiden]}\nseeds: 2\n"
    (work_dir / "study.yaml").write_text(study)
    monkeypatch.setattr("scgnn.runs.preflight.memory_limit", lambda: 10.0)
    checked = run_cli("check", what)
    monkeypatch.setattr(Demo, "__call__", lambda _: pytest.fail("it was read"))
    run = run_cli("run", what, "--out", "out")
    for done in (checked, run):
        assert done.exit_code == 2 and "but only" in done.stderr and "--force" in done.stderr
    assert "all checks passed" not in checked.stdout
    assert not (work_dir / "out").exists()


def test_force_runs_it_all_the_same(monkeypatch, caplog):
    monkeypatch.setattr("scgnn.runs.preflight.memory_limit", lambda: 10.0)
    caplog.set_level("INFO", "scgnn")
    result = scgnn.run("pca_kmeans", force=True, **{"data.reader.n_cells": 60})
    assert len(result) > 50
    assert "MB on one thread of an idle machine\n" in caplog.text


def test_given_data_are_looked_at_too(monkeypatch):
    monkeypatch.setattr("scgnn.runs.preflight.memory_limit", lambda: 10.0)
    with pytest.raises(UserError, match="60 cells need roughly"):
        scgnn.run("pca_kmeans", Demo(n_cells=60)())


def test_a_container_may_have_less_memory_than_its_machine(tmp_path, monkeypatch):
    full = memory_limit()
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr("scgnn.execution.resources.CGROUP_ROOT", tmp_path)
    assert memory_limit() == full
    (tmp_path / "memory.max").write_text("5000000\n")
    assert memory_limit() == 5.0


@pytest.mark.parametrize(
    "encoder",
    [
        {"name": "pca", "n_components": 10**9},
        {"name": "mlp", "hidden": [10**9]},
        {"name": "mlp", "hidden": [3, 10**9]},
        {"name": "vae", "hidden": [10**9]},
    ],
)
def test_wide_encoders_without_a_decoder_are_refused(encoder):
    changes = {"pipeline.feature_encoder": encoder}
    with pytest.raises(UserError, match="MB"):
        scgnn.run(load_recipe("pca_leiden", changes))
