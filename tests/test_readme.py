"""What the README shows works as it stands."""

import re
from pathlib import Path

import pytest
import yaml

from scgnn.recipe.load import list_bundled_recipes, load_recipe

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_the_recipe_at_the_top_is_the_bundled_one():
    shown = yaml.safe_load(blocks("yaml")[0])
    assert load_recipe(shown) == load_recipe("scgnn_gat_leiden")


def test_every_bundled_recipe_is_in_the_table():
    assert set(list_bundled_recipes()) <= set(re.findall(r"`(\w+)`", README))


def test_every_command_shown_is_one():
    from typer.main import get_command

    from scgnn.cli import app

    known = set(get_command(app).commands)
    assert set(re.findall(r"scgnn-recipe (\w+)", README)) <= known


@pytest.fixture
def registered_encoder():
    from scgnn.components.encoders import Encoder

    block = next(block for block in blocks("python") if "@Encoder.register" in block)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    yield Encoder.get("my_gnn")
    del Encoder._members["my_gnn"]


def test_the_encoder_shown_runs_in_a_recipe(registered_encoder):
    from scgnn.runs.run import execute

    few = {"epochs": 2}
    recipe = load_recipe(
        {
            "base": "scgnn_quick",
            "data": {"reader": {"name": "demo", "n_cells": 40, "n_genes": 30}},
            "pipeline": {"graph_encoder": "my_gnn", "feature_training": few, "max_iterations": 1},
        }
    )
    assert isinstance(recipe.pipeline.graph_encoder, registered_encoder)
    assert execute(recipe).state.graph_embedding.shape == (40, 16)
