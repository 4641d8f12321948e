"""The changelog's table of renamed keys: every new one exists and every old one is gone."""

from __future__ import annotations

import re

import pytest

from paths import ROOT
from scgnn.pipelines.scgnn import ScGNN
from scgnn.recipe.data import Data
from scgnn.recipe.load import list_bundled_recipes
from scgnn.registry.introspection import recipe_fields
from scgnn.registry.kinds import kinds
from scgnn.training.settings import Training

LINES = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
ROWS = [line for line in LINES if line.startswith("| ") and not line.startswith("| where")]
VALUES = {"null", "false", "reconstruction"}  # of keys that both columns name
TOP_LEVEL = {"`data`": Data, "`pipeline`": ScGNN, "training settings": Training}


def find_classes(where: str) -> list[type]:
    """Return the classes whose keys a row is about; none if it is about other things."""
    if where in TOP_LEVEL:
        return [TOP_LEVEL[where]]
    noun = where.partition("`")[0].strip().removesuffix("s").replace(" ", "_")
    kind = kinds().get("stop" if noun == "stopping_rule" else noun)
    if kind is None:
        return []
    return [kind.get(name) for name in re.findall("`(.+?)`", where) or kind.names()]


def list_keys(cls: type) -> set[str]:
    return set(recipe_fields(cls))


def split_cell(cell: str) -> list[str]:
    """Return the keys and names of a cell, without the values after them."""
    return [part.partition(":")[0] for part in re.findall("`(.+?)`", cell)]


@pytest.mark.parametrize("row", ROWS)
def test_new_names_exist_and_old_ones_do_not(row):
    where, old, new = (cell.strip() for cell in row.strip("|").split("|"))
    valid = set(list_bundled_recipes()) if where == "recipes" else set()
    for cls in find_classes(where):
        valid |= list_keys(cls) | {getattr(cls, "name", "")}
    if valid:
        assert set(split_cell(new)) <= valid | VALUES
        assert not (set(split_cell(old)) - set(split_cell(new))) & valid - VALUES
