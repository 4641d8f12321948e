"""scgnn: single-cell graph neural networks as components.

Public names are imported on first use, and torch when something is computed, so that ``import
scgnn`` is fast and a run can configure the process before.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from scgnn.registry import BUILTIN_IMPORTERS

__version__ = "0.1.0"

_LAZY_IMPORTS = {
    "Clusterer": "scgnn.components.clusterers",
    "Component": "scgnn.registry.component",
    "Decoder": "scgnn.components.decoders",
    "Encoder": "scgnn.components.encoders",
    "GraphBuilder": "scgnn.components.graph_builders",
    "InputError": "scgnn.errors",
    "LTMG": "scgnn.components.ltmg",
    "Pipeline": "scgnn.pipelines",
    "Pruner": "scgnn.components.pruners",
    "Reader": "scgnn.components.readers",
    "Recipe": "scgnn.recipe",
    "RecipeError": "scgnn.errors",
    "Regularizer": "scgnn.components.regularizers",
    "State": "scgnn.state",
    "StoppingRule": "scgnn.components.stopping",
    "Study": "scgnn.study.spec",
    "StudyResult": "scgnn.study.result",
    "Training": "scgnn.training.settings",
    "Transform": "scgnn.components.transforms",
    "UserError": "scgnn.errors",
    "load_recipe": "scgnn.recipe",
    "load_study": "scgnn.study.load",
    "ltmg": "scgnn.tl",
    "plot_ltmg": "scgnn.plotting.ltmg",
    "run": "scgnn.api.runs",
    "run_study": "scgnn.api.studies",
}

_LAZY_MODULES = ("pl", "tl")

__all__ = sorted(_LAZY_IMPORTS)


def __getattr__(name: str) -> Any:
    if name in _LAZY_IMPORTS:
        return getattr(_import_without_torch(_LAZY_IMPORTS[name]), name)
    if name in _LAZY_MODULES:
        return _import_without_torch(f"scgnn.{name}")
    raise AttributeError(f"module 'scgnn' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY_IMPORTS, *_LAZY_MODULES})


def _import_without_torch(module: str) -> ModuleType:
    from scgnn.execution.lazy_module import lazy_import

    with lazy_import("torch"):
        return importlib.import_module(module)


def _import_builtins() -> None:
    """Import the components of this package, which registers them."""
    _import_without_torch("scgnn.components")
    _import_without_torch("scgnn.pipelines")


BUILTIN_IMPORTERS.append(_import_builtins)
