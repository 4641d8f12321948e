"""Control characters in names and paths are escaped wherever the command prints them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("work_dir")
EVIL = "e\x1b[31m\x07v\x9bil"
ESCAPED = r"e\x1b[31m\x07v\x9bil"
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@pytest.fixture
def evil_file(make_counts) -> str:
    make_counts().write_h5ad(f"{EVIL}.h5ad")
    return f"{EVIL}.h5ad"


@pytest.fixture
def evil_study(evil_file) -> str:
    small = "{base: pca_kmeans, data: {reader: {name: demo, n_cells: 60, n_genes: 40}}}"
    name = '"e\\e[31m\\av\\x9bil"'
    Path("s.yaml").write_text(f"base: {small}\nvary: {{{name}: {{seed: 3}}}}\ncontrols: []\n")
    return "s.yaml"


def find_controls(*texts: str) -> list[str]:
    return CONTROLS.findall("".join(texts))


def test_a_run(run_cli, evil_file, to_set_options, make_small_changes):
    options = to_set_options({"pipeline.clusterer.n_clusters": 2})
    done = run_cli("run", "pca_kmeans", "--data", evil_file, *options, "--out", EVIL)
    assert done.exit_code == 0
    assert not find_controls(done.stdout, done.stderr, Path(EVIL, "log.txt").read_text())
    assert f"files in {ESCAPED}: " in done.stdout
    assert f"{ESCAPED}.h5ad: 40 cells" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("check", "scgnn", "--data", f"{EVIL}.h5ad"),
        ("check", "scgnn", "--data", f"{EVIL}.csv"),
        ("check", "scgnn", "--set", f"data.labels_key={EVIL}"),
        ("diff", "scgnn", f"./{EVIL}.yaml"),
        ("show", f"./{EVIL}.yaml"),
        ("show", EVIL),
        ("cache", "--cache-dir", EVIL),
    ],
)
def test_other_commands(run_cli, evil_file, words):
    Path(f"{EVIL}.yaml").write_text('base: scgnn\ndata: {labels_key: "e\\e[31m\\a\\x9bvil"}\n')
    done = run_cli(*words)
    assert done.stdout + done.stderr and not find_controls(done.stdout, done.stderr)


def test_a_study(run_cli, evil_study):
    done = run_cli("check", evil_study)
    assert done.exit_code == 0 and f"variants    base, {ESCAPED}\n" in done.stdout
    assert not find_controls(done.stdout, done.stderr)


def test_docstrings_are_needed():
    command = [sys.executable, "-OO", "-m", "scgnn", "list"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "python -OO removes docstrings, which anndata and scgnn need: use -O\n"
