"""Whole recipes in studies: compared with the base, or as changes of it."""

import pytest

from scgnn import RecipeError, load_recipe, load_study
from scgnn.runs.folder import make_paths_absolute
from scgnn.study.load import is_study
from scgnn.study.plan import describe_study
from scgnn.study.recipes import name_recipes

MINE = "base: pca_leiden\npipeline: {clusterer: kmeans}\ndata: {transforms: [log1p]}\n"


@pytest.fixture
def study_folder(tmp_path, monkeypatch):
    """Change to an empty folder; recipes are in its folder ``studies``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "mine.yaml").write_text(MINE)
    return tmp_path / "studies"


def load_text(folder, text, *args):
    (folder / "study.yaml").write_text(text)
    return load_study(folder / "study.yaml", *args)


def get_recipes(study):
    return {run.variant: run.recipe for run in reversed(study.runs)}


def test_a_file_is_a_change_under_its_name(study_folder):
    study = load_text(
        study_folder, "base: scgnn_quick\nvary: {own: mine.yaml, bundled: gae}\nseeds: [4]\n"
    )
    assert study.variants == ["base", "own", "bundled", "pca_kmeans", "pca_leiden", "random"]
    recipes = get_recipes(study)
    expected = load_recipe(study_folder / "mine.yaml")
    assert recipes["own"].pipeline == expected.pipeline
    assert recipes["own"].data.transforms == expected.data.transforms
    assert recipes["bundled"].pipeline == load_recipe("gae").pipeline
    assert {recipe.seed for recipe in recipes.values()} == {4}
    roles = {run.variant: run.role for run in study.runs}
    assert roles["own"] == roles["bundled"] == "change"


def test_recipes_are_compared_with_the_first(study_folder):
    study = load_text(study_folder, "compare: [scgnn_quick, mine.yaml, gae]\ncontrols: []\n")
    assert (study.base_name, study.variants) == ("scgnn_quick", ["base", "mine", "gae"])
    recipes = get_recipes(study)
    assert recipes["base"].pipeline == load_recipe("scgnn_quick").pipeline
    assert recipes["gae"].data.reader == recipes["base"].data.reader
    assert is_study(str(study_folder / "study.yaml"))


@pytest.mark.parametrize(
    ("text", "variants"),
    [
        ("compare: {old: gae, new: mine.yaml}", ["base", "new"]),
        ("base: scgnn_quick\ncompare: [gae]", ["base", "gae"]),
        ("compare: [gae, mine.yaml]\nvary: {pipeline.clusterer: [leiden]}", None),
    ],
)
def test_compared_recipes_may_have_names_and_a_base(text, variants, study_folder):
    study = load_text(study_folder, f"{text}\ncontrols: []\nseeds: 1\n")
    assert study.variants == (variants or ["base", "mine", "clusterer=leiden"])


def test_recipes_have_the_shortest_names_that_distinguish_them():
    assert name_recipes(["scgnn", "./scgnn.yaml"]) == ["scgnn", "scgnn.yaml"]
    assert name_recipes(["a/x.yaml", "b/x.yaml", "gae"]) == ["a/x", "b/x", "gae"]
    assert name_recipes(["my.v1.yaml", "my.v2.yml"]) == ["my.v1", "my.v2"]


def test_a_recipe_takes_the_data_of_the_base_and_keeps_its_batches(study_folder):
    text = MINE.replace("transforms", "batch_key: plate, labels_key: x, transforms")
    (study_folder / "mine.yaml").write_text(text)
    changes = {"data.reader.n_cells": 70, "data.labels_key": "group"}
    study = load_text(study_folder, "compare: [gae, mine.yaml]\nseeds: 1\n", changes)
    data = get_recipes(study)["mine"].data
    assert (data.reader.n_cells, data.labels_key, data.batch_key) == (70, "group", "plate")


def test_changes_apply_to_every_compared_recipe():
    compared = {"compare": ["gae", "pca_kmeans"], "controls": []}
    recipes = get_recipes(load_study(compared, {"pipeline.min_cluster_size": 9}))
    assert [recipe.pipeline.min_cluster_size for recipe in recipes.values()] == [9, 9]
    with pytest.raises(RecipeError, match=r"unknown parameter 'max_iterations'.* \(in 'gae'\)"):
        load_study({"compare": ["scgnn_quick", "gae"]}, {"pipeline.max_iterations": 1})


def test_factors_apply_to_whole_recipes():
    compared = {"compare": ["pca_leiden", "gae"], "controls": []}
    cross = {"pipeline.graph_builder.n_neighbors": [5, 9]}
    study = load_study(compared | {"cross": cross})
    assert [(r.variant, r.recipe.pipeline.graph_builder.n_neighbors) for r in study.runs] == [
        ("base", 5),
        ("gae", 5),
        ("base", 9),
        ("gae", 9),
    ]
    cross = {"pipeline.max_iterations": [0, 1]}
    with pytest.raises(RecipeError, match=r"unknown parameter 'max_iterations'.* \(in 'gae'\)"):
        load_study({"compare": ["scgnn_quick", "gae"], "cross": cross})


@pytest.mark.parametrize(
    "text",
    [
        "compare: [gae, mine.yaml, pca_kmeans]\nseeds: 2",
        "base: gae\nvary: {own: mine.yaml, pipeline.clusterer: [leiden]}",
        "compare: {one: mine.yaml, two: gae}\nscores: [silhouette]",
    ],
)
def test_a_saved_study_has_the_same_recipes_elsewhere(text, study_folder, monkeypatch):
    study = load_text(study_folder, text)
    monkeypatch.chdir("/")
    again = load_study(study.source)
    assert [run.label for run in again.runs] == [run.label for run in study.runs]
    assert [make_paths_absolute(run.recipe) for run in again.runs] == [
        make_paths_absolute(run.recipe) for run in study.runs
    ]
    assert again.source == study.source and again.scores == study.scores


def test_default_controls_that_are_compared_run_once():
    study = load_study({"compare": ["scgnn_quick", "pca_leiden", "random"]})
    assert study.variants == ["base", "pca_leiden", "random", "pca_kmeans"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "compare: [gae]",
            "study.yaml:1: compare: needs at least two recipes, or one and a 'base'",
        ),
        ("compare: [gae, gae]", "study.yaml:1: compare: duplicate recipe 'gae'"),
        ("compare: [gae, 3]", "study.yaml:1: compare: must be the name or path of a recipe"),
        ("compare: [null, gae]", "study.yaml:1: compare: must be the name or path of a recipe"),
        ("compare: [gae, nope]", "study.yaml:1: compare: unknown recipe 'nope'."),
        ("compare: {a: gae, b: gae}", "study.yaml:1: compare: 'b' is the same recipe as the base"),
        ("compare: gae", "study.yaml:1: compare: must be a list of recipes such as [scgnn, mine"),
        (
            "compare: {one: gae, base: random}",
            "study.yaml:1: compare: 'base' is the name of the reference; use another",
        ),
        ("base: gae\nvary: {own: nope}", "study.yaml:2: vary: unknown recipe 'nope'."),
        ("base: gae\nvary: {own: gae}", "study.yaml:2: vary: 'own' is the same recipe as the base"),
        (
            "base: gae\nvary: {pipeline.clusterer: leiden}",
            "study.yaml:2: vary.pipeline.clusterer: must be a list of the values to try, such as "
            "[leiden], not leiden",
        ),
        ("base: gae\nvary: {seed: x}", "study.yaml:2: vary.seed: must be a list of the values"),
        (
            "base: gae\nvary: {random: {seed: 3}}",
            "study.yaml:2: controls: 'random' is also a change; rename the change, or list other",
        ),
        ("base: gae\ncontrols: [random, random]", "study.yaml:2: controls: duplicate recipe"),
        ("base: gae\nscores: [arri]", "study.yaml:2: scores: unknown score 'arri'. Did you mean"),
        ("base: gae\nscores: ari", "study.yaml:2: scores: must be a list of scores such as [ari"),
    ],
)
def test_a_mistake_with_recipes_says_what_and_where(text, message, study_folder, monkeypatch):
    monkeypatch.chdir(study_folder)
    (study_folder / "study.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_study("study.yaml")
    assert any(line.startswith(message) for line in caught.value.problems), caught.value.problems


def test_check_counts_all_comparisons():
    cross = {"pipeline.graph_builder.n_neighbors": [5, 9, 15], "pipeline.clusterer": ["kmeans"]}
    vary = {"pipeline.graph_encoder": ["gat"]}
    study = load_study({"base": "gae", "vary": vary, "cross": cross, "controls": ["random"]})
    assert study.comparisons == {"change": 1, "control": 1, "main effect": 2}
    text = describe_study(study)
    assert "comparisons 1 change, 1 control and 2 main effects per score (Holm's" in text
    assert "power       1 block is too few for any of 2 main effects to be significant" in text
    assert "3 blocks are too few for the change to be significant: " in text  # one for each level


@pytest.mark.parametrize(
    ("settings", "changes", "problem"),
    [
        ({}, {}, "nothing comparable is scored: without labels, silhouette, Calinski-Harabasz "),
        ({}, {"data.labels_key": "group"}, ""),
        ({}, {"data.labels_file": "labels.csv"}, ""),
        ({"scores": ["silhouette"]}, {}, ""),
        ({"scores": ["ari", "silhouette"]}, {}, "ari needs labels; set data.labels_key or "),
        ({"scores": ["ari", "nmi"]}, {}, "ari and nmi need labels; set data.labels_key or "),
        ({}, {"data.thinning_fraction": 0.1}, "nothing comparable is scored"),  # no imputation
        ({"base": "scgnn_quick"}, {"data.thinning_fraction": 0.1}, ""),
        ({"vary": {}, "seeds": 2}, {}, ""),  # nothing to compare
    ],
)
def test_check_says_that_nothing_comparable_is_scored(settings, changes, problem):
    vary = {"other k": {"pipeline.graph_builder.n_neighbors": 7}}
    study = load_study({"base": "gae", "vary": vary, "controls": []} | settings, changes)
    lines = [line for line in describe_study(study).splitlines() if line.startswith("scores")]
    assert [line[:12] for line in lines] == ["scores      "] * bool(problem)
    assert not problem or lines[0][12:].startswith(problem)
