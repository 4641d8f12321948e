"""The command ``doctor``: checks of the installation."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

import typer

from scgnn.cli.app import app
from scgnn.cli.streams import print_text

OTHER_PACKAGES = ("anndata", "h5py", "zarr", "matplotlib")  # no result depends on them
MODULES = {"scikit-learn": "sklearn"}  # where the name differs from that of the package
PYTHON = sys.version_info[:2]
OLDEST_PYTHON, NEWEST_TESTED_PYTHON = (3, 10), (3, 13)
DGL_BUILDS = {(3, 10): "1.1.3", (3, 11): "1.1.3", (3, 12): "2.1.0"}  # by Python, as in setup.cfg
REMOVE_DGL = "pip uninstall dgl (backend torch needs none)"


def diagnose_environment() -> Iterator[tuple[str, bool, str]]:
    """Yield each requirement, whether it works, and its version or the problem."""
    import platform
    from importlib import metadata

    from scgnn.execution.fingerprint import LIBRARIES

    yield "python", *_diagnose_python(platform.python_version())
    for name in (*LIBRARIES, *OTHER_PACKAGES):
        if name == "dgl":
            yield name, *_diagnose_dgl()
            continue
        module = partial(importlib.import_module, MODULES.get(name, name))
        works, details = _diagnose(module, f"pip install {name}")
        yield name, works, metadata.version(name) if works else details
    yield "igraph + seed", *_diagnose(_find_communities, "pip install -U igraph")
    import psutil

    memory = psutil.virtual_memory()
    yield "memory", True, f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB available"
    try:
        import torch
    except Exception:  # reported above
        return
    yield "threads", True, f"{torch.get_num_threads()} in torch, {os.cpu_count()} processors"
    yield from _diagnose_hardware()


def _diagnose_python(version: str) -> tuple[bool, str]:
    """Return whether this Python is supported, and its version."""
    if PYTHON < OLDEST_PYTHON:
        return False, f"{version}: not supported, use Python {_format_tested()}"
    is_tested = PYTHON <= NEWEST_TESTED_PYTHON
    return True, version if is_tested else f"{version}, untested (tested: {_format_tested()})"


def _format_tested() -> str:
    return " to ".join(f"{major}.{minor}" for major, minor in (OLDEST_PYTHON, NEWEST_TESTED_PYTHON))


def _diagnose_dgl() -> tuple[bool, str]:
    """Return whether DGL works or is not needed, and its version or what to do."""
    from importlib import metadata

    from scgnn.execution.hardware import get_dgl_version, has_dgl

    build = None if sys.platform == "win32" else DGL_BUILDS.get(PYTHON)
    packages = f"pip install dgl=={build} packaging"
    if has_dgl():
        probe = partial(_pass_messages, "cpu", "dgl")
        works, details = _diagnose(probe, packages if build else REMOVE_DGL)
        return works, metadata.version("dgl") if works else details
    version = metadata.version("dgl") if get_dgl_version() else ""
    problem = f"{version} is too old" if version else "not installed"
    advice = f"for backend dgl: {packages}" if build else "there is no build for this Python"
    return True, f"{problem}, backend torch is used ({advice})"


def _diagnose_hardware() -> Iterator[tuple[str, bool, str]]:
    """Yield the device and the backend that runs use without options."""
    from scgnn.execution.hardware import describe_device, resolve_hardware

    hardware = resolve_hardware()
    works, details = _diagnose(partial(_pass_messages, hardware.device, "torch"), "--device cpu")
    yield "device", works, describe_device(hardware.device) if works else details
    yield "backend", True, hardware.backend


def _diagnose(probe: Callable[[], object], remedy: str) -> tuple[bool, str]:
    try:
        probe()
    except Exception as error:
        return False, f"{type(error).__name__}: {error}; try: {remedy}"
    return True, "works"


def _pass_messages(device: str, backend: str) -> None:
    from scgnn.components.encoders import check_message_passing
    from scgnn.execution.hardware import Hardware, use_hardware

    with use_hardware(Hardware(device, backend)):
        check_message_passing()


def _find_communities() -> None:
    import numpy as np
    from scipy import sparse

    from scgnn.components.clusterers import Leiden, Louvain

    graph = sparse.csr_matrix([[0, 1.0], [1.0, 0]])
    for clusterer in (Louvain(), Leiden()):
        clusterer.fit_predict(np.zeros((2, 1)), graph, 0)


@app.command("doctor")
def doctor_() -> None:
    """Check the installation, the machine and installed plug-ins."""
    from scgnn.registry import entry_points

    n_failed = 0
    for name, works, details in chain(diagnose_environment(), entry_points.diagnose_plugins()):
        n_failed += not works
        print_text(f"{'ok  ' if works else 'FAIL'} {name:<16} {details}", flush=True)
    if n_failed:
        raise typer.Exit(1)
