"""scgnn: single-cell graph neural networks as components.

Names are imported when they are first used, so ``import scgnn`` is quick.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from scgnn.registry import FINDERS

__version__ = "0.1.0"

# A thread of torch that waits spins for a while before it sleeps; where other work wants the
# processor, that made training up to ten times slower. Read when torch is first imported.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


class _BuiltinFinder:
    """The components that come with scgnn."""

    def import_builtins(self) -> None:
        importlib.import_module("scgnn.components")
        importlib.import_module("scgnn.pipelines")

    def names(self, kind: str) -> set[str]:
        return set()  # importing registers them all

    def load(self, kind: str, name: str) -> None:
        pass


FINDERS.insert(0, _BuiltinFinder())

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
    "Training": "scgnn.training.budget",
    "Transform": "scgnn.components.transforms",
    "UserError": "scgnn.errors",
    "load_recipe": "scgnn.recipe",
    "load_study": "scgnn.study.load",
    "ltmg": "scgnn.tl",
    "plot_ltmg": "scgnn.plotting.ltmg",
    "run": "scgnn.api.runs",
    "run_study": "scgnn.api.studies",
}

__all__ = sorted(_LAZY_IMPORTS)


def __getattr__(name: str) -> Any:
    if name in _LAZY_IMPORTS:
        return getattr(importlib.import_module(_LAZY_IMPORTS[name]), name)
    raise AttributeError(f"module 'scgnn' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY_IMPORTS])
