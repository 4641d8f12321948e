"""Runs by the command: what it prints, where it writes, how many threads it takes."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from scgnn.recipe.load import load_recipe

pytestmark = pytest.mark.usefixtures("work_dir")


@pytest.mark.parametrize("computes_baseline", [True])
def test_a_run_in_a_pipe_is_plain_lines(run_cli, to_set_options, make_small_changes):
    done = run_cli(
        "run",
        "scgnn",
        *to_set_options(make_small_changes("scgnn")),
        "--out",
        "out",
        "--labels-key",
        "group",
    )
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert lines[0].startswith("roughly ")
    assert lines[1].startswith("demo: 60 cells x 50 genes")
    # five stages, the imputation and the scores
    assert sum(line.startswith("iteration 2 ") for line in lines) == 7
    assert re.search(
        r"^iteration 1 +graph autoencoder +\d+(\.\d)? s  2 epochs, loss \S+$", done.stderr, re.M
    )
    for line in (
        "clusters {5,}\\d",
        "iterations +2, ",
        "ARI {10,}",
        "baseline +this run +pca_leiden$",
        "LTMG +.* s +.* MB$",
        "files in out: ",
    ):
        assert len(re.findall(f"^{line}", done.stdout, re.M)) == 1


def test_a_long_stage_says_how_far_it_is(run_cli, to_set_options, make_small_changes, monkeypatch):
    monkeypatch.setattr("scgnn.cli.progress.HEARTBEAT_SECONDS", -1)
    done = run_cli("run", "scgnn", *to_set_options(make_small_changes("scgnn")), "--out", "out")
    line = r"^iteration 1 +graph autoencoder +running  epoch 1 of 2, loss \S+$"
    assert re.search(line, done.stderr, re.M)
    with open("out/log.txt") as log:
        assert "running  epoch 1 of 2" in log.read()


def test_a_run_goes_to_a_folder_named_after_recipe_and_data(
    run_cli, to_set_options, make_small_changes, make_counts
):
    make_counts().write_h5ad("my cells.h5ad")
    changes = {
        k: v for k, v in make_small_changes("pca_leiden").items() if not k.startswith("data.")
    }
    words = ["run", "pca_leiden", "--data", "my cells.h5ad", *to_set_options(changes)]
    assert run_cli(*words).exit_code == 0
    assert run_cli(*words).exit_code == 0
    assert sorted(os.listdir("runs")) == ["pca_leiden-my cells", "pca_leiden-my cells-2"]
    reader = load_recipe("runs/pca_leiden-my cells/recipe.yaml").data.reader
    assert reader.path == os.path.abspath("my cells.h5ad")


def test_the_original_programs_files_are_written_when_asked(
    run_cli, to_set_options, make_small_changes
):
    done = run_cli(
        "run",
        "scgnn",
        *to_set_options(make_small_changes("scgnn")),
        "--out",
        "out",
        "--export",
        "scgnn",
    )
    files = [f"scgnn_{end}" for end in ("embedding.csv", "results.txt", "recon.csv", "graph.csv")]
    assert set(files) <= set(os.listdir("out"))
    assert all(name in done.stdout for name in files)


@pytest.mark.slow  # a process that imports torch
def test_threads_limit_libraries_that_are_loaded_later_too():
    check = (
        "import sys\n"
        "from scgnn.execution.resources import set_threads\n"
        "set_threads(1)\n"
        "import sklearn.cluster\n"
        "from threadpoolctl import threadpool_info\n"
        "sys.exit([pool for pool in threadpool_info() if pool['num_threads'] != 1] or 0)\n"
    )
    free = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, env=free)
    assert done.returncode == 0, done.stderr
