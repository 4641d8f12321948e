"""Shared fixtures: small budgets and data, the command in-process, recipes, plug-ins."""

from __future__ import annotations

import os

# before numpy and torch are imported: parallel workers with several threads each are slower;
# numba sets the number of threads of OpenMP, and with it that of torch
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import settings
from scipy import sparse

from budgets import REDUCED_BUDGET, SINGLE_PASS_BUDGET, SMALL_DATA, SMALL_LTMG
from plugin_texts import LUMP_PLUGIN
from scgnn.cli import main
from scgnn.data.anndata_views import copy_slot
from scgnn.errors import RecipeError
from scgnn.recipe.load import load_recipe
from scgnn.recipe.recipe import Recipe
from scgnn.registry import plugin_files
from scgnn.registry.kinds import registered_components, restore

settings.register_profile("same", derandomize=True)  # the same examples in every run
settings.register_profile("other", settings.get_profile("default"))  # `make test-all`
settings.load_profile("same")


@pytest.fixture
def reduced_budget() -> dict[str, Any]:
    """Return the changes that make the recipe scgnn small; the data stay as they are."""
    return REDUCED_BUDGET | SMALL_LTMG


@pytest.fixture
def make_small_changes() -> Callable[[str], dict[str, Any]]:
    """Return a function from a bundled recipe to the changes that make data and training small."""

    def make(name: str) -> dict[str, Any]:
        if name.startswith("pca"):
            return SMALL_DATA | SINGLE_PASS_BUDGET
        regularizers = load_recipe(name).pipeline.feature_regularizers  # type: ignore[attr-defined]
        has_ltmg = any(part.name == "ltmg" for part in regularizers)
        return SMALL_DATA | REDUCED_BUDGET | (SMALL_LTMG if has_ltmg else {})

    return make


@pytest.fixture
def to_set_options() -> Callable[[Mapping[str, Any]], list[str]]:
    """Return a function from changes to ``--set`` options."""
    return lambda changes: [
        arg for path, value in changes.items() for arg in ("--set", f"{path}={value}")
    ]


class CommandResult(NamedTuple):
    """Result of a command."""

    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def computes_baseline() -> bool:
    """Return whether the command computes the baseline beside each run; tests of it override."""
    return False


@pytest.fixture
def run_cli(monkeypatch, capsys, computes_baseline) -> Callable[..., CommandResult]:
    """Return a function that runs scgnn-recipe in this process."""
    if not computes_baseline:
        monkeypatch.setattr("scgnn.api.runs.has_baseline", lambda _: False)

    def run(*args: object) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["scgnn-recipe", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            main()
        return CommandResult(exit_info.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def work_dir(tmp_path, monkeypatch) -> Path:
    """Change to an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run_rejected(run_cli, work_dir, read_tree) -> Callable[..., list[str]]:
    """Return a function from a command that exits with 2 and writes no file to its messages."""

    def run(*args: object) -> list[str]:
        before = read_tree(work_dir)
        result = run_cli(*args)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        assert read_tree(work_dir) == before
        return result.stderr.splitlines()

    return run


@pytest.fixture
def run_args(to_set_options, reduced_budget) -> list[str]:
    """Return the arguments of a small run with iterations; the caller adds the data."""
    return ["run", "scgnn", *to_set_options(reduced_budget)]


@pytest.fixture
def reject_run(run_rejected, run_args) -> Callable[..., str]:
    """Return a function from further arguments of such a run to the message that rejects it."""
    return lambda *args: run_rejected(*run_args, *args)[-1]


@pytest.fixture
def restore_registry() -> Iterator[None]:
    """Restore the registry and the modules of plug-ins after the test."""
    before, modules = registered_components(), set(sys.modules)
    yield
    restore(before)
    for name in set(sys.modules) - modules:
        if name.startswith(("plugged_", plugin_files.MODULE_PREFIX)):
            del sys.modules[name]


@pytest.fixture
def lump_plugin(tmp_path) -> Path:
    """Write a plug-in file with the clusterer ``lump``."""
    path = tmp_path / "lump.py"
    path.write_text(LUMP_PLUGIN)
    return path


@pytest.fixture
def load_recipe_text(tmp_path) -> Callable[..., Recipe]:
    """Return a function that writes a recipe to my.yaml and loads it."""

    def load_text(text: str, changes: Mapping[str, Any] | None = None) -> Recipe:
        file = tmp_path / "my.yaml"
        file.write_text(text, encoding="utf-8")
        return load_recipe(file, changes)

    return load_text


@pytest.fixture
def collect_errors(load_recipe_text, tmp_path) -> Callable[..., list[str]]:
    """Return a function from an invalid recipe to its problems, without the folder."""

    def collect(text: str, changes: Mapping[str, Any] | None = None) -> list[str]:
        with pytest.raises(RecipeError) as error:
            load_recipe_text(text, changes)
        return [line.replace(f"{tmp_path}/", "") for line in error.value.problems]

    return collect


@pytest.fixture
def make_counts() -> Callable[..., AnnData]:
    """Return a function that makes counts, cells x genes, of two groups (``obs["group"]``)."""

    def make(x: Any = None, n_cells: int = 40, n_genes: int = 30, seed: int = 0) -> AnnData:
        if x is None:
            rng = np.random.default_rng(seed)
            rate = rng.gamma(1.0, 3.0, (2, n_genes))[np.arange(n_cells) % 2]
            x = rng.poisson(rate).astype(np.float32)
        group = [("a", "b")[i % 2] for i in range(x.shape[0])]
        obs = pd.DataFrame({"group": group}, [f"cell_{i}" for i in range(x.shape[0])])
        var = pd.DataFrame(index=[f"gene_{i}" for i in range(x.shape[1])])
        return AnnData(x, obs=obs, var=var)

    return make


@pytest.fixture
def collect_arrays() -> Callable[[AnnData], dict[str, np.ndarray]]:
    """Return a function that collects all arrays that a run adds to an AnnData, by name."""
    return _collect_arrays


def _collect_arrays(adata: AnnData) -> dict[str, np.ndarray]:
    arrays = {"obs": adata.obs["scgnn"].to_numpy(str)}
    for slot in ("obsm", "obsp", "layers"):
        for key, value in copy_slot(adata, slot).items():
            if sparse.issparse(value):
                for name in ("data", "indices", "indptr"):
                    arrays[f"{slot} {key} {name}"] = getattr(value, name)
            else:
                arrays[f"{slot} {key}"] = np.asarray(value)
    return arrays


@pytest.fixture
def assert_bit_identical(collect_arrays) -> Callable[[AnnData, AnnData], None]:
    """Return a function that asserts that two results are bit-identical."""

    def compare(actual: AnnData, expected: AnnData) -> None:
        left, right = collect_arrays(actual), collect_arrays(expected)
        assert left.keys() == right.keys()
        for name in left:
            assert left[name].dtype == right[name].dtype, name
            np.testing.assert_array_equal(left[name], right[name], err_msg=name)

    return compare


@pytest.fixture
def read_tree() -> Callable[[Path], dict[str, bytes | None]]:
    """Return a function from a folder to the contents of all paths in it."""
    return lambda folder: {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
