"""provenance"""

from __future__ import annotations

import platform
from importlib import metadata

from scgnn.execution.fingerprint import digest, outside_sources, package_version
from scgnn.recipe.recipe import Recipe
from scgnn.registry import entry_points
from scgnn.registry.introspection import is_own, parts

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


def strangers(recipe: Recipe | None) -> dict[str, str]:
    """The components of a recipe that are not scgnn's own: whose they are, and their code."""
    return {
        f"{part.kind}.{part.name}": f"{entry_points.source(type(part))}, "
        f"code {digest(*outside_sources(part))[:12]}"
        for part in parts(recipe)
        if not is_own(type(part))
    }


def versions(recipe: Recipe | None = None) -> dict[str, str]:
    """What the numbers of a run depend on; with a recipe also the plug-ins that it uses."""
    import torch

    found = strangers(recipe)
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return {
        **found,
        "source": package_version(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "threads": str(torch.get_num_threads()),
    }
