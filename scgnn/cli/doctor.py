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

OTHER_PACKAGES = ("anndata", "h5py", "zarr", "matplotlib")  # no result depends on them
MODULES = {"scikit-learn": "sklearn"}  # where the name differs from that of the package
REMEDIES = {"dgl": "pip install dgl==1.1.3 packaging (torch 2.2 or later)"}


def diagnose_environment() -> Iterator[tuple[str, bool, str]]:
    """Yield each requirement, whether it works, and its version or the problem."""
    import platform
    from importlib import metadata

    from scgnn.execution.fingerprint import LIBRARIES

    version = platform.python_version()
    supported = (3, 10) <= sys.version_info[:2] < (3, 12)
    hint = "" if supported else ": not supported, use Python 3.10 or 3.11"
    yield "python", supported, version + hint
    for name in (*LIBRARIES, *OTHER_PACKAGES):
        module = partial(importlib.import_module, MODULES.get(name, name))
        probe = _pass_messages if name == "dgl" else module
        works, details = _diagnose(probe, REMEDIES.get(name, f"pip install {name}"))
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
    gpu = "CUDA available but not used, scgnn runs on the CPU"
    yield "gpu", True, gpu if torch.cuda.is_available() else "none"


def _diagnose(probe: Callable[[], object], remedy: str) -> tuple[bool, str]:
    try:
        probe()
    except Exception as error:
        return False, f"{type(error).__name__}: {error}; try: {remedy}"
    return True, "works"


def _pass_messages() -> None:
    from scgnn.components.encoders import check_message_passing
    from scgnn.execution.hardware import resolve_hardware, use_hardware

    with use_hardware(resolve_hardware("cpu", "dgl")):
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
        print(f"{'ok  ' if works else 'FAIL'} {name:<16} {details}", flush=True)
    if n_failed:
        raise typer.Exit(1)
