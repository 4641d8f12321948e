"""Runs in several threads of one process: the bits of one after another."""

from __future__ import annotations

import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rich.style  # noqa: F401  (draws when it is imported)
import torch

import scgnn
from budgets import REDUCED_BUDGET, SMALL_DATA, WITHOUT_LTMG
from scgnn import seeding
from scgnn.errors import UserError
from scgnn.execution import resources
from scgnn.execution.resources import hold_threads
from scgnn.registry.plugin_files import load_file
from scgnn.seeding import isolate_third_party_code, use_igraph_seed, use_torch_seed

SMALL = SMALL_DATA | REDUCED_BUDGET | {"pipeline.max_iterations": 1}
CHANGES = {
    "ltmg": {
        "pipeline.feature_regularizers": [{"name": "ltmg", "max_components": 2}],
        "pipeline.reconstruction_weight": 0.5,
    },
    "dropout": {
        "pipeline.feature_encoder": {"name": "mlp", "hidden": [16, 8], "dropout": 0.3},
        "pipeline.graph_encoder": {"name": "gat", "hidden": [8, 4], "dropout": 0.3},
    },
    "variational": {"pipeline.graph_decoder": {"name": "inner_product", "variational": True}},
    "sampled": {
        "pipeline.graph_decoder": "inner_product_sampled",
        "pipeline.graph_fanout": 3,
        "pipeline.graph_training.batch_size": 16,
        "pipeline.feature_training.batch_size": 16,
    },
    "contrastive": {"pipeline.cluster_regularizers": ["contrastive"]},
}
DRAWING_PLUGIN = """
import random
from dataclasses import dataclass

import numpy as np
import torch

import scgnn


@scgnn.Transform.register("drawing")
@dataclass(frozen=True)
class Drawing(scgnn.Transform):
    \"\"\"A transform that seeds the generators of the process.\"\"\"

    def __call__(self, adata):
        np.random.seed(1)
        random.seed(2)
        torch.manual_seed(3)
        adata.X = adata.X.copy()
        adata.X.data += np.random.rand(adata.X.nnz).astype("float32")
        adata.X.data += torch.rand(adata.X.nnz).numpy() + random.random()
        return adata
"""


def global_states():
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    return random.getstate(), name, keys.tolist(), rest, torch.get_rng_state().tolist()


@pytest.fixture(scope="module")
def recipes():
    parts = {
        name: scgnn.load_recipe("scgnn", SMALL | WITHOUT_LTMG | CHANGES[name]) for name in CHANGES
    }
    return [*parts.values(), scgnn.load_recipe("pca_leiden", SMALL_DATA)]


def test_runs_in_threads_give_the_bits_of_one_after_another(recipes, assert_bit_identical):
    before = global_states()
    alone = [scgnn.run(recipe) for recipe in recipes]
    assert global_states() == before
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(scgnn.run, recipes))
    assert global_states() == before
    for actual, expected in zip(together, alone, strict=True):
        assert_bit_identical(actual, expected)


@pytest.mark.usefixtures("restore_registry")
def test_third_party_draws_leave_the_generators_of_the_process_alone(
    tmp_path, assert_bit_identical
):
    (tmp_path / "drawing.py").write_text(DRAWING_PLUGIN)
    load_file(tmp_path / "drawing.py")
    changes = SMALL_DATA | {"data.transforms": ["drawing"]}
    recipe = scgnn.load_recipe("pca_leiden", changes)
    before = global_states()
    expected = scgnn.run(recipe)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(scgnn.run, [recipe] * 4))
    assert global_states() == before
    for result in results:
        assert_bit_identical(result, expected)


THREADED_PLUGIN = """
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

import numpy as np

import scgnn
from scgnn.components.clusterers import Leiden


@scgnn.Clusterer.register("threaded")
@dataclass(frozen=True)
class Threaded(scgnn.Clusterer):
    \"\"\"A clusterer that takes the seed, of several, with the most clusters.\"\"\"

    uses_runs: bool = False

    def fit_predict(self, embedding, graph, seed):
        def cluster(number):
            if self.uses_runs:
                scgnn.run("pca_leiden", data__reader__n_cells=60, data__reader__n_genes=60)
            return Leiden().fit_predict(embedding, graph, number)

        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(copy_context().run, cluster, n) for n in range(4)]
            futures += [] if self.uses_runs else [pool.submit(cluster, n) for n in range(4)]
            return max((f.result() for f in futures), key=np.max)
"""


@pytest.mark.usefixtures("restore_registry")
@pytest.mark.parametrize("uses_runs", [False, True])
def test_third_party_code_may_use_threads(tmp_path, assert_bit_identical, uses_runs):
    (tmp_path / "threaded.py").write_text(THREADED_PLUGIN)
    load_file(tmp_path / "threaded.py")
    clusterer = {"name": "threaded", "uses_runs": uses_runs}
    recipe = scgnn.load_recipe("pca_leiden", SMALL_DATA | {"pipeline.clusterer": clusterer})
    expected = scgnn.run(recipe)
    with ThreadPoolExecutor(3) as pool:
        for result in pool.map(scgnn.run, [recipe] * 3):
            assert_bit_identical(result, expected)


def start_stage_of_third_party(pool, work):
    """Start third-party code in another thread, and return its future once it has its turn."""
    running = threading.Event()

    def compute():
        with hold_threads(), isolate_third_party_code():
            running.set()
            return work()

    future = pool.submit(compute)
    assert running.wait(60)
    return future


def seed_in_a_run():
    with hold_threads(), use_torch_seed(1):
        return threading.current_thread()


def test_third_party_code_that_waits_for_a_run_in_its_thread_is_refused(monkeypatch):
    monkeypatch.setattr(seeding, "CHECK_SECONDS", 0.05)
    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1) as its_own:
        stage = start_stage_of_third_party(pool, lambda: its_own.submit(seed_in_a_run).result())
        with pytest.raises(UserError, match="a component can run recipes in its own thread only"):
            stage.result(60)


def test_a_run_waits_for_third_party_code_of_another(monkeypatch):
    monkeypatch.setattr(seeding, "CHECK_SECONDS", 0.05)
    done = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        older = pool.submit(time.sleep, 0.01)
        older.result()
        pool.submit(time.sleep, 0.1)  # both threads exist
        time.sleep(0.01)
        stage = start_stage_of_third_party(pool, lambda: done.wait(60))
        waiting = pool.submit(seed_in_a_run)
        time.sleep(0.3)
        assert not waiting.done()
        done.set()
        assert waiting.result(60) and stage.result(60)


SETTINGS = {
    "matmul precision": lambda: torch.set_float32_matmul_precision("medium"),
    "default type": lambda: torch.set_default_dtype(torch.float64),
    "no gradients": lambda: torch.set_grad_enabled(False),
    "default device": lambda: torch.set_default_device("meta"),
    "NumPy errors": lambda: np.seterr(all="raise"),
}


def read_settings():
    device = torch.empty(0).device  # torch 2.5 may not tell it
    grad = torch.is_grad_enabled()
    precision = torch.get_float32_matmul_precision()
    return precision, torch.get_default_dtype(), grad, device, np.geterr()


@pytest.fixture
def restore_settings():
    yield
    torch.set_float32_matmul_precision("highest")
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)
    torch.set_default_device(None)
    np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")


@pytest.mark.usefixtures("restore_settings")
@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_the_user_change_no_result(recipes, assert_bit_identical, setting):
    for recipe in (recipes[0], recipes[-1]):  # with LTMG, and PCA
        expected = scgnn.run(recipe)
        SETTINGS[setting]()
        before = read_settings()
        assert_bit_identical(scgnn.run(recipe), expected)
        assert read_settings() == before


@pytest.mark.parametrize(
    "mode",
    [torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16)],
    ids=["inference", "autocast"],
)
def test_modes_of_the_user_change_no_result(recipes, assert_bit_identical, mode):
    expected = scgnn.run(recipes[1])
    with mode():
        result = scgnn.run(recipes[1])
    assert_bit_identical(result, expected)


@pytest.mark.skipif(
    not hasattr(torch.backends.cuda.matmul, "fp32_precision"), reason="torch has no such setting"
)
@pytest.mark.parametrize("library", ["cuda", "mkldnn"])
def test_precision_of_one_library_is_replaced_in_a_run_and_restored(library):
    matmul = getattr(torch.backends, library).matmul
    before, matmul.fp32_precision = matmul.fp32_precision, "tf32"
    try:
        with hold_threads():
            assert torch.get_float32_matmul_precision() == "highest"
            assert matmul.fp32_precision == "ieee"
        assert matmul.fp32_precision == "tf32"
    finally:
        matmul.fp32_precision = before


def test_the_number_of_threads_is_restored_after_third_party_code():
    n = torch.get_num_threads()
    with isolate_third_party_code():
        torch.set_num_threads(n + 1)
    assert torch.get_num_threads() == n


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_does_not_wait_for_threads_that_it_does_not_have():
    holds, done = threading.Event(), threading.Event()

    def hold():
        with hold_threads(), isolate_third_party_code(), use_igraph_seed(1):
            holds.set()
            done.wait(60)

    def compute():
        with hold_threads(torch.get_num_threads()), isolate_third_party_code(), use_igraph_seed(1):
            pass

    with ThreadPoolExecutor(1) as pool:
        pool.submit(hold)
        assert holds.wait(60)
        child = multiprocessing.get_context("fork").Process(target=compute)
        child.start()
        child.join(20)
        done.set()
    child.kill()
    assert child.exitcode == 0


FORK = """
import multiprocessing, sys
import torch
import scgnn

torch.set_num_threads(2)
SMALL = {"data__reader__n_cells": 60, "data__reader__n_genes": 40}

def run(recipe):
    if len(sys.argv) > 1:
        import threadpoolctl

        torch.set_num_threads(1)
        threadpoolctl.threadpool_limits(1)
    try:
        print(scgnn.run(recipe, **SMALL).n_obs, flush=True)
    except scgnn.UserError as error:
        print(error, flush=True)

scgnn.run("pca_kmeans", **SMALL)
process = multiprocessing.get_context("fork").Process(target=run, args=("pca_kmeans",))
process.start()
process.join(60)
process.kill()
"""
FORKED = (
    "this process was forked after a run with several threads, which it lacks; start it with "
    "multiprocessing's method 'spawn', or set OMP_NUM_THREADS=1 before\n"
)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(("arguments", "expected"), [([], FORKED), (["one thread"], "60\n")])
def test_a_run_in_a_fork_of_a_process_with_threads_is_refused(tmp_path, arguments, expected):
    command = [sys.executable, "-W", "ignore", "-c", FORK, *arguments]
    env = os.environ | {"OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (expected, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("has_run", [False, True])
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("api", ["openmp", "blas"])
def test_a_fork_is_refused_after_a_run_with_several_threads_of_openmp(
    monkeypatch, has_run, n_threads, api
):
    pools = [{"user_api": "blas", "num_threads": 4}, {"user_api": api, "num_threads": n_threads}]
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: pools)
    monkeypatch.setattr(resources, "_has_run", has_run)

    def compute():
        try:
            with hold_threads():
                os._exit(7)
        except UserError:
            os._exit(8)

    child = multiprocessing.get_context("fork").Process(target=compute)
    child.start()
    child.join(20)
    child.kill()
    is_refused = has_run and n_threads > 1 and api == "openmp"
    assert child.exitcode == (8 if is_refused else 7)
    assert not resources._is_forked_after_run  # here


def test_our_dropout_has_the_bits_of_torch():
    from scgnn.components.encoders.networks import Dropout
    from scgnn.seeding import use_generator

    for shape, p, dtype in (
        ((7, 5), 0.3, "float32"),
        ((3, 1000), 0.9, "bfloat16"),
        ((0,), 0.5, "float32"),
    ):
        x = torch.ones(shape, dtype=getattr(torch, dtype))
        with use_torch_seed(4):
            expected = torch.nn.Dropout(p)(x)
        with use_torch_seed(4):
            torch.testing.assert_close(Dropout(p)(x), expected, rtol=0, atol=0)
        with use_generator(4):
            torch.testing.assert_close(Dropout(p)(x), expected, rtol=0, atol=0)


def test_runs_with_different_threads_are_refused():
    n = torch.get_num_threads()
    with hold_threads(), hold_threads(n):
        message = f"a run with {n} threads is active in this process"
        with pytest.raises(UserError, match=message), hold_threads(n + 1):
            pass
    assert torch.get_num_threads() == n
