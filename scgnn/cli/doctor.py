"""What works on this machine, and what to do about what does not."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from itertools import chain

import typer

from scgnn.cli.app import app

REQUIRED_PACKAGES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "scikit-learn": "sklearn",
    "torch": "torch",
    "anndata": "anndata",
    "h5py": "h5py",
    "zarr": "zarr",
    "igraph": "igraph",
    "leidenalg": "leidenalg",
    "matplotlib": "matplotlib",
}


def diagnose_environment() -> Iterator[tuple[str, bool, str]]:
    """Name, whether it works, and its version or what to do, one by one."""
    version = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 10) <= sys.version_info[:2] < (3, 12)
    yield "python", fits, version if fits else f"{version}: use 3.11, dgl has no newer build"
    for name, module in REQUIRED_PACKAGES.items():
        yield _diagnose(name, partial(importlib.import_module, module), f"pip install {name}")
    yield _diagnose(
        "dgl", _pass_messages, "pip install dgl==1.1.3 packaging, with torch from 2.2 on"
    )
    yield _diagnose("igraph + seed", _find_communities, "pip install -U igraph")
    import psutil

    memory = psutil.virtual_memory()
    yield "memory", True, f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free"
    try:
        import torch
    except Exception:  # said above
        return
    yield "threads", True, f"{torch.get_num_threads()} for torch, {os.cpu_count()} processors"
    yield (
        "gpu",
        True,
        "cuda found; scgnn runs on the processor" if torch.cuda.is_available() else "none",
    )


def _diagnose(name: str, probe: Callable[[], object], remedy: str) -> tuple[str, bool, str]:
    try:
        probe()
    except Exception as error:
        return name, False, f"{type(error).__name__}: {error}; {remedy}"
    return name, True, metadata.version(name) if name in (*REQUIRED_PACKAGES, "dgl") else "works"


def _pass_messages() -> None:
    import torch
    from scipy import sparse

    from scgnn.components.encoders import GCN

    encoder = GCN(hidden=(2,))
    pair = sparse.csr_matrix([[0, 1.0], [1.0, 0]])
    encoder.build(3)(encoder.prepare_graph(pair), torch.ones(2, 3)).sum().backward()


def _find_communities() -> None:
    import numpy as np
    from scipy import sparse

    from scgnn.components.clusterers import Leiden, Louvain

    pair = sparse.csr_matrix([[0, 1.0], [1.0, 0]])
    for clusterer in (Louvain(), Leiden()):
        clusterer.fit_predict(np.zeros((2, 1)), pair, 0)


@app.command("doctor")
def doctor_() -> None:
    """Say what is installed, what works, and what to do about the rest."""
    from scgnn.registry import entry_points

    broken = 0
    for name, works, said in chain(diagnose_environment(), entry_points.diagnose_plugins()):
        broken += not works
        typer.echo(f"{'ok  ' if works else 'BAD '} {name:<16} {said}")
    if broken:
        raise typer.Exit(1)
