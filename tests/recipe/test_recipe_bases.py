"""Recipes with a base: merged settings, and the lookup of the base."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scgnn.components.clusterers import Leiden
from scgnn.components.graph_builders import KNN
from scgnn.components.transforms import Log1p
from scgnn.errors import RecipeError
from scgnn.pipelines.scgnn import ScGNN
from scgnn.pipelines.single_pass import SinglePass
from scgnn.recipe.load import load_recipe
from scgnn.recipe.recipe import Recipe


def test_a_base_is_changed_key_by_key(load_recipe_text):
    recipe = load_recipe_text(
        "base: scgnn\npipeline: {graph_builder: {n_neighbors: 7}, reconstruction_weight: 0.5}"
    )
    assert recipe.pipeline == replace(
        ScGNN(), graph_builder=KNN(n_neighbors=7), reconstruction_weight=0.5
    )


def test_without_a_base_the_defaults_are_changed(load_recipe_text):
    assert load_recipe_text(
        "pipeline: {graph_builder: {n_neighbors: 7}}"
    ).pipeline.graph_builder == KNN(n_neighbors=7)


def test_settings_of_the_base_stay_where_the_name_is_the_same(load_recipe_text):
    recipe = load_recipe_text(
        "base: pca_leiden\npipeline: {graph_builder: {name: knn, metric: cosine}}"
    )
    assert recipe.pipeline.graph_builder == KNN(n_neighbors=15, prune=None, metric="cosine")


def test_a_changed_name_starts_from_its_own_defaults(load_recipe_text):
    text = "base: scgnn\npipeline: {clusterer: {name: leiden, n_iterations: 3}}"
    assert load_recipe_text(text).pipeline.clusterer == Leiden(n_iterations=3)
    assert load_recipe_text("base: scgnn\npipeline: {name: single_pass}").pipeline == SinglePass()


@pytest.mark.parametrize("clusterer", ["leiden", "kmeans"])
def test_a_word_is_a_mapping_with_that_name(load_recipe_text, clusterer):
    base = "base: scgnn\npipeline: {clusterer: "
    assert load_recipe_text(f"{base}{clusterer}}}") == load_recipe_text(
        f"{base}{{name: {clusterer}}}}}"
    )


def test_a_word_that_keeps_the_name_keeps_the_settings(tmp_path, load_recipe_text):
    (tmp_path / "base.yaml").write_text("pipeline: {clusterer: {name: kmeans, n_init: 3}}")
    assert (
        load_recipe_text("base: base.yaml\npipeline: {clusterer: kmeans}").pipeline.clusterer.n_init
        == 3
    )


def test_lists_are_replaced(load_recipe_text):
    recipe = load_recipe_text(
        "base: scgnn\ndata: {transforms: [log1p]}\npipeline: {feature_encoder: {hidden: [9]}}"
    )
    assert recipe.data.transforms == (Log1p(),)
    assert recipe.pipeline.feature_encoder.hidden == (9,)


def test_null_and_an_empty_list_switch_parts_off(load_recipe_text):
    recipe = load_recipe_text(
        "base: scgnn\npipeline: {graph_encoder: null, feature_regularizers: []}"
    )
    assert recipe.pipeline.graph_encoder is None
    assert recipe.pipeline.feature_regularizers == ()


def test_a_list_of_parts_is_not_switched_off_by_null(collect_errors):
    (line,) = collect_errors("data: {transforms: null}")
    assert line == (
        "my.yaml:1: data.transforms: must be a list of transforms ([] for none), not null"
    )


def test_bases_may_have_bases_in_other_folders(tmp_path, load_recipe_text):
    (tmp_path / "lab" / "old").mkdir(parents=True)
    (tmp_path / "lab" / "old" / "first.yaml").write_text("base: scgnn\nseed: 5")
    (tmp_path / "lab" / "second.yaml").write_text("base: old/first.yaml\ndata: {labels_key: type}")
    recipe = load_recipe_text("base: lab/second.yaml\npipeline: {clusterer: leiden}")
    assert (recipe.seed, recipe.data.labels_key) == (5, "type")
    assert recipe.pipeline.clusterer == Leiden()


def test_a_base_is_looked_for_beside_the_file_that_names_it(
    tmp_path, load_recipe_text, monkeypatch
):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "mine.yaml").write_text("seed: 9")
    for name in ("mine.yaml", "./mine.yaml", tmp_path / "mine.yaml", "elsewhere/../mine.yaml"):
        assert load_recipe_text(f"base: {name}").seed == 9


def test_bases_in_a_circle_are_refused(tmp_path, collect_errors):
    (tmp_path / "a.yaml").write_text("base: b.yaml")
    (tmp_path / "b.yaml").write_text("base: a.yaml")
    (line,) = collect_errors("base: a.yaml")
    assert line == "b.yaml:1: base: circular: my.yaml -> a.yaml -> b.yaml -> a.yaml"
    (line,) = collect_errors("base: my.yaml")
    assert line == "my.yaml:1: base: circular: my.yaml -> my.yaml"


def test_a_mistake_in_a_base_names_the_file_it_is_in(tmp_path, collect_errors):
    (tmp_path / "base.yaml").write_text("seed: 1\npipeline: {graph_encoder: gta}")
    (line,) = collect_errors("base: base.yaml")
    assert line.startswith("base.yaml:2: pipeline.graph_encoder.name: unknown encoder 'gta'")
    (tmp_path / "base.yaml").write_text("seed: 1\n\tpipeline: 2")
    assert collect_errors("base: base.yaml") == ["base.yaml:2: indented by a tab; use spaces"]


def test_a_base_that_is_not_there_names_the_file_that_wants_it(collect_errors):
    assert collect_errors("seed: 1\nbase: gone.yaml") == [
        "my.yaml:2: base: gone.yaml: no such recipe file"
    ]
    (line,) = collect_errors("base: scgn")
    assert line.startswith("my.yaml:1: base: unknown recipe 'scgn'. Did you mean 'scgnn'? Known: ")
    assert collect_errors("base: [scgnn]") == [
        "my.yaml:1: base: must be the name or path of a recipe"
    ]


def test_a_recipe_may_be_a_mapping_or_a_recipe():
    assert load_recipe({"base": "scgnn", "seed": 3}) == replace(Recipe(), seed=3)
    assert load_recipe(Recipe(), {"seed": 3}) == replace(Recipe(), seed=3)
    with pytest.raises(RecipeError, match=r"^recipe: seed: must be an integer"):
        load_recipe({"seed": "x"})
