"""The README: its recipe, commands and code work."""

import re

import pytest
import yaml

from budgets import SINGLE_ITERATION
from paths import ROOT
from scgnn.recipe.load import list_bundled_recipes, load_recipe

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_first_recipe_is_the_bundled_one():
    recipe = yaml.safe_load(blocks("yaml")[0])
    assert load_recipe(recipe) == load_recipe("scgnn_gat_leiden")


def test_every_bundled_recipe_is_listed():
    assert set(list_bundled_recipes()) <= set(re.findall(r"`(\w+)`", README))


def test_table_of_platforms_is_that_of_the_documentation():
    tables = [
        re.findall(r"^\| (?:platform|Linux|macOS|Windows).*", text, re.MULTILINE)
        for text in (README, (ROOT / "docs/index.md").read_text(encoding="utf-8"))
    ]
    assert tables[0] == tables[1]
    assert len(tables[0]) > 1


def test_every_command_exists():
    from typer.main import get_command

    from scgnn.cli import app

    commands = set(get_command(app).commands)
    assert set(re.findall(r"scgnn-recipe (\w+)", README)) <= commands


def test_the_study_shown_is_that_of_its_figure():
    study = (ROOT / "docs/figures/study.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(study) in [yaml.safe_load(block) for block in blocks("yaml")]


@pytest.fixture
def registered_encoder():
    from scgnn.components.encoders import Encoder

    block = next(block for block in blocks("python") if "@Encoder.register" in block)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    yield Encoder.get("my_gnn")
    del Encoder._members["my_gnn"]


def test_encoder_runs_in_a_recipe(registered_encoder):
    from scgnn.runs.run import execute

    recipe = load_recipe(
        {
            "base": "scgnn_quick",
            "data": {"reader": {"name": "demo", "n_cells": 40, "n_genes": 30}},
            "pipeline": {"graph_encoder": "my_gnn"},
        },
        SINGLE_ITERATION,
    )
    assert isinstance(recipe.pipeline.graph_encoder, registered_encoder)
    assert execute(recipe).state.graph_embedding.shape == (40, 16)
