"""What tests share: small budgets, small data, the command in-process, recipes, plug-ins."""

from __future__ import annotations

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

from plugin_texts import LUMP_PLUGIN
from scgnn.cli import main
from scgnn.errors import RecipeError
from scgnn.recipe.load import load_recipe
from scgnn.recipe.recipe import Recipe
from scgnn.registry import plugin_files
from scgnn.registry.kinds import registered_components, restore

settings.register_profile("same", derandomize=True)  # the same examples each time
settings.register_profile("other", settings.get_profile("default"))  # `make test-all`
settings.load_profile("same")

SMALL_DATA = {"data.reader.n_cells": 60, "data.reader.n_genes": 50}
TRAININGS = ("feature", "graph", "cluster", "iteration", "imputation")
REDUCED_BUDGET = {f"pipeline.{word}_training.epochs": 2 for word in TRAININGS}
REDUCED_BUDGET |= {"pipeline.feature_encoder.hidden": [16, 8], "pipeline.max_iterations": 2}
SINGLE_PASS_BUDGET = {
    "pipeline.feature_encoder": {"name": "mlp", "hidden": [16, 8]},
    "pipeline.feature_decoder": "mlp",
    "pipeline.feature_training.epochs": 2,
}


@pytest.fixture
def reduced_budget() -> dict[str, Any]:
    """Changes that make a pipeline with iterations small; the data are as they are."""
    return dict(REDUCED_BUDGET)


@pytest.fixture
def make_small_changes() -> Callable[[str], dict[str, Any]]:
    """Changes that make a bundled recipe small: few cells and genes, few epochs."""
    return lambda recipe: (
        SMALL_DATA | (SINGLE_PASS_BUDGET if recipe.startswith("pca") else REDUCED_BUDGET)
    )


@pytest.fixture
def to_set_options() -> Callable[[Mapping[str, Any]], list[str]]:
    """Changes as words of the command line."""

    def words(changes: Mapping[str, Any]) -> list[str]:
        return [word for path, value in changes.items() for word in ("--set", f"{path}={value}")]

    return words


class CommandResult(NamedTuple):
    """A command that has ended."""

    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def run_cli(monkeypatch, capsys) -> Callable[..., CommandResult]:
    """The command scgnn-recipe, in this process."""

    def call(*words: object) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["scgnn-recipe", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return CommandResult(ended.value.code or 0, *capsys.readouterr())

    return call


@pytest.fixture
def work_dir(tmp_path, monkeypatch) -> Path:
    """An empty folder, to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run_rejected(run_cli, work_dir, read_tree) -> Callable[..., list[str]]:
    """What a command says that ends with exit code 2 and leaves every file as it was."""

    def call(*words: object) -> list[str]:
        before = read_tree(work_dir)
        done = run_cli(*words)
        assert done.exit_code == 2
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert read_tree(work_dir) == before
        return done.stderr.splitlines()

    return call


@pytest.fixture
def run_args(to_set_options, reduced_budget) -> list[str]:
    """The words of a small run with iterations, of data that are given as a file."""
    return ["run", "scgnn", *to_set_options(reduced_budget)]


@pytest.fixture
def reject_run(run_rejected, run_args) -> Callable[..., str]:
    """The sentence with which such a run is refused."""
    return lambda *more: run_rejected(*run_args, *more)[-1]


@pytest.fixture
def restore_registry() -> Iterator[None]:
    """Leaves the registry, and the modules of plug-ins, as they were."""
    before, modules = registered_components(), set(sys.modules)
    yield
    restore(before)
    for name in set(sys.modules) - modules:
        if name.startswith(("plugged_", plugin_files.MODULE_PREFIX)):
            del sys.modules[name]


@pytest.fixture
def lump_plugin(tmp_path) -> Path:
    """A plug-in file with the clusterer lump."""
    path = tmp_path / "lump.py"
    path.write_text(LUMP_PLUGIN)
    return path


@pytest.fixture
def load_recipe_text(tmp_path) -> Callable[..., Recipe]:
    """Loads the text of a recipe, from the file my.yaml."""

    def load_text(text: str, changes: Mapping[str, Any] | None = None) -> Recipe:
        file = tmp_path / "my.yaml"
        file.write_text(text, encoding="utf-8")
        return load_recipe(file, changes)

    return load_text


@pytest.fixture
def collect_errors(load_recipe_text, tmp_path) -> Callable[..., list[str]]:
    """The mistakes of a recipe, with the folder taken off."""

    def lines(text: str, changes: Mapping[str, Any] | None = None) -> list[str]:
        with pytest.raises(RecipeError) as refused:
            load_recipe_text(text, changes)
        return [line.replace(f"{tmp_path}/", "") for line in refused.value.problems]

    return lines


@pytest.fixture
def make_counts() -> Callable[..., AnnData]:
    """Makes an AnnData of counts, cells x genes, with two groups of cells in ``obs["group"]``."""

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
    """Everything a run adds to an AnnData, by name, to be compared bit by bit."""
    return _collect_arrays


def _collect_arrays(adata: AnnData) -> dict[str, np.ndarray]:
    found = {"obs": adata.obs["scgnn"].to_numpy(str)}
    for slot in ("obsm", "obsp", "layers"):
        for key, value in getattr(adata, slot).items():
            if sparse.issparse(value):
                for word in ("data", "indices", "indptr"):
                    found[f"{slot} {key} {word}"] = getattr(value, word)
            else:
                found[f"{slot} {key}"] = np.asarray(value)
    return found


@pytest.fixture
def assert_bit_identical(collect_arrays) -> Callable[[AnnData, AnnData], None]:
    """Two results agree in obs, obsm, obsp and layers, in every bit."""

    def check(one: AnnData, other: AnnData) -> None:
        left, right = collect_arrays(one), collect_arrays(other)
        assert left.keys() == right.keys()
        for name in left:
            assert left[name].dtype == right[name].dtype, name
            np.testing.assert_array_equal(left[name], right[name], err_msg=name)

    return check


@pytest.fixture
def read_tree() -> Callable[[Path], dict[str, bytes | None]]:
    """Everything below a folder, by path, to see that nothing was left or touched."""

    def look(folder: Path) -> dict[str, bytes | None]:
        return {
            str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
            for path in sorted(folder.rglob("*"))
        }

    return look
