"""Provenance of a run: versions of libraries, plug-ins and code."""

from __future__ import annotations

import platform
import shlex
import sys
from datetime import datetime

from scgnn.arguments import to_text
from scgnn.execution.fingerprint import (
    LIBRARIES,
    code_fingerprint,
    digest,
    library_versions,
    third_party_sources,
)
from scgnn.execution.hardware import current_hardware
from scgnn.interface import by_interface
from scgnn.recipe.recipe import Recipe
from scgnn.registry.entry_points import describe_source
from scgnn.registry.introspection import is_builtin, iter_components


def third_party_components(*recipes: Recipe) -> dict[str, str]:
    """Return the source and the code hash of each third-party component of recipes."""
    return {
        f"{part.kind}.{part.name}": f"{describe_source(type(part))}, "
        f"code {digest(*third_party_sources(part))[:12]}"
        for part in iter_components(recipes)
        if not is_builtin(type(part))
    }


def describe_command(python: str) -> str:
    """Return the command line of this process, or ``python`` in a process of Python code."""
    return to_text(by_interface(shlex.join(["scgnn-recipe", *sys.argv[1:]]), python))


def format_date() -> str:
    """Return the date and time of now in the local time zone."""
    return datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z").strip()


def collect_versions(*recipes: Recipe) -> dict[str, str]:
    """Return the versions that the numbers of runs depend on, plug-ins of the recipes included."""
    import torch

    return {
        **third_party_components(*recipes),
        **library_versions(("scgnn", *LIBRARIES, "anndata")),
        "source": code_fingerprint(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "threads": str(torch.get_num_threads()),
        **current_hardware()._asdict(),
    }
