"""Output folders: those that cannot be used, and resuming."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from scgnn.recipe.load import load_recipe

pytestmark = pytest.mark.usefixtures("work_dir")


@pytest.fixture
def table(make_counts):
    make_counts().write_h5ad("cells.h5ad")
    return "cells.h5ad"


def unusable(make):
    adata = make()
    adata.X[3, 2] = np.nan
    adata.write_h5ad("cells.h5ad")


def test_a_folder_that_cannot_be_made(reject_run, table):
    Path("file").write_text("mine")
    elsewhere = "choose another folder with --out"
    assert reject_run("--data", table, "--out", "file/out") == (
        f"file/out: cannot be written (Not a directory); {elsewhere}"
    )
    assert reject_run("--data", table, "--out", "file") == (
        f"file: cannot be written (File exists); {elsewhere}"
    )


def test_a_folder_with_something_else_in_it(reject_run, table):
    Path("out").mkdir()
    Path("out/thesis.txt").write_text("mine")
    for resume in ([], ["--resume"]):
        assert reject_run("--data", table, "--out", "out", *resume) == (
            "out: not empty and not a run; choose another folder with --out"
        )


def test_a_folder_with_a_recipe_of_ones_own_is_no_run(reject_run, table):
    Path("out").mkdir()
    Path("out/recipe.yaml").write_text("base: scgnn  # mine\n")
    assert "not a run" in reject_run("--data", table, "--out", "out", "--resume")


def test_a_folder_with_a_finished_run(reject_run, run_cli, run_args, table):
    assert run_cli(*run_args, "--data", table, "--out", "out").exit_code == 0
    for resume in ([], ["--resume"]):
        assert reject_run("--data", table, "--out", "out", *resume) == (
            "out: holds a finished run; choose another folder with --out"
        )


def unfinished(command, words):
    assert command(*words, "--data", "cells.h5ad", "--out", "out").exit_code == 0
    Path("out/metrics.json").unlink()


def test_a_folder_with_an_unfinished_run(reject_run, run_cli, run_args, table):
    unfinished(run_cli, run_args)
    assert reject_run("--data", table, "--out", "out") == (
        "out: holds an unfinished run; add --resume to continue it, or choose another folder "
        "with --out"
    )


def test_going_on_with_the_run_of_another_recipe(reject_run, run_cli, run_args, table):
    unfinished(run_cli, run_args)
    assert reject_run("--data", table, "--out", "out", "--resume", "--set", "seed=2") == (
        "out: holds a run of another recipe; choose another folder with --out"
    )


def test_the_recipe_and_the_run_of_an_older_version_are_one_sentence(
    reject_run, run_cli, run_args, table
):
    unfinished(run_cli, run_args)
    saved = Path("out/recipe.yaml")
    current = saved.read_text()
    old = current.replace("  reconstruction_weight:", "  fidelity:")
    saved.write_text(old)
    problem = r"out/recipe.yaml:\d+: pipeline.fidelity: unknown .*"  # old name
    assert re.fullmatch(
        "out: holds a run that this version of scgnn cannot resume; choose another folder with "
        rf"--out \({problem}\)",
        reject_run("--data", table, "--out", "out", "--resume"),
    )
    done = run_cli("run", "out/recipe.yaml", "--out", "new")
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert "unknown parameter 'fidelity'" in line
    saved.write_text(old.replace("  labels_key:", "  labels:"))
    error = reject_run("--data", table, "--out", "out", "--resume")
    assert error.startswith("out: holds a run that ") and error.endswith(" and 1 more)")


def test_going_on_with_a_run_whose_data_are_gone_leaves_it_as_it_was(
    run_cli, run_args, table, read_tree
):
    unfinished(run_cli, run_args)
    before = read_tree(Path("out"))
    Path("cells.h5ad").rename("moved.h5ad")
    again = [*run_args, "--set", "data.reader={name: h5ad, path: cells.h5ad}", "--out", "out"]
    assert run_cli(*again, "--resume").stderr == "cells.h5ad does not exist\n"
    assert read_tree(Path("out")) == before
    Path("moved.h5ad").rename("cells.h5ad")
    Path(f"out/.{'0' * 32}.result.h5ad").write_text("half a file, from when it was killed")
    assert run_cli(*again, "--resume").exit_code == 0
    assert sorted(os.listdir("out")) == sorted([*before, "metrics.json"])


def test_an_empty_folder_is_used_and_left_empty_when_the_data_are_wrong(reject_run, make_counts):
    Path("out").mkdir()
    unusable(make_counts)
    assert reject_run("--data", "cells.h5ad", "--out", "out").startswith("cells.h5ad: nan")


def test_folders_made_on_the_way_are_taken_away_again(reject_run, make_counts):
    Path("mine").mkdir()
    unusable(make_counts)
    assert reject_run("--data", "cells.h5ad").startswith("cells.h5ad: nan")  # runs/scgnn-cells
    assert reject_run("--data", "cells.h5ad", "--out", "mine/a/b").startswith("cells.h5ad: nan")


def test_a_default_folder_is_gone_on_with(run_cli, run_args, table):
    assert run_cli(*run_args, "--data", table).exit_code == 0
    assert run_cli(*run_args, "--data", table).exit_code == 0
    Path("runs/scgnn-cells-2/metrics.json").unlink()
    assert "files in runs/scgnn-cells-2: " in run_cli(*run_args, "--data", table, "--resume").stdout
    assert run_cli(*run_args, "--data", table, "--resume").exit_code == 2
    assert sorted(os.listdir("runs")) == ["scgnn-cells", "scgnn-cells-2"]


def test_the_saved_recipe_runs_from_any_folder(run_cli, run_args, table, monkeypatch):
    assert run_cli(*run_args, "--data", table, "--out", "out").exit_code == 0
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert run_cli("run", "../out/recipe.yaml", "--out", "again").exit_code == 0
    assert load_recipe("again/recipe.yaml") == load_recipe("../out/recipe.yaml")


def test_a_path_may_begin_with_the_home_folder(run_cli, run_args, table, monkeypatch, work_dir):
    monkeypatch.setenv("HOME", str(work_dir))
    assert run_cli(*run_args, "--data", f"~/{table}", "--out", "out").exit_code == 0
    assert load_recipe("out/recipe.yaml").data.reader.path == str(work_dir / table)


def test_a_folder_that_another_process_works_in(reject_run, run_cli, run_args, table):
    unfinished(run_cli, run_args)
    Path(f"out/.{'0' * 32}.metrics.json").write_text("being written by the other")
    with FileLock("out/.running"):
        assert reject_run("--data", table, "--out", "out", "--resume") == (
            "out: another process is running in it; wait for it, or choose another folder"
        )
    assert run_cli(*run_args, "--data", table, "--out", "out", "--resume").exit_code == 0
    assert not Path("out/.running").exists()


def test_a_full_disk_is_one_line_and_the_run_can_be_gone_on_with(
    run_cli, run_args, table, monkeypatch
):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "out/result.h5ad")

    run_args = [*run_args, "--data", table, "--out", "out"]
    with monkeypatch.context() as patched:
        patched.setattr("scgnn.api.runs.write_h5ad", full)
        done = run_cli(*run_args)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == (
        "out/result.h5ad: No space left on device; once resolved, use --resume to continue from "
        "the last finished stage"
    )
    assert not any(name.startswith(".") for name in os.listdir("out"))
    resumed = run_cli(*run_args, "--resume")
    assert resumed.exit_code == 0
    assert " epochs, loss" not in resumed.stderr


LONG_NAMES = ["x" * 300, "é" * 200, "/".join(["x" * 200] * 20), "a/" + "細" * 90]


@pytest.mark.parametrize("name", LONG_NAMES, ids=len)
def test_a_folder_with_too_long_a_name_is_refused(reject_run, table, name):
    message = reject_run("--data", table, "--out", name)
    assert message == f"{name[:57]}...: not a path (File name too long)"


def test_a_folder_that_leaves_no_room_for_names_of_files_is_refused(reject_run, table, work_dir):
    name = f"{work_dir}{('/' + 'x' * 99) * 50}"[:4050]  # of 4096 bytes, and files need more
    message = reject_run("--data", table, "--out", name.removesuffix("/"))
    assert message.endswith("...: not a path (File name too long)")


@pytest.mark.parametrize("stem", ["x" * 240, "é" * 120, "細" * 80])
def test_a_long_name_of_a_data_file_is_cut_in_that_of_the_folder(
    run_cli, to_set_options, make_small_changes, make_counts, stem
):
    make_counts().write_h5ad(f"{stem}.h5ad")
    changes = make_small_changes("pca_kmeans").items()
    changes = {key: value for key, value in changes if not key.startswith("data.")}
    words = "run", "pca_kmeans", "--data", f"{stem}.h5ad", *to_set_options(changes)
    assert run_cli(*words, "--export", "scgnn").exit_code == 0
    (folder,) = os.listdir("runs")
    assert len(folder.encode()) in range(190, 201)
    assert f"pca_kmeans-{stem}".startswith(folder)
    assert f"{folder}_embedding.csv" in os.listdir(f"runs/{folder}")


@pytest.mark.parametrize(
    ("number", "code", "advice"),
    [
        (errno.ENAMETOOLONG, 2, "File name too long; use shorter names of files and folders"),
        (errno.ENOSPC, 1, "No space left on device; once resolved, use --resume to continue from "),
        (errno.EFBIG, 1, "File too large; once resolved, use --resume to continue from the last "),
    ],
)
def test_errors_of_the_disk_end_a_run_with_advice(
    run_cli, run_args, table, monkeypatch, number, code, advice
):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number), "out/result.h5ad")

    monkeypatch.setattr("scgnn.api.runs.write_files", fail)
    done = run_cli(*run_args, "--data", table, "--out", "out")
    assert done.exit_code == code
    assert done.stderr.splitlines()[-1].startswith(f"out/result.h5ad: {advice}")
    assert "Traceback" not in done.stderr
