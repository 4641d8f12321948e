"""Studies in scripts: no guard, no file, and components that the script defines."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

import scgnn
from scgnn.execution.fingerprint import get_class_source
from scgnn.study.cluster import _skip_main_module
from scgnn.study.workers import compute_task_fingerprint

SCRIPT = """
import logging

import scgnn

logging.getLogger("scgnn").setLevel("ERROR")  # a study as small as this one gets advice
print("the script runs", flush=True)
study = {
    "base": {
        "base": "pca_kmeans",
        "data": {"reader": {"name": "demo", "n_cells": 60, "n_genes": 40}},
    },
    "vary": {"pipeline.clusterer": [CLUSTERER]},
    "seeds": 2,
    "controls": [],
}
result = scgnn.run_study(study, out="out", jobs=1)
assert not result.outcome.failures, result.outcome.failures
print(len(result.outcome.summaries), "runs")
"""
COMPONENT = """
from dataclasses import dataclass

import numpy as np
from scgnn import Clusterer


def compute_halves(n):
    return np.arange(n) % 2


@Clusterer.register("halves")
@dataclass(frozen=True)
class Halves(Clusterer):
    '''A clusterer of the script.'''

    offset: int = 0

    def fit_predict(self, embedding, graph, seed):
        names = {name: [i for i in range(3)] for name in {"a", "b", "c"}}
        return compute_halves(len(embedding)) + self.offset if super() and names else None
"""
PLAIN = SCRIPT.replace("CLUSTERER", '"birch"')
OWN = COMPONENT + SCRIPT.replace("CLUSTERER", '"halves"')
EXPECTED = "the script runs\n4 runs\n"


def run_script(folder, *command, text=None):
    """Run a script in a folder and return its output; nothing else may be printed."""
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, input=text, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.slow
def test_a_script_without_guard_and_with_a_component_of_its_own(tmp_path):
    (tmp_path / "script.py").write_text(OWN)
    assert run_script(tmp_path, "script.py") == EXPECTED


@pytest.mark.slow
@pytest.mark.parametrize("script", [PLAIN, OWN], ids=["plain", "own"])
@pytest.mark.parametrize("source", ["standard input", "-c", "module", "IPython"])
def test_other_scripts(tmp_path, script, source):
    (tmp_path / "script.py").write_text(script)
    if source == "standard input":
        assert run_script(tmp_path, "-", text=script) == EXPECTED
    elif source == "-c":
        assert run_script(tmp_path, "-c", script) == EXPECTED
    elif source == "module":
        assert run_script(tmp_path, "-m", "script") == EXPECTED
    else:
        pytest.importorskip("IPython")
        options = "--no-banner", "--no-confirm-exit", "--colors=NoColor", "--quick"
        code = f"exec({script!r}, globals())"
        assert EXPECTED in run_script(tmp_path, "-m", "IPython", *options, "-c", code)


GUARDLESS = """
import multiprocessing, sys
from scgnn.study.cluster import _skip_main_module

print("main", flush=True)
if "again" not in sys.argv:
    sys.argv.append("again")  # which a child inherits
    with _skip_main_module():
        process = multiprocessing.get_context("spawn").Process(target=print, args=("child",))
        process.start()
        process.join()
    process = multiprocessing.get_context("spawn").Process(target=print, args=("other",))
    process.start()
    process.join()
"""


def test_processes_import_the_script_again_after_a_study_only(tmp_path):
    (tmp_path / "script.py").write_text(GUARDLESS)
    assert run_script(tmp_path, "script.py").split() == ["main", "child", "main", "other"]


@pytest.mark.parametrize("order", ["nested", "overlapping"])
def test_the_specification_of_the_main_module_is_restored(order):
    before = sys.modules["__main__"].__spec__
    first, second = _skip_main_module(), _skip_main_module()
    first.__enter__()
    second.__enter__()
    for block in (second, first) if order == "nested" else (first, second):
        assert sys.modules["__main__"].__spec__.name == "__main__"
        block.__exit__(None, None, None)
    assert sys.modules["__main__"].__spec__ is before


@pytest.fixture
def make_class(restore_registry):
    """Return a function that defines a component in a module, with the body of its method."""

    def make(body: str, module: str = "__main__", decorator: str = "") -> type:
        code = f"class Mine(Clusterer):\n  {decorator}\n  def help(self):\n    {body}\n"
        names = {"Clusterer": scgnn.Clusterer, "__name__": module}
        exec(compile(code, "<cell>", "exec"), names)
        return dataclass(frozen=True)(scgnn.Clusterer.register(module.strip("_"))(names["Mine"]))

    return make


@pytest.mark.parametrize("decorator", ["", "@staticmethod", "@classmethod", "@property"])
@pytest.mark.parametrize("body", ["return [i for i in ()]", "return 'b' in {'a', 'b', 'c'}"])
def test_the_source_of_a_class_in_a_notebook_is_its_code(make_class, body, decorator, monkeypatch):
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    sources = [get_class_source(make_class(body, decorator=decorator)) for _ in range(2)]
    assert sources[0] == sources[1]
    assert " at 0x" not in sources[0]
    changed = body.replace("()", "(0,)").replace("'c'", "'d'")
    assert get_class_source(make_class(changed, decorator=decorator)) != sources[0]


def test_classes_of_a_script_are_not_part_of_the_fingerprint_of_a_task(make_class):
    task = (make_class("return 1")(), 0)
    assert compute_task_fingerprint(task) == compute_task_fingerprint((scgnn.LTMG(), 0))
    other = (make_class("return 1", module="a_module_without_file")(), 0)
    assert compute_task_fingerprint(other) != compute_task_fingerprint(task)


# ---- workers that do not start


@pytest.mark.parametrize("number", [28, 13, 38])  # full, not writable, not implemented
def test_a_small_shared_memory_is_a_sentence(tmp_path, monkeypatch, capfd, number):
    def fail(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("multiprocessing.synchronize._multiprocessing.SemLock", fail)
    with pytest.raises(scgnn.UserError) as info:
        scgnn.run_study({"base": "pca_kmeans", "seeds": 2}, out=tmp_path / "out", jobs=1)
    assert str(info.value) == (
        f"the local workers cannot be started ([Errno {number}] {os.strerror(number)}); make room "
        "in /dev/shm (in a container, start it with a larger --shm-size)"
    )
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "out").exists()


def run_study_in_a_daemon(folder, connection):
    try:
        scgnn.run_study({"base": "pca_kmeans", "seeds": 2}, out=folder / "out", jobs=1)
    except scgnn.UserError as error:
        connection.send(str(error))


@pytest.mark.slow
def test_a_study_in_a_worker_of_a_pool_is_a_sentence(tmp_path):
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=run_study_in_a_daemon, args=(tmp_path, sender), daemon=True)
    process.start()
    assert receiver.poll(120)
    assert receiver.recv().startswith(
        "the local workers cannot be started (daemonic processes are not allowed to have children)"
    )
    process.join(20)
