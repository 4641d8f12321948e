"""Study files: the runs that they define, and mistakes in them."""

import re

import pytest

from scgnn import RecipeError, load_study
from scgnn.recipe.load import load_recipe
from scgnn.stats.paired import minimum_blocks, minimum_p_value
from scgnn.study.load import is_study, list_bundled_studies
from scgnn.study.plan import describe_power_problem, describe_study
from scgnn.study.spec import slugify

BASE = {"base": "scgnn_quick", "controls": []}


def test_runs_are_base_and_changes_times_everything_crossed_and_controls_times_blocks():
    study = load_study(
        {
            "base": "scgnn_quick",
            "vary": {
                "pipeline.graph_encoder.name": ["gat", "sage"],
                "pipeline.graph_encoder": [None],
                "no loop": {"pipeline.max_iterations": 0, "pipeline.imputation": None},
            },
            "cross": {"seed": [3, 5, 8], "pipeline.graph_builder.n_neighbors": [5, 10]},
            "controls": ["pca_kmeans", "pca_leiden"],
        }
    )
    assert len(study.runs) == (1 + 4) * 3 * 2 + 2 * 3
    assert study.variants == [
        "base",
        "graph_encoder=gat",
        "graph_encoder=sage",
        "graph_encoder=null",
        "no loop",
        "pca_kmeans",
        "pca_leiden",
    ]
    assert study.blocks == ("data", "seed")
    assert study.factors == {"graph_builder.n_neighbors": ["5", "10"]}
    assert len({run.label for run in study.runs}) == len(study.runs)
    first = {run.variant: run.recipe for run in reversed(study.runs)}
    assert first["no loop"].pipeline.max_iterations == 0
    assert first["no loop"].pipeline.imputation is None
    assert first["graph_encoder=null"].pipeline.graph_encoder is None
    assert {run.recipe.seed for run in study.runs} == {3, 5, 8}


def test_a_control_keeps_its_own_transforms_and_takes_the_data_and_the_seed():
    changes = {"data.reader.n_cells": 70, "data.labels_key": "group"}
    study = load_study({"base": "scgnn_no_dead_units", "seeds": [4]}, changes)
    controls = {run.variant: run.recipe for run in study.runs if run.role == "control"}
    assert list(controls) == ["pca_kmeans", "pca_leiden", "random"]  # by default
    control, recipe = controls["pca_leiden"], load_recipe("pca_leiden")
    assert (control.seed, control.data.reader.n_cells, control.data.labels_key) == (4, 70, "group")
    assert (control.pipeline, control.data.transforms) == (recipe.pipeline, recipe.data.transforms)


def test_seeds_are_short_for_an_axis():
    written = [run.levels["seed"] for run in load_study(BASE | {"seeds": 3}).runs]
    assert written == [0, 1, 2]
    crossed = load_study(BASE | {"cross": {"seed": [0, 1, 2]}})
    assert [run.recipe for run in crossed.runs] == [
        run.recipe for run in load_study(BASE | {"seeds": 3}).runs
    ]


def test_data_and_seeds_of_the_command_replace_those_of_the_study(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("cell,g1,g2\nc1,1,2\nc2,3,4\n")
    files = [str(tmp_path / name) for name in ("a.csv", "b.csv")]
    study = load_study(BASE | {"seeds": 3}, data=files, seeds=[7])
    assert [run.levels for run in study.runs] == [
        {"data": "a", "seed": 7},
        {"data": "b", "seed": 7},
    ]


def test_named_levels_of_data_are_blocks():
    levels = {
        "small": {"data.reader.n_cells": 50, "data.labels_key": "group"},
        "large": {"data.reader.n_cells": 90},
    }
    study = load_study(BASE | {"cross": {"sets": levels}})
    assert study.blocks == ("data",)
    assert [run.levels["data"] for run in study.runs] == ["small", "large"]


def test_a_saved_study_is_the_same_study(tmp_path):
    from scgnn.recipe.yaml_tree import dump_yaml

    study = load_study(BASE | {"vary": {"pipeline.stop": ["graph"]}, "seeds": 2}, {"seed": 3})
    (tmp_path / "study.yaml").write_text(dump_yaml(dict(study.source)))
    again = load_study(tmp_path / "study.yaml")
    assert [run.recipe for run in again.runs] == [run.recipe for run in study.runs]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vary: {a: [1]}", "study.yaml:1: base: a study needs one, e.g. 'base: scgnn'"),
        ("base: scgn\nseeds: 2", "study.yaml:1: base: unknown recipe 'scgn'"),
        ("base: scgnn\nvari: {}\nseeds: 2", "study.yaml:2: vari: unknown key 'vari'. Did you mean"),
        ("base: scgnn\nvary: [gat]", "study.yaml:2: vary: must be a mapping such as"),
        (
            "base: scgnn\nvary:\n  pipeline.graph_encoder: gat",
            "study.yaml:3: vary.pipeline.graph_encoder: must be a list of the values to try",
        ),
        (
            "base: scgnn\nvary:\n  pipeline.graph_encoder: [gta]",
            "study.yaml:3: pipeline.graph_encoder.name: unknown encoder 'gta'. Did you mean",
        ),
        (
            "base: scgnn\nvary:\n  pipeline.graph_encodr: [gat]",
            "study.yaml:3: pipeline.graph_encodr: unknown parameter",
        ),
        (
            "base: scgnn\nvary:\n  pipeline.graph_encoder: [gcn]",
            "study.yaml:3: vary: 'graph_encoder=gcn' is the same recipe as the base",
        ),
        (
            "base: scgnn\nvary:\n  one: {pipeline.stop: graph}\n  two: {pipeline.stop: graph}",
            "study.yaml:4: vary: 'two' is the same recipe as 'one'",
        ),
        (
            "base: scgnn\nvary:\n  base: {pipeline.stop: graph}",
            "study.yaml:3: vary: duplicate change 'base'",
        ),
        (
            "base: scgnn\nvary:\n  pipeline.graph_encoder: []",
            "study.yaml:3: vary.pipeline.graph_encoder: must be a list of the values to try",
        ),
        (
            "base: scgnn\nvary:\n  no loop: {}",
            "study.yaml:3: vary.no loop: must be a list of the values to try, a mapping of the "
            "settings it changes, by path, or the name or path of a recipe, not {}",
        ),
        (
            "base: scgnn\ncross:\n  sets: {small: 3}",
            "study.yaml:3: cross.sets.small: must be a mapping of the settings it changes, by path",
        ),
        ("base: scgnn\ncross: {sets: {}}", "study.yaml:2: cross.sets: must be a list of the"),
        ("base: scgnn\nseeds: []", "study.yaml:2: seeds: must be a list such as [0, 1, 2]"),
        ("base: scgnn\nseeds: [1, 1]", "study.yaml:2: seeds: duplicate level '1'"),
        ("base: scgnn\nseeds: few", "study.yaml:2: seeds: must be a list such as [0, 1, 2]"),
        (
            "base: scgnn\nseeds: 2\ncross: {seed: [1]}",
            "study.yaml:1: cross: 'seed' is crossed twice",
        ),
        ("base: scgnn\ncontrols: pca_leiden", "study.yaml:2: controls: must be a list of recipes"),
        ("base: scgnn\ncontrols: [pca]", "study.yaml:2: controls: unknown recipe 'pca'"),
        (
            "base: scgnn\ncross:\n  data.reader: [no/such.h5ad]",
            "study.yaml:3: data.reader: no/such.h5ad does not exist",
        ),
    ],
)
def test_a_mistake_says_what_and_where(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_study("study.yaml")
    assert any(line.startswith(message) or message in line for line in caught.value.problems), (
        caught.value.problems
    )


def test_all_mistakes_come_at_once(tmp_path):
    wrong = {"pipeline.graph_encoder": ["gta"], "pipeline.clusterer": ["leidn"]}
    with pytest.raises(RecipeError) as caught:
        load_study(BASE | {"vary": wrong, "seeds": 2})
    assert len(caught.value.problems) == 2


def test_mistakes_in_all_sections_come_at_once_in_file_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = """\
base: scgn
vary: [gat]
cross:
  pipeline.clusterer: leiden
seds: 3
controls: [pca]
"""
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_study("study.yaml")
    assert [": ".join(line.split(": ")[:2]) for line in caught.value.problems] == [
        "study.yaml:1: base",
        "study.yaml:2: vary",
        "study.yaml:4: cross.pipeline.clusterer",
        "study.yaml:5: seds",
        "study.yaml:6: controls",
    ]


def test_a_file_is_a_study_by_its_keys(tmp_path):
    recipe, study = tmp_path / "recipe.yaml", tmp_path / "study.yaml"
    recipe.write_text("base: scgnn\n")
    study.write_text("base: scgnn\nseeds: 2\n")
    assert is_study(str(study)) and not is_study(str(recipe))
    assert is_study("components") and not is_study("scgnn")


@pytest.mark.parametrize("name", list_bundled_studies())
def test_a_bundled_study_is_sound(name):
    assert len(load_study(name, seeds=[0]).runs) > 10


def test_the_plan_counts_the_stages_that_are_shared():
    study = load_study(
        BASE
        | {"vary": {"pipeline.imputation": [None], "pipeline.graph_encoder": [None]}, "seeds": 2},
        {"pipeline.max_iterations": 1},
    )
    message = describe_study(study)
    # per seed: the base asks for LTMG, two passes of four stages and the imputation, ten in all;
    # without the imputation nine of these; without a graph encoder eight, of which the clusters
    # of both passes and the imputation are its own; each of the six runs has its scores
    assert "at most 60, 32 of them unique: 28 are shared" in message, message


def test_the_estimate_is_of_the_data_of_each_run():
    changed = load_study(BASE | {"vary": {"data.reader.n_cells": [500_000]}, "seeds": 1})
    (memory,) = re.findall(r"and ([0-9,]+) MB for each", describe_study(changed))
    assert int(memory.replace(",", "")) > 5000


def test_names_of_folders_tell_variants_apart():
    assert slugify("graph_encoder=gat") == "graph_encoder=gat"
    assert slugify("a b") != slugify("a_b") != slugify("a/b")
    assert "/" not in slugify("a/b") and slugify("[]")


@pytest.mark.parametrize("name", ["x" * 300, "é" * 100, "細" * 60, "a/" + "β" * 200, "😀" * 80])
def test_names_of_folders_are_short_enough_for_any_disk(name):
    assert len(slugify(name).encode()) <= 107
    assert slugify(name) != slugify(f"{name}2")


def test_files_that_a_study_names_are_written_out(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    down = {"data.reader": {"name": "h5ad", "path": "down.h5ad"}, "data.truth_path": "full.h5ad"}
    study = load_study(
        {
            "base": "scgnn",
            "vary": {"pipeline.max_iterations": [1]},
            "cross": {"data": {"down-sampled": down}},
        }
    )
    assert study.source["cross"]["data"]["down-sampled"] == {
        "data.reader": {"name": "h5ad", "path": str(tmp_path / "down.h5ad")},
        "data.truth_path": str(tmp_path / "full.h5ad"),
    }


def test_controls_of_a_saved_study_are_those_beside_its_file(monkeypatch, tmp_path):
    from scgnn.recipe.yaml_tree import dump_yaml

    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "mine.yaml").write_text(
        "base: pca_leiden\npipeline: {clusterer: kmeans}\n"
    )
    text = "base: scgnn_quick\ncontrols: [./mine.yaml, random]\nseeds: 2\n"
    (tmp_path / "studies" / "study.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    study = load_study("studies/study.yaml")
    assert study.source["controls"] == [str(tmp_path / "studies" / "mine.yaml"), "random"]
    (tmp_path / "saved.yaml").write_text(dump_yaml(dict(study.source)))
    again = load_study("saved.yaml")
    assert [run.recipe for run in again.runs] == [run.recipe for run in study.runs]


def test_blocks_that_check_asks_for_are_those_of_the_results():
    vary = {"other graph": {"pipeline.graph_builder.n_neighbors": 5}}
    study = load_study({"base": "pca_leiden", "vary": vary, "seeds": 2})
    result = next(line for line in describe_study(study).splitlines() if line.startswith("power"))
    assert "2 blocks are too few for the change to be significant: " in result
    assert f"{minimum_blocks(0.05)} are needed" in result


@pytest.mark.parametrize(
    ("n_blocks", "n_changes", "problem"),
    [
        (5, 1, "5 blocks are too few for the change to be significant: "),
        (6, 1, ""),
        (1_024, 500, ""),
        (5_000, 0, ""),
        (5_000, 501, "too many changes for any of 501 changes"),
        (13, 500, "13 blocks are too few for any of 500 changes"),
    ],
)
def test_check_reports_that_no_change_can_be_significant(n_blocks, n_changes, problem):
    result = describe_power_problem(n_blocks, n_changes)
    assert result.startswith(problem) and bool(result) == bool(problem)
    reachable = n_changes and minimum_p_value(n_blocks) <= 0.05 / n_changes
    assert bool(problem) == bool(n_changes and not reachable)


@pytest.mark.parametrize(
    ("key", "empty"),
    [("vary", None), ("vary", {}), ("cross", None), ("cross", {}), ("compare", None)],
)
def test_an_empty_entry_of_a_study_is_none(key, empty):
    study = load_study({"base": "pca_leiden", key: empty, "seeds": 2})
    assert study.axes == load_study({"base": "pca_leiden", "seeds": 2}).axes
