"""Device and backend of a run."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import scgnn
from budgets import WITHOUT_LTMG
from scgnn.errors import UserError
from scgnn.execution import hardware
from scgnn.execution.cache import StageCache
from scgnn.execution.hardware import (
    Hardware,
    current_hardware,
    has_dgl,
    resolve_backend,
    resolve_device,
    use_hardware,
)
from scgnn.execution.stages import Stages, stage
from scgnn.recipe.load import load_recipe
from scgnn.runs.run import execute

needs_dgl = pytest.mark.skipif(not has_dgl(), reason="dgl has no build for this platform")
SMALL = {
    **WITHOUT_LTMG,
    "data.reader.n_cells": 90,
    "data.reader.n_genes": 60,
    "pipeline.max_iterations": 0,
    "pipeline.feature_training.epochs": 3,
    "pipeline.graph_training.epochs": 3,
    "pipeline.imputation": None,
}


@pytest.fixture
def with_gpu(monkeypatch):
    monkeypatch.setattr(hardware, "_may_have_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(hardware, "describe_device", lambda _: "a GPU")
    monkeypatch.setattr(torch, "ones", lambda n, device: torch.zeros(n))  # noqa: ARG005


@pytest.fixture
def without_dgl(monkeypatch):
    monkeypatch.setattr(hardware, "has_dgl", lambda: False)


def test_auto_is_the_gpu_where_there_is_one_and_says_so(with_gpu, caplog):
    with caplog.at_level("INFO", "scgnn"):
        assert resolve_device() == "cuda"
    assert caplog.messages == [
        "training on a GPU (a GPU); use device='cpu' to reproduce results of the CPU"
    ]


def test_a_gpu_that_torch_cannot_use_is_left_out_or_refused(with_gpu, monkeypatch, caplog):
    def fail(n, device):
        raise RuntimeError("CUDA error: no kernel image is available\nCompile with ...")

    monkeypatch.setattr(torch, "ones", fail)
    assert resolve_device() == "cpu"
    reason = r"cannot use the CUDA GPU (CUDA error: no kernel image is available)"
    message = f"torch {torch.__version__} {reason}"
    assert caplog.messages == [
        f"{message}; training on the CPU; use device='cpu' to hide this warning"
    ]
    with pytest.raises(UserError, match=re.escape(f"device='cuda': {message}; use cpu")):
        resolve_device("cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_auto_is_the_cpu_elsewhere():
    assert resolve_device() == resolve_device("cpu") == "cpu"
    with pytest.raises(UserError, match=r"device='cuda': torch .* finds no CUDA GPU; use cpu"):
        resolve_device("cuda")


@pytest.mark.skipif(sys.platform == "darwin", reason="there may be an Apple GPU")
def test_a_device_that_is_absent_is_refused():
    with pytest.raises(UserError, match=r"device='mps': torch .* finds no Apple GPU; use cpu"):
        resolve_device("mps")


@pytest.mark.parametrize("resolve", [resolve_device, resolve_backend])
def test_unknown_names_are_refused_with_the_known_ones(resolve):
    with pytest.raises(UserError, match="unknown value 'gpu'; use one of auto, "):
        resolve("gpu")


@needs_dgl
def test_dgl_is_the_backend_of_the_cpu():
    assert resolve_backend() == "dgl" and resolve_backend("torch") == "torch"
    assert resolve_backend(device="cuda") == "torch"
    with pytest.raises(
        UserError, match=r"backend='dgl': dgl runs on the CPU only, not on cuda; use backend torch"
    ):
        resolve_backend("dgl", "cuda")


def test_torch_is_the_backend_without_dgl(without_dgl):
    assert resolve_backend() == "torch"
    with pytest.raises(UserError, match="dgl is not installed; use backend torch"):
        resolve_backend("dgl")


@pytest.mark.parametrize(
    ("version", "numbers"), [("1.1.3", (1, 1)), ("2.1a240205", (2, 1)), ("2.0.0+cu118", (2, 0))]
)
def test_any_version_of_dgl_is_read(monkeypatch, version, numbers):
    monkeypatch.setattr(hardware.importlib.metadata, "version", lambda _: version)
    assert hardware.get_dgl_version.__wrapped__() == numbers


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB, other allocations: 1 GB)"),
    ],
)
def test_memory_of_a_gpu_that_is_full_is_one_sentence(monkeypatch, error):
    monkeypatch.setattr(hardware, "describe_device", lambda _: "1.0 of 8.0 GB free")
    message = r"out of GPU memory \(1.0 of 8.0 GB free\); reduce the batch_size"
    with pytest.raises(UserError, match=message), use_hardware(Hardware("cuda", "torch")):
        raise error


def test_other_errors_of_a_gpu_stay_as_they_are():
    with pytest.raises(RuntimeError, match="assert"), use_hardware(Hardware("cuda", "torch")):
        raise RuntimeError("CUDA error: device-side assert triggered")
    with pytest.raises(RuntimeError, match="memory"), use_hardware(Hardware("cpu", "torch")):
        raise RuntimeError("CUDA error: out of memory")


def test_a_gpu_uses_deterministic_algorithms_and_leaves_the_setting():
    before = torch.are_deterministic_algorithms_enabled()
    with use_hardware(Hardware("cuda", "torch")), use_hardware(Hardware("cuda", "torch")):
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.are_deterministic_algorithms_enabled() == before


@stage("on a device", "device")
def get_device(x: np.ndarray) -> str:
    return current_hardware().device


@stage("anywhere")
def add_one(x: np.ndarray) -> np.ndarray:
    return x + 1


def undecorated(x: np.ndarray) -> np.ndarray:
    return x + 2


def test_keys_have_the_hardware_that_a_stage_depends_on(tmp_path):
    keys = {}
    for used in (Hardware("cpu", "dgl"), Hardware("cpu", "torch"), Hardware("mps", "torch")):
        with use_hardware(used):
            stages = Stages(StageCache(tmp_path))
        for function in (get_device, add_one, undecorated):
            value = stages(function, np.ones(3))
            if function is get_device:
                assert value == used.device
        keys[used] = list(stages.costs)
    first, second, third = keys.values()
    assert first[0] == second[0] != third[0]
    assert first[1] == second[1] == third[1]
    assert len({first[2], second[2], third[2]}) == 3


@needs_dgl
def test_backends_share_the_stages_before_the_graph_autoencoder(tmp_path):
    results, keys = [], []
    for backend in ("dgl", "torch"):
        with use_hardware(Hardware("cpu", backend)):
            stages = Stages()
            results.append(execute(load_recipe("scgnn_quick", SMALL), stages=stages))
        keys.append({key: cost.label for key, cost in stages.costs.items()})
    shared, others = keys[0].keys() & keys[1].keys(), keys[0].keys() - keys[1].keys()
    assert {"feature autoencoder", "cell graph"} <= {keys[0][key] for key in shared}
    assert {"graph autoencoder", "clustering"} <= {keys[0][key] for key in others}
    first, second = (result.state for result in results)
    np.testing.assert_array_equal(first.embedding, second.embedding)
    np.testing.assert_allclose(first.graph_embedding, second.graph_embedding, rtol=1e-3, atol=1e-4)


def test_a_run_records_both(tmp_path):
    scgnn.run("scgnn_quick", backend="torch", device="cpu", out=tmp_path / "out", **SMALL)
    versions = json.loads((tmp_path / "out" / "versions.json").read_text())
    assert (versions["device"], versions["backend"]) == ("cpu", "torch")


def test_the_command_takes_and_checks_both(run_cli, run_rejected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changes = [w for k, v in SMALL.items() for w in ("--set", f"{k}={json.dumps(v)}")]
    run_cli("run", "scgnn_quick", "--backend", "torch", "--device", "cpu", "--out", "out", *changes)
    assert json.loads(Path("out/versions.json").read_text())["backend"] == "torch"
    lines = run_rejected("run", "scgnn_quick", "--device", "gpu")
    message = "--device: unknown value 'gpu'; use one of auto, cpu, cuda, mps"
    assert lines == [message]
    assert run_rejected("check", "scgnn", "--device", "gpu") == [message]  # before the estimate
    assert (
        "hardware    CPU, backend torch" in run_cli("check", "scgnn", "--backend", "torch").stdout
    )
