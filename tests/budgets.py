"""Small data and short trainings for tests: changes to a recipe by dotted keys."""

from __future__ import annotations

from typing import Any

SMALL_DATA = {"data.reader.n_cells": 60, "data.reader.n_genes": 50}
TRAININGS = ("feature", "graph", "cluster", "iteration", "imputation")


def set_epochs(n: int, *trainings: str) -> dict[str, Any]:
    """Return the changes that set the epochs of some trainings, or of all five of scGNN."""
    return {f"pipeline.{name}_training.epochs": n for name in trainings or TRAININGS}


SMALL_LTMG = {"pipeline.feature_regularizers.ltmg.max_components": 2}
SMALL_ENCODER = {"pipeline.feature_encoder.hidden": [16, 8]}
WITHOUT_LTMG = {"pipeline.reconstruction_weight": 1.0, "pipeline.feature_regularizers": []}
REDUCED_BUDGET = set_epochs(2) | SMALL_ENCODER | {"pipeline.max_iterations": 2}
SINGLE_ITERATION = set_epochs(2) | {"pipeline.max_iterations": 1}
SINGLE_PASS_BUDGET = set_epochs(2, "feature") | {
    "pipeline.feature_encoder": {"name": "mlp", "hidden": [16, 8]},
    "pipeline.feature_decoder": "mlp",
}
