"""Mutated recipes, options and mappings are loaded or refused; ``benchmarks`` has many more."""

from __future__ import annotations

import runpy

import pytest

from paths import ROOT

SCRIPT = ROOT / "benchmarks" / "fuzz_recipes.py"


@pytest.mark.skipif(not SCRIPT.exists(), reason="not a checkout")
def test_mutated_recipes_are_loaded_or_refused():
    outcomes, faults = runpy.run_path(str(SCRIPT))["run_cases"](100, seed=0, seconds=10.0)
    assert faults == []
    assert sum(outcomes.values()) == 100
