"""Stages and their cache: reuse, invalidation, and resuming after SIGKILL."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from anndata import read_h5ad
from scipy import sparse

import scgnn
from scgnn import load_recipe
from scgnn.components.clusterers import Leiden
from scgnn.components.graph_builders import KNN
from scgnn.execution import stages
from scgnn.execution.cache import StageCache
from scgnn.execution.stages import Stages
from scgnn.pipelines import steps
from scgnn.runs.run import execute


class Pair(NamedTuple):
    matrix: sparse.csr_matrix
    numbers: dict[str, np.ndarray]
    nothing: np.ndarray | None
    size: float


calls: list[int] = []


def double(x: np.ndarray, by: int) -> np.ndarray:
    calls.append(by)
    return x * by


def several(x: np.ndarray) -> Pair:
    return Pair(sparse.csr_matrix(x), {"a/b": x, "c": x[:1]}, None, float(x.sum()))


@pytest.fixture(autouse=True)
def fresh_calls():
    calls.clear()


@pytest.fixture
def store(tmp_path):
    return StageCache(tmp_path / "stages")


X = np.arange(6.0).reshape(2, 3)


def test_a_stage_that_ran_is_taken_from_the_store(store):
    first, second = Stages(store), Stages(store)
    assert np.array_equal(first(double, X, 2), second(double, X.copy(), 2))
    assert calls == [2]
    assert (first.n_from_cache, second.n_from_cache) == (0, 1)


def test_another_argument_input_or_function_runs_again(store):
    Stages(store)(double, X, 2)
    Stages(store)(double, X, 3)
    Stages(store)(double, X + 1, 2)
    assert calls == [2, 3, 2]
    assert len(list(store.folder.iterdir())) == 3


def test_a_store_of_another_version_of_the_package_is_not_used(store, monkeypatch):
    Stages(store)(double, X, 2)
    monkeypatch.setattr(stages, "code_fingerprint", lambda: "another")
    Stages(store)(double, X, 2)
    assert calls == [2, 2]


def test_the_fingerprint_of_the_code_covers_the_whole_package(tmp_path):
    copy = tmp_path / "scgnn"
    shutil.copytree(Path(scgnn.__file__).parent, copy)
    code = "import scgnn.execution.fingerprint as f; print(f.__file__, f.code_fingerprint())"

    def fingerprint():
        run = [sys.executable, "-c", code]
        file, value = subprocess.run(
            run, cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.split()
        assert Path(file).is_relative_to(copy)
        return value

    before = fingerprint()
    assert fingerprint() == before
    with (copy / "components" / "stopping.py").open("a", encoding="utf-8") as file:
        file.write("# a comment\n")
    assert fingerprint() != before


def test_values_under_the_keys_of_another_version_are_ignored(store):
    store.folder.mkdir()
    old = store.folder / f"{'0' * 32}.npz"
    np.savez(old, value=X)  # without the label and cost of today
    assert np.array_equal(Stages(store)(double, X, 2), X * 2)
    assert store.load("0" * 32, np.ndarray) is None
    assert store.read_stage_label("0" * 32) == "unreadable"
    assert store.shrink(0) == 2


def test_a_cache_of_another_version_is_refused(store, run_cli, tmp_path):
    store.folder.mkdir()
    store.prepare()
    np.savez(store.folder / f"{'0' * 32}.npz", label="cell graph", cost=[0.1, 1.0], value=X)
    done = run_cli("run", "pca_leiden", "--cache-dir", store.folder, "--out", tmp_path / "out")
    assert done.exit_code == 2
    advice = "choose another folder, or delete this one"
    assert done.stderr == f"{store.folder}: a cache of another version; {advice}\n"
    assert not (tmp_path / "out").exists()
    store.shrink(0)
    Stages(store)(double, X, 2)
    store.prepare()


def test_what_a_stage_made_is_known_by_its_origin(store):
    once = Stages(store)
    made = once(double, X, 2)
    assert once.compute_key(made) != once.compute_key(made.copy())


def test_a_setting_of_a_component_is_part_of_the_key(store):
    embedding = np.random.default_rng(0).normal(size=(30, 4))
    run = Stages(store)
    for k in (3, 4, 3):
        run(steps.build_graph, KNN(n_neighbors=k), embedding, 0)
    assert run.n_from_cache == 1


def test_every_form_of_value_comes_back_as_it_was(store):
    made = Stages(store)(several, X)
    back = Stages(store)(several, X)
    assert isinstance(back, Pair)
    assert (made.matrix != back.matrix).nnz == 0
    assert {k: v.tolist() for k, v in back.numbers.items()} == {
        k: v.tolist() for k, v in made.numbers.items()
    }
    assert back.nothing is None
    assert back.size == made.size


def test_a_damaged_value_is_made_again(store):
    Stages(store)(double, X, 2)
    (file,) = store.folder.iterdir()
    file.write_bytes(file.read_bytes()[:40])
    assert np.array_equal(Stages(store)(double, X, 2), X * 2)
    assert calls == [2, 2]


def test_time_and_memory_are_kept_by_stage():
    run = Stages()
    run(steps.build_graph, KNN(), np.random.default_rng(0).normal(size=(30, 4)), 0)
    assert run.seconds.keys() == run.peak_memory_mb.keys() == {"cell graph"}
    assert run.peak_memory_mb["cell graph"] > 10


def test_a_value_without_a_key_is_refused():
    with pytest.raises(TypeError, match="its content has no key"):
        Stages().compute_key(object())


def test_another_clusterer_reuses_everything_before_it(store, make_small_changes):
    recipe = load_recipe("scgnn", {**make_small_changes("scgnn"), "pipeline.max_iterations": 0})
    execute(recipe, None, Stages(store))
    other = load_recipe(recipe, {"pipeline.clusterer": Leiden()})
    run = Stages(store)
    execute(other, None, run)
    assert run.n_from_cache == 4  # LTMG, feature autoencoder, cell graph, graph autoencoder


@pytest.fixture
def long_run(to_set_options, make_small_changes):
    """The words of a run whose iteration 3 can be caught."""
    changes = make_small_changes("scgnn") | {
        "pipeline.max_iterations": 4,
        "pipeline.stop": "{name: clusters, min_ari: 1.0}",
        "pipeline.cluster_training.epochs": 30,
        "pipeline.iteration_training.epochs": 30,
    }
    return ["run", "scgnn", *to_set_options(changes)]


@pytest.mark.slow
def test_a_run_killed_in_iteration_3_goes_on_there_to_the_same_bits(
    long_run, run_cli, tmp_path, assert_bit_identical
):
    full, killed = tmp_path / "full", tmp_path / "killed"
    assert run_cli(*long_run, "--out", full).exit_code == 0
    run = subprocess.Popen(
        [sys.executable, "-m", "scgnn", *long_run, "--out", str(killed)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _wait_for("iteration 2   clustering", killed / "log.txt", run)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert not (killed / "result.h5ad").exists()

    assert run_cli(*long_run, "--out", killed).exit_code == 2  # suggests --resume
    again = run_cli(*long_run, "--out", killed, "--resume")
    assert again.exit_code == 0
    assert again.stderr.count("cached") >= 14  # start, iterations 1 and 2
    for name in ("cells.csv", "history.csv"):
        assert (killed / name).read_bytes() == (full / name).read_bytes()
    assert_bit_identical(read_h5ad(full / "result.h5ad"), read_h5ad(killed / "result.h5ad"))
    assert not (killed / "stages").exists()


def _wait_for(words: str, log: Path, run: subprocess.Popen) -> None:
    for _ in range(3000):
        if log.exists() and words in log.read_text():
            return
        assert run.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    raise AssertionError(f"'{words}' never came")


EVERY_KIND = [
    "scgnn_published_code",
    "pca_leiden",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("scgnn", "scgnn_gat_leiden", "scgnn_quick", "scgnn_published_flags")
    ),
]


@pytest.mark.parametrize("name", EVERY_KIND)
def test_saved_recipe_reproduces_the_files_and_another_seed_does_not(
    name,
    run_cli,
    to_set_options,
    make_small_changes,
    collect_arrays,
    tmp_path,
    assert_bit_identical,
):
    args = ["run", name, *to_set_options(make_small_changes(name)), "--labels-key", "group"]
    first, second, seeded = (tmp_path / folder for folder in ("first", "second", "seeded"))
    assert run_cli(*args, "--out", first).exit_code == 0
    assert run_cli("run", first / "recipe.yaml", "--out", second).exit_code == 0
    for file in ("cells.csv", "history.csv", "recipe.yaml"):
        assert (first / file).read_bytes() == (second / file).read_bytes()
    expected = read_h5ad(first / "result.h5ad")
    assert_bit_identical(expected, read_h5ad(second / "result.h5ad"))
    scores = [json.loads((run / "metrics.json").read_text()) for run in (first, second)]
    assert _without_cost(scores[0]) == _without_cost(scores[1])

    assert run_cli(*args, "--set", "seed=2", "--out", seeded).exit_code == 0
    arrays, others = collect_arrays(expected), collect_arrays(read_h5ad(seeded / "result.h5ad"))
    for key in ("obsm X_scgnn", "obsm X_scgnn_features", "layers scgnn_imputed"):
        assert not np.array_equal(arrays[key], others[key])


def _without_cost(scores: dict) -> dict:
    """Return the scores without costs and the recipe's name."""
    return {k: v for k, v in scores.items() if not re.search("seconds|memory|^recipe", k)}


def test_going_on_after_half_a_file_gives_the_same_bits(
    run_cli, to_set_options, make_small_changes, tmp_path, assert_bit_identical, monkeypatch
):
    words = ["run", "scgnn_gat_leiden", *to_set_options(make_small_changes("scgnn")), "--out"]
    assert run_cli(*words, tmp_path / "whole").exit_code == 0

    def stopped(*_):
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr("scgnn.pipelines.scgnn.compute_last_ari", stopped)
        assert run_cli(*words, out).exit_code == 130
    files = sorted((out / "stages").iterdir())
    for file in files[::2]:
        file.write_bytes(file.read_bytes()[:-20])
    resumed = run_cli(*words, out, "--resume")
    assert resumed.exit_code == 0
    assert resumed.stderr.count("cached") == len(files) - len(files[::2])
    assert_bit_identical(
        read_h5ad(tmp_path / "whole" / "result.h5ad"), read_h5ad(out / "result.h5ad")
    )
    assert not (out / "stages").exists()
