"""Entries of a list of components in the base, changed by their names or positions."""

from __future__ import annotations

import pytest

from scgnn.cli.options import load_recipe_from_options
from scgnn.components.transforms import Filter, Log1p, NormalizeTotal, Scale, TopGenes
from scgnn.errors import RecipeError
from scgnn.recipe.load import load_recipe
from scgnn.study.load import load_study

EXPECTED = {
    "{top_genes: {n_top_genes: 50}}": (Filter(), TopGenes(n_top_genes=50), Log1p()),
    "{2: scale, filter: {inclusive: true}}": (Filter(inclusive=True), TopGenes(), Scale()),
    "{log1p: {name: normalize_total}}": (Filter(), TopGenes(), NormalizeTotal()),
    "{log1p: {}}": (Filter(), TopGenes(), Log1p()),
    "{log1p: null}": (Filter(), TopGenes()),
    "{0: null, 1: {n_top_genes: 50}, log1p: null}": (TopGenes(n_top_genes=50),),
}


@pytest.mark.parametrize("changes", EXPECTED)
def test_entries_are_changed_and_the_others_stay(load_recipe_text, changes):
    recipe = load_recipe_text(f"base: scgnn\ndata:\n  transforms: {changes}")
    assert recipe.data.transforms == EXPECTED[changes]
    assert load_recipe_from_options("scgnn", [f"data.transforms={changes}"]) == recipe


def test_a_setting_at_a_path_removes_an_entry():
    changes = {"data.transforms.0": None, "pipeline.imputation_regularizers.degree": None}
    recipe = load_recipe("scgnn", changes)
    assert recipe.data.transforms == (TopGenes(), Log1p())
    assert [part.name for part in recipe.pipeline.imputation_regularizers] == ["cluster_size"]
    with pytest.raises(RecipeError, match=r"hidden: must be a non-empty list .*not \[null, "):
        load_recipe("scgnn", {"pipeline.feature_encoder.hidden.0": None})


def test_entries_keep_their_other_settings(load_recipe_text, tmp_path):
    entries = "[{name: degree, weight: 2, normalized: true}, cluster_size]"
    (tmp_path / "base.yaml").write_text(f"pipeline: {{cluster_regularizers: {entries}}}")
    text = "base: base.yaml\npipeline: {cluster_regularizers: {degree: {weight: 0.5}}}"
    degree, size = load_recipe_text(text).pipeline.cluster_regularizers
    assert (degree.name, degree.weight, degree.normalized) == ("degree", 0.5, True)
    assert (size.name, size.weight) == ("cluster_size", type(size)().weight)


def test_unknown_entries_come_with_the_other_mistakes(collect_errors):
    text = """\
base: scgnn
data:
  transforms:
    top_gene: {n_top_genes: 5}
    filter: {min_cells: 3}
    3: log1p
pipeline:
  cluster_regularizers: {ltmg: {weight: 1}}
  clusterer: lieden
"""
    assert [line.partition(". ")[0] for line in collect_errors(text)] == [
        "my.yaml:4: data.transforms: no entry 'top_gene' in the list (filter, top_genes, log1p)",
        "my.yaml:5: data.transforms.0.min_cells: unknown parameter 'min_cells' of transform "
        "'filter'",
        "my.yaml:6: data.transforms: no entry '3' in the list (filter, top_genes, log1p)",
        "my.yaml:8: pipeline.cluster_regularizers: no entry 'ltmg' in the list (empty)",
        "my.yaml:9: pipeline.clusterer.name: unknown clusterer 'lieden'",
    ]


def test_a_name_of_several_entries_needs_a_position(tmp_path, collect_errors, load_recipe_text):
    (tmp_path / "base.yaml").write_text("data: {transforms: [filter, scale, log1p, scale]}")
    text = "base: base.yaml\ndata: {transforms: {scale: {max_value: 9}}}"
    problem = "several entries 'scale' in the list (filter, scale, log1p, scale); use a position"
    assert collect_errors(text) == [
        f"my.yaml:2: data.transforms: {problem} instead of the name: 1 or 3"
    ]
    changed = load_recipe_text(text.replace("{scale:", "{3:")).data.transforms
    assert changed == (Filter(), Scale(), Log1p(), Scale(max_value=9))


NO_BASE = "a mapping changes entries of the base's list, and there is no base with one (add e.g. "


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("data: {transforms: {log1p: scale}}", f"; {NO_BASE}'base: scgnn')"),
        ("pipeline: {feature_regularizers: {ltmg: {weight: 2}}}", f"; {NO_BASE}'base: scgnn')"),
        ("pipeline: {imputation_regularizers: {0: {weight: 2}}}", f"; {NO_BASE}'base: scgnn')"),
        ("data: {transforms: {name: log1p}}", 'not {"name": "log1p"}; put it in a list'),
        ("base: scgnn\ndata: {transforms: {name: log1p}}", "; put it in a list"),
        (
            "base: scgnn\ndata: {transforms: {}}",
            "must be a list of transforms ([] for none), not {}",
        ),
    ],
)
def test_a_mapping_that_cannot_change_a_list_is_explained(collect_errors, text, end):
    (line,) = collect_errors(text)
    assert line.endswith(end)


def test_python_and_studies_take_such_mappings():
    path, change = "pipeline.feature_regularizers", {"ltmg": {"weight": 0.25}}
    (ltmg,) = load_recipe("scgnn", {path: change}).pipeline.feature_regularizers
    assert ltmg.weight == 0.25
    study = load_study({"base": "scgnn", "vary": {path: [change]}, "controls": [], "seeds": 2})
    weights = {run.recipe.pipeline.feature_regularizers[0].weight for run in study.runs}
    assert weights == {0.9, 0.25}
    with pytest.raises(RecipeError) as error:
        load_study({"base": "scgnn", "vary": {path: [{"degree": {}}]}, "seeds": 2})
    assert error.value.problems == ["study: no entry 'degree' in the list (ltmg)"]
