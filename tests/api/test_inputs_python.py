"""AnnData passed from Python, and the annotation that it may have."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad
from scipy import sparse

import scgnn
from scgnn.errors import RecipeError
from scgnn.recipe.load import load_recipe

pytestmark = pytest.mark.usefixtures("work_dir")


@pytest.mark.parametrize("value", [np.ones((3, 3)), pd.DataFrame([[1]]), sparse.eye(3)], ids=type)
def test_only_an_anndata_is_one(value):
    with pytest.raises(
        scgnn.InputError, match=f"^expected an AnnData, .* of type {type(value).__name__}; "
    ):
        scgnn.run("scgnn", value)


@pytest.mark.parametrize(
    ("add", "name"),
    [
        (lambda adata: adata.obs.insert(0, "mixed", [1, "a"] * 20), r"obs\['mixed'\]"),
        (lambda adata: adata.uns.update(how={"by": [{"a": 1}]}), r"uns\['how'\]\['by'\]"),
        (lambda adata: adata.uns.update(how=len), r"uns\['how'\]"),
    ],
    ids=["mixed column", "list of mappings", "function"],
)
def test_annotation_that_no_file_can_hold_is_refused_before_the_run(
    make_counts, work_dir, add, name
):
    adata = make_counts()
    add(adata)
    with pytest.raises(scgnn.InputError, match=f"^the given AnnData: {name} cannot be written"):
        scgnn.run("scgnn", adata, out="out")
    assert os.listdir(work_dir) == []


def test_annotation_that_no_file_can_hold_is_welcome_without_a_file(make_counts, reduced_budget):
    adata = make_counts()
    adata.obs["mixed"] = [1, "a"] * 20
    assert list(scgnn.run("scgnn", adata, **reduced_budget).obs["mixed"][:2]) == [1, "a"]


def test_a_run_of_given_data_says_so_in_its_recipe(make_counts, reduced_budget, run_cli):
    scgnn.run("scgnn", make_counts(), out="out", **reduced_budget)
    assert load_recipe("out/recipe.yaml").data.reader.name == "in_memory"
    done = run_cli("run", "out/recipe.yaml", "--out", "again")
    assert done.exit_code == 2
    assert done.stderr == (
        "data.reader: the data were passed in Python and are not part of the recipe; pass them "
        "again (scgnn.run(recipe, adata)) or use --data FILE\n"
    )
    assert not Path("again").exists()
    again = scgnn.run("out/recipe.yaml", make_counts())
    np.testing.assert_array_equal(
        again.obsm["X_scgnn"], read_h5ad("out/result.h5ad").obsm["X_scgnn"]
    )


def test_what_an_earlier_run_left_is_not_passed_off_as_new(make_counts, reduced_budget):
    first = scgnn.run("scgnn", make_counts(), **reduced_budget)
    second = scgnn.run("pca_leiden", first)
    assert "scgnn_imputed" not in second.layers
    assert second.obsm["X_scgnn"].shape == (40, 50)
    assert "scgnn_imputed" in first.layers


@pytest.mark.parametrize(("name", "hint"), [("labels", "'labels_key'"), ("sed__x", "'seed'")])
def test_an_unknown_keyword_gets_the_most_similar_one(make_counts, name, hint):
    with pytest.raises(
        RecipeError, match=rf"unknown argument '{name}' of run\(\)\. Did you mean {hint}"
    ):
        scgnn.run("random", make_counts(), **{name: "group"})
