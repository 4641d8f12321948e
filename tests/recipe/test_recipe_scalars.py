"""Scalars of YAML that are read differently by its versions are refused in one sentence."""

from __future__ import annotations

import pytest

from scgnn.cli.options import load_recipe_from_options
from scgnn.errors import RecipeError
from scgnn.recipe.load import load_recipe
from scgnn.recipe.yaml_tree import AmbiguousText, dump_yaml, parse_yaml, to_plain
from scgnn.study.load import load_study

NUMBERS = ("017", "08", "-07", "+012", "00", "0o17", "2:30", "09:15", "1:20.5", "12:30:45", "1_0")
NUMBERS += ("12_34", "1__000", "1_000_", "1_00.5", "0_1")
TRUTH_VALUES = ("yes", "Yes", "NO", "no", "on", "Off", "OFF")
INTENDED = dict.fromkeys(NUMBERS, "a plain decimal number")
INTENDED |= dict.fromkeys(TRUTH_VALUES, "true, false or null") | {"None": "null"}
PLAIN = {
    **{"0": 0, "-7": -7, "+5": 5, "1_000": 1000, "1_000_000": 1_000_000, "0x1F": 31, "1e3": 1e3},
    **{"0.5": 0.5, "007.5": 7.5, "1_000.5": 1000.5, "true": True, "FALSE": False, "~": None},
    **{"none": "none", "y": "y", "N": "N", "onn": "onn", "None_": "None_", "10x": "10x"},
    **{"1.2.3": "1.2.3", "a:1": "a:1", "_1": "_1", "2024-01-02": "2024-01-02", "null": None},
    **{"'017'": "017", '"yes"': "yes", "!!str 08": "08", "'None'": "None"},
}


def format_problem(text: str) -> str:
    advice = f'write {INTENDED[text]}, or quote it ("{text}") for text'
    return f"{text} is ambiguous in YAML; {advice}"


@pytest.mark.parametrize("text", INTENDED)
def test_an_ambiguous_scalar_is_refused_wherever_it_is(collect_errors, text):
    problem = format_problem(text)
    for setting, line in [
        (f"seed: {text}", f"my.yaml:1: seed: {problem}"),
        (f"data:\n  labels_key: {text}", f"my.yaml:2: data.labels_key: {problem}"),
        (f"data: {{layer: {text}}}", f"my.yaml:1: data.layer: {problem}"),
        (
            f"base: scgnn\npipeline: {{graph_builder: {{prune: {text}}}}}",
            f"my.yaml:2: pipeline.graph_builder.prune: {problem}",
        ),
        (
            f"pipeline:\n  feature_encoder:\n    hidden: [9, {text}]",
            f"my.yaml:3: pipeline.feature_encoder.hidden: {problem}",
        ),
    ]:
        assert collect_errors(setting) == [line]


@pytest.mark.parametrize("text", PLAIN)
def test_other_scalars_are_what_they_look_like(text):
    value = to_plain(parse_yaml(f"a: {text}", "my.yaml"))["a"]
    assert (value, type(value)) == (PLAIN[text], type(PLAIN[text]))
    assert not isinstance(value, AmbiguousText)


@pytest.mark.parametrize("text", INTENDED)
def test_such_text_is_quoted_where_it_is_written(text):
    assert dump_yaml({"a": text}) == f"a: '{text}'\n"
    assert load_recipe("scgnn", {"data.labels_key": text}).data.labels_key == text


@pytest.mark.parametrize("text", INTENDED)
def test_values_of_options_follow_the_same_rules(text):
    with pytest.raises(RecipeError) as error:
        load_recipe_from_options("scgnn", [f"data.layer={text}", f"seed={text}"])
    assert error.value.problems == [
        f"--set data.layer={text}: data.layer: {format_problem(text)}",
        f"--set seed={text}: seed: {format_problem(text)}",
    ]
    recipe = load_recipe_from_options("scgnn", [f'data.layer="{text}"', "seed=1_000"])
    assert (recipe.data.layer, recipe.seed) == (text, 1000)


def test_all_ambiguous_scalars_come_with_the_other_mistakes(collect_errors):
    text = "base: scgnn\nseed: 07\ndata: {batch_key: on}\npipeline: {clusterer: lieden, stop: off}"
    assert [": ".join(line.split(": ")[:2]) for line in collect_errors(text)] == [
        "my.yaml:2: seed",
        "my.yaml:3: data.batch_key",
        "my.yaml:4: pipeline.clusterer.name",
        "my.yaml:4: pipeline.stop",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("base: scgnn\nseeds: 08", f"study.yaml:2: seeds: {format_problem('08')}"),
        ("base: scgnn\nseeds: [1, 08]", f"study.yaml:2: seed: {format_problem('08')}"),
        (
            "base: scgnn\nvary:\n  pipeline.graph_encoder: [gat, no]",
            f"study.yaml:3: pipeline.graph_encoder: {format_problem('no')}",
        ),
        (
            "base: scgnn\nvary:\n  both: {pipeline.imputation: None, seed: 3}",
            f"study.yaml:3: pipeline.imputation: {format_problem('None')}",
        ),
    ],
)
def test_studies_follow_the_same_rules(tmp_path, monkeypatch, text, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(RecipeError) as error:
        load_study("study.yaml")
    assert error.value.problems == [line]


def test_keys_and_names_of_levels_may_be_such_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    levels = "{on: {pipeline.max_iterations: 1}, 012: {pipeline.max_iterations: 2}}"
    text = f"base: scgnn\ncontrols: []\ncross:\n  loops: {levels}\n"
    (tmp_path / "study.yaml").write_text(text)
    assert load_study("study.yaml").factors == {"loops": ["on", "012"]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("pipeline:\n\xa0\xa0clusterer: leiden\n", "my.yaml:2: 'clusterer': {}"),
        ("pipeline:\n  clusterer: \u2003leiden\xa0\n", "my.yaml:2: 'leiden': {}"),
        ("pipeline: {clusterer: [\xa0leiden, louvain]}\n", "my.yaml:1: 'leiden': {}"),
        ("seed: \xa01\n", "my.yaml:1: '1': {}"),
    ],
)
def test_a_special_space_is_named(collect_errors, text, problem):
    advice = "a non-breaking or other special space beside it; use ordinary spaces"
    assert collect_errors(text) == [problem.format(advice)]


@pytest.mark.parametrize("text", ['"\xa0group"', "cell\xa0type"])
def test_a_special_space_in_quotes_or_between_letters_is_text(text):
    recipe = to_plain(parse_yaml(f"data: {{labels_key: {text}}}", "x"))
    assert recipe["data"]["labels_key"] == text.strip('"')
