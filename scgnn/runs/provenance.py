"""provenance"""

from __future__ import annotations

import platform
from importlib import metadata

from scgnn.execution.fingerprint import code_fingerprint, digest, third_party_sources
from scgnn.recipe.recipe import Recipe
from scgnn.registry import entry_points
from scgnn.registry.introspection import is_builtin, iter_components

LIBRARIES = (
    "scgnn",
    "torch",
    "dgl",
    "numpy",
    "scipy",
    "scikit-learn",
    "igraph",
    "leidenalg",
    "anndata",
)


def third_party_components(recipe: Recipe | None) -> dict[str, str]:
    """The components of a recipe that are not scgnn's own: whose they are, and their code."""
    return {
        f"{part.kind}.{part.name}": f"{entry_points.describe_source(type(part))}, "
        f"code {digest(*third_party_sources(part))[:12]}"
        for part in iter_components(recipe)
        if not is_builtin(type(part))
    }


def collect_versions(recipe: Recipe | None = None) -> dict[str, str]:
    """What the numbers of a run depend on; with a recipe also the plug-ins that it uses."""
    import torch

    found = third_party_components(recipe)
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return {
        **found,
        "source": code_fingerprint(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "threads": str(torch.get_num_threads()),
    }
