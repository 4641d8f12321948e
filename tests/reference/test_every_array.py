"""Every reference array is used by a test or listed as unused."""

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
def test_every_array_is_mapped_to_one_use(name, load_arrays):
    table = importlib.import_module(f".test_{name}", __package__).ARRAYS
    names = load_arrays(name)
    for array in names:
        matching = [pattern for pattern in table if re.fullmatch(pattern, array)]
        assert len(matching) == 1, f"{array}: {matching}"
    for pattern in table:
        assert any(re.fullmatch(pattern, array) for array in names), f"no array is {pattern}"


@pytest.mark.parametrize("name", FILES)
def test_mapped_tests_exist(name):
    module = importlib.import_module(f".test_{name}", __package__)
    for use in set(module.ARRAYS.values()) - {"input", "information"}:
        assert callable(getattr(module, use)), use
