"""Runs of studies: independent of the number of workers, each stage once, resumable."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from distributed import LocalCluster

import scgnn
from budgets import SMALL_DATA, SMALL_LTMG
from scgnn import load_study
from scgnn.api.studies import run_study
from scgnn.execution.cache import StageCache
from scgnn.execution.hardware import Hardware, has_dgl, use_hardware
from scgnn.execution.progress import use_progress
from scgnn.study import cluster
from scgnn.study.engine import _load_run_summary
from scgnn.study.progress import StudyProgress, StudyRunProgress, filter_study_log
from scgnn.study.result import StudyResult

EPOCHS = ("feature", "graph", "cluster", "iteration", "imputation")
SMALL = {
    "data.reader.n_cells": 60,
    "data.reader.n_genes": 40,
    "data.labels_key": "group",
    "pipeline.max_iterations": 1,
    "pipeline.feature_encoder.hidden": [16, 8],
    **{f"pipeline.{name}_training.epochs": 3 for name in EPOCHS},
    **SMALL_LTMG,
}
STUDY = {
    "base": "scgnn",
    "vary": {
        "pipeline.graph_encoder": ["gat", None],
        "pipeline.imputation": [None],
        "diverges": {"pipeline.graph_training.learning_rate": 1e9},
    },
    "seeds": [0, 1],
    "controls": ["pca_leiden"],
}


def study_of(**parts):
    return load_study(STUDY | parts, SMALL)


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> StudyResult:
    return run_study(study_of(), out=tmp_path_factory.mktemp("study") / "out", jobs=1)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """An existing cluster with one worker in this process."""
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as existing:
        yield existing.scheduler_address


def test_every_run_is_in_the_table_and_failures_have_their_reason(done):
    table = pd.read_csv(done.folder / "table.csv")
    assert len(table) == len(done.study.runs) == 12
    failed = table[table["status"] == "failed"]
    assert set(failed["variant"]) == {"diverges"} and len(failed) == 2
    assert failed["reason"].str.startswith("training diverged").all()
    listed = pd.read_csv(done.folder / "failures.csv")
    assert list(listed["run"]) == list(failed["run"])
    finished = table[table["status"] == "done"]
    assert finished[["ari", "seconds", "peak_memory_mb", "n_clusters"]].notna().all(axis=None)


def test_the_answer_compares_each_change_and_control_with_the_base(done):
    effects = pd.read_csv(done.folder / "effects.csv")
    ari = effects[effects["score"] == "ari"].set_index("variant")
    assert list(ari.index) == [
        "graph_encoder=gat",
        "graph_encoder=null",
        "imputation=null",
        "diverges",
        "pca_leiden",
    ]
    assert ari.loc["imputation=null", "difference"] == 0
    assert ari.loc["diverges", "verdict"].startswith("nothing to compare")
    assert {"seconds", "peak_memory_mb"} <= set(effects["score"])


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")  # as of a worker: results depend on it
def test_a_run_of_a_study_is_the_run_of_its_recipe(done):
    folder = done.folder / "runs" / "base" / "data=demo,seed=1"
    alone = scgnn.run(folder / "recipe.yaml")
    cells = pd.read_csv(folder / "cells.csv")
    np.testing.assert_array_equal(cells["cluster"], alone.obs["scgnn"].astype(int))
    with np.load(folder / "embedding.npz") as arrays:
        np.testing.assert_array_equal(arrays["clustered"], alone.obsm["X_scgnn"])
    rounds = pd.read_csv(folder / "iterations.csv")
    np.testing.assert_array_equal(rounds.iloc[:, -1], cells["cluster"])


def test_a_stage_that_recipes_share_runs_once(done):
    runs = done.outcome.summaries
    base, unimputed = (
        set(runs[f"{name}/data=demo,seed=0"].costs) for name in ("base", "imputation=null")
    )
    assert len(unimputed) > 5 and unimputed < base
    costs = done.outcome.list_costs()
    files = list((done.folder / "stages").glob("*.npz"))
    assert len(dict(costs)) <= len(files) < len(costs)


@pytest.mark.slow  # runs the study a second time
def test_two_workers_give_the_same_bits(done, tmp_path):
    shared = run_study(study_of(), out=tmp_path / "out", jobs=2)
    for label in done.outcome.summaries:
        for name in ("cells.csv", "history.csv", "iterations.csv", "recipe.yaml"):
            a, b = (r.folder / "runs" / label / name for r in (done, shared))
            assert a.read_bytes() == b.read_bytes(), (label, name)
        with (
            np.load(done.folder / "runs" / label / "embedding.npz") as a,
            np.load(shared.folder / "runs" / label / "embedding.npz") as b,
        ):
            np.testing.assert_array_equal(a["clustered"], b["clustered"])


def test_resume_does_only_what_is_missing(done, scheduler):
    runs = done.folder / "runs"
    lost = runs / "imputation=null" / "data=demo,seed=0" / "metrics.json"
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("metrics.json")}
    lost.unlink()
    again = run_study(study_of(), out=done.folder, scheduler=scheduler, resume=True)
    assert {path for path, at in before.items() if path.stat().st_mtime_ns != at} == {lost}
    pd.testing.assert_frame_equal(
        again.tables.runs.drop(columns=["seconds.scores", "seconds"], errors="ignore"),
        done.tables.runs.drop(columns=["seconds.scores", "seconds"], errors="ignore"),
    )


@pytest.mark.parametrize("name", ["metrics.json", "versions.json", "recipe.yaml", "stages.csv"])
@pytest.mark.parametrize("content", ["", "[]", "null", "{}", "key,stage\na,b\n", "\0", "half"])
def test_a_finished_run_with_a_damaged_file_is_missing(done, tmp_path, name, content):
    run = done.study.runs[0]
    shutil.copytree(done.folder / "runs" / run.label, tmp_path / "run")
    assert _load_run_summary(tmp_path / "run", run.recipe) is not None
    file = tmp_path / "run" / name
    file.write_text(file.read_text()[: file.stat().st_size // 2] if content == "half" else content)
    assert _load_run_summary(tmp_path / "run", run.recipe) is None


def test_a_finished_run_with_another_backend_is_missing(done):
    run = done.study.runs[0]
    folder = done.folder / "runs" / run.label
    backend = json.loads((folder / "versions.json").read_text())["backend"]
    with use_hardware(Hardware("cpu", backend)):
        assert _load_run_summary(folder, run.recipe) is not None
    for hardware in (Hardware("cpu", "other"), Hardware("cuda", backend)):
        with use_hardware(hardware):
            assert _load_run_summary(folder, run.recipe) is None


@pytest.mark.skipif(not has_dgl(), reason="the study has this backend")
def test_backends_share_the_stages_that_do_not_depend_on_them(done, tmp_path, scheduler):
    shutil.copytree(done.folder / "stages", tmp_path / "stages")
    cache = StageCache(tmp_path / "stages")
    study = load_study({"base": STUDY["base"], "seeds": [0], "controls": []}, SMALL)
    options = {"backend": "torch", "cache": cache, "scheduler": scheduler}
    result = run_study(study, out=tmp_path / "out", **options)
    assert not result.outcome.failures
    (label,) = result.outcome.summaries
    versions = json.loads((result.folder / "runs" / label / "versions.json").read_text())
    assert (versions["device"], versions["backend"]) == ("cpu", "torch")
    keys = done.outcome.summaries["base/data=demo,seed=0"].costs.keys()
    costs = result.outcome.summaries[label].costs
    shared = [cost.label for key, cost in costs.items() if key in keys]
    assert "LTMG" in shared and "feature autoencoder" in shared
    assert "graph autoencoder" not in shared


def test_a_study_whose_folder_vanishes_says_so(tmp_path, scheduler):
    class Remove(StudyProgress):
        def print_run_end(self, *_):
            if (tmp_path / "out").exists():
                (tmp_path / "out").rename(tmp_path / "moved")

    study = load_study({"base": "pca_kmeans", "seeds": 2, "controls": []}, SMALL_DATA)
    with pytest.raises(scgnn.UserError, match=r"out.*: was removed during the run"):
        run_study(study, out=tmp_path / "out", scheduler=scheduler, progress=Remove())
    assert not (tmp_path / "out").exists()


def test_the_log_names_runs_and_what_cannot_be_answered(tmp_path, scheduler, caplog):
    study = study_of(vary={"diverges": STUDY["vary"]["diverges"]}, seeds=[0])
    with caplog.at_level(logging.INFO, "scgnn"):
        run_study(study, out=tmp_path / "out", scheduler=scheduler)
    messages = [r.getMessage() for r in caplog.records if r.name == "scgnn"]
    assert messages[0] == "study: 3 runs, 1 of the base, 1 with changes, 1 control"
    assert messages[1].startswith("1 block is too few for the change to be significant: 6 are")
    assert len([m for m in messages if m.startswith("demo: 60 cells x 40 genes")]) == 1
    ends = [m.split(maxsplit=1)[1].partition(", about")[0] for m in messages if "/3  " in m]
    assert len(ends) == 3 and "base/data=demo,seed=0  done" in ends
    assert any(end.startswith("diverges/data=demo,seed=0  failed: training div") for end in ends)


def test_a_warning_of_a_run_has_its_name_and_those_on_the_data_come_once(caplog):
    log = logging.getLogger("scgnn")
    runs = [StudyRunProgress(StudyProgress(), label) for label in ("a", "b")]
    with filter_study_log(), caplog.at_level(logging.INFO, "scgnn"):
        log.warning("the file has %s", "doubles")
        for run in runs:
            with use_progress(run):
                log.warning("the file has doubles")
                log.info("filter keeps 3 cells")
                log.warning("collapsed to 100%")
    log.warning("collapsed to 100%")
    messages = ["the file has doubles", "filter keeps 3 cells"]
    collapsed = [f"{prefix}collapsed to 100%" for prefix in ("a: ", "b: ", "")]
    assert caplog.messages == [*messages, *collapsed]


def test_fail_fast_ends_with_the_first_failure(tmp_path, scheduler):
    study = study_of(vary={"diverges": STUDY["vary"]["diverges"]}, seeds=[0], controls=[])
    with pytest.raises(scgnn.UserError, match=r"diverges.*: training diverged.*\(fail_fast\)"):
        run_study(study, out=tmp_path / "out", scheduler=scheduler, fail_fast=True)


CANNOT_RESUME = (
    r"holds a study that this version of scgnn cannot resume; .* with out \(.*study.yaml"
)


@pytest.mark.parametrize(
    ("files", "resume", "message"),
    [
        ({"notes.txt": "mine"}, False, "not empty and not a study"),
        ({"study.yaml": "base: scgnn\nseeds: 1\n"}, True, r"holds another study \(different: b"),
        ({"study.yaml": "base: {fidelity: 1}\nseeds: 1\n"}, True, CANNOT_RESUME + ":1: fidelity"),
        ({"study.yaml": "base: scgnn\nseeds: [1"}, True, CANNOT_RESUME + ":2: not YAML: "),
        ({"study.yaml": ""}, True, CANNOT_RESUME + ": empty;"),
        ({"study.yaml": "base: scgnn\nseeds: 1\n"}, False, "holds a study; pass resume=True"),
    ],
)
def test_a_folder_with_something_else_in_it_is_left_alone(files, resume, message, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(scgnn.UserError, match=message):
        run_study(study_of(), out=tmp_path, resume=resume)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


def test_a_missing_scheduler_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr("scgnn.study.cluster.START_TIMEOUT_SECONDS", 1)
    with pytest.raises(scgnn.UserError, match="no Dask scheduler answers"):
        run_study(study_of(), out=tmp_path / "out", scheduler="tcp://127.0.0.1:9")


def test_local_workers_divide_the_memory_limit_and_the_log_level_is_restored(monkeypatch):
    options = {}

    def start_cluster(**kwargs):
        options.update(kwargs)
        raise RuntimeError

    monkeypatch.setattr(cluster, "LocalCluster", start_cluster)
    monkeypatch.setattr(cluster, "memory_limit", lambda: 900.0)  # 10^6 bytes
    monkeypatch.setattr(logging.getLogger("distributed"), "level", logging.INFO)
    message = r"^the local workers cannot be started \(RuntimeError\); use fewer --jobs$"
    with pytest.raises(scgnn.UserError, match=message), cluster.open_cluster(3, 1, None):
        pass
    assert options["memory_limit"] == 300_000_000
    assert logging.getLogger("distributed").level == logging.INFO


COMMAND = [sys.executable, "-m", "scgnn", "run", "study.yaml", "--jobs", "2", "--out", "out"]


def written_study(folder: Path) -> None:
    from scgnn.recipe.yaml_tree import dump_yaml

    slow = {"pipeline.feature_training.epochs": 400, "pipeline.cluster_training.epochs": 100}
    study = load_study(
        {**STUDY, "vary": {"pipeline.graph_encoder": ["gat", "sage", None]}, "controls": []},
        SMALL | slow,
    )
    (folder / "study.yaml").write_text(dump_yaml(dict(study.source)))


def workers_of(driver: int) -> list[int]:
    import psutil

    family = psutil.Process(driver).children(recursive=True)
    return [
        p.pid for p in family if p.status() != "zombie" and "spawn_main" in " ".join(p.cmdline())
    ]


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_a_killed_driver_goes_on(tmp_path):
    written_study(tmp_path)
    straight = subprocess.run(COMMAND, cwd=tmp_path, capture_output=True, text=True)
    assert straight.returncode == 0, straight.stderr
    expected = pd.read_csv(tmp_path / "out" / "table.csv")
    (tmp_path / "out").rename(tmp_path / "straight")

    with subprocess.Popen(COMMAND, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as driver:
        until(lambda: any((tmp_path / "out").rglob("*.npz")), driver)
        os.kill(workers_of(driver.pid)[0], signal.SIGKILL)
        until(lambda: any((tmp_path / "out").rglob("metrics.json")), driver)
        driver.kill()
    assert not (tmp_path / "out" / "table.csv").exists()
    done = subprocess.run([*COMMAND, "--resume"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "out" / "table.csv")
    same = [name for name in table if not name.startswith(("seconds", "peak_memory"))]
    pd.testing.assert_frame_equal(table[same], expected[same])
    for run in (tmp_path / "straight" / "runs").rglob("cells.csv"):
        resumed = tmp_path / "out" / run.relative_to(tmp_path / "straight")
        assert resumed.read_bytes() == run.read_bytes()


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done(tmp_path):
    written_study(tmp_path)
    with subprocess.Popen(COMMAND, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as driver:
        until(lambda: any((tmp_path / "out").rglob("metrics.json")), driver)
        driver.send_signal(signal.SIGINT)
        _, stderr = driver.communicate(timeout=120)
    assert driver.returncode == 130
    assert "interrupted: finished runs are kept" in stderr and "Traceback" not in stderr
    metrics = next((tmp_path / "out").rglob("metrics.json"))
    assert json.loads(metrics.read_text())["n_cells"] == 60


def until(happened, process, seconds=300):
    end = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.05)
