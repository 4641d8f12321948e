"""No array of the reference numbers is skipped in silence."""

from __future__ import annotations

import importlib
import re

import pytest

FILES = (
    "convergence",
    "feature_ae",
    "gae",
    "imputation_loss",
    "knn",
    "louvain_count",
    "metrics",
    "training",
    "trim",
)


@pytest.mark.parametrize("name", FILES)
def test_every_array_has_a_test_or_a_reason_for_none(name, load_arrays):
    table = importlib.import_module(f".test_{name}", __package__).ARRAYS
    names = load_arrays(name)
    for array in names:
        matching = [pattern for pattern in table if re.fullmatch(pattern, array)]
        assert len(matching) == 1, f"{array}: {matching}"
    for pattern in table:
        assert any(re.fullmatch(pattern, array) for array in names), f"no array is {pattern}"


@pytest.mark.parametrize("name", FILES)
def test_every_test_that_is_named_is_there(name):
    module = importlib.import_module(f".test_{name}", __package__)
    for use in set(module.ARRAYS.values()) - {"input", "information"}:
        assert callable(getattr(module, use)), use
