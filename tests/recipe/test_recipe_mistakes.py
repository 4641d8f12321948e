"""Mistakes in recipes: all at once, and components that cannot be combined."""

from __future__ import annotations

import pytest

from scgnn.errors import RecipeError
from scgnn.recipe.load import load_recipe


def test_all_mistakes_are_reported_at_once_in_file_order(collect_errors):
    text = """\
seed: -1
data:
  reader: {name: demo, cels: 5}
  holdout_fraction: 1.0
  transforms: [filter, {name: log2p}, {n_top_genes: 5}]
pipline: {}
pipeline:
  max_iterations: 1.5
  graph_encoder: {name: gta, hidden: [0]}
  graph_builder:
    metric: manhattan
    prune: 3
  stop: {min_ari: 2}
"""
    lines = collect_errors(text)
    assert [line.split(": ")[0] + ": " + line.split(": ")[1] for line in lines] == [
        "my.yaml:1: seed",
        "my.yaml:3: data.reader.cels",
        "my.yaml:4: data.holdout_fraction",
        "my.yaml:5: data.transforms.1.name",
        "my.yaml:5: data.transforms.2",
        "my.yaml:6: pipline",
        "my.yaml:8: pipeline.max_iterations",
        "my.yaml:9: pipeline.graph_encoder.name",
        "my.yaml:11: pipeline.graph_builder.metric",
        "my.yaml:12: pipeline.graph_builder.prune",
        "my.yaml:13: pipeline.stop.min_ari",
    ]


def test_an_unknown_recipe_is_suggested_and_told_from_a_file():
    with pytest.raises(RecipeError) as error:
        load_recipe("scgnn_quik")
    line = str(error.value)
    assert line.startswith("unknown recipe 'scgnn_quik'. Did you mean 'scgnn_quick'? Known: ")
    assert line.endswith("(the path of a file needs a slash or the ending .yaml)")


@pytest.mark.parametrize(
    ("text", "similar"),
    [
        ("pipline: {}", "pipeline"),
        ("data: {labels: group}", "labels_key"),
        ("data: {holdout: 0.1}", "holdout_fraction"),
        ("pipeline: {graph_builder: {metrik: cosine}}", "metric"),
        ("seed: 1\nzzz: 2", None),
        ("data: {xyz: 1}", None),
        ("pipeline: {clusterer: {name: leiden, qqq: 1}}", None),
    ],
)
def test_an_unknown_key_gets_the_most_similar_one_else_the_list(collect_errors, text, similar):
    (line,) = collect_errors(text)
    assert "unknown " in line and " Known: " in line
    assert ("Did you mean" in line) == bool(similar)
    assert similar is None or f"Did you mean '{similar}'?" in line


def test_honest_aliases_are_welcome(load_recipe_text):
    text = "pipeline:\n  graph_training: &t {epochs: 3}\n  cluster_training: *t"
    assert load_recipe_text(text).pipeline.cluster_training.epochs == 3


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    (tmp_path / "my.yaml").write_bytes(b"\xef\xbb\xbfseed: 5\r\n")
    assert load_recipe(tmp_path / "my.yaml").seed == 5


# --- components that cannot be combined -----------------------------------------------------------


@pytest.mark.parametrize("encoder", ["gcn", "gat"])
def test_a_graph_encoder_cannot_encode_features(collect_errors, encoder):
    assert collect_errors(f"base: scgnn\npipeline:\n  feature_encoder: {encoder}") == [
        f"my.yaml:3: pipeline.feature_encoder: {encoder} requires the graph, which is not "
        "available in this slot (available: expression)"
    ]


@pytest.mark.parametrize(
    "pipeline",
    [
        "{feature_regularizers: [{name: degree, phases: [initial]}]}",
        "{feature_regularizers: [{name: ltmg, phases: [imputation]}]}",
        "{name: single_pass, feature_decoder: mlp, feature_regularizers: [degree]}",
    ],
)
def test_a_regularizer_that_takes_part_in_no_training_is_refused(collect_errors, pipeline):
    (line,) = collect_errors(f"pipeline: {pipeline}")
    assert "is active in no training: its phases are" in line


def test_what_counts_need_is_checked_before_any_data_is_read(collect_errors):
    (line,) = collect_errors("pipeline: {feature_decoder: zinb}")
    assert line.endswith(
        "pipeline.feature_decoder: zinb requires counts; remove log1p from data.transforms "
        "(data__transforms__log1p=None)"
    )
    text = "data: {transforms: [filter]}\npipeline: {feature_decoder: nb}"
    (line,) = collect_errors(text)
    assert "ltmg expects logarithms, but nb requires counts; set its input to counts" in line


def test_batches_must_be_named_and_are_no_labels(collect_errors):
    (line,) = collect_errors("pipeline: {graph_builder: bbknn}")
    assert "bbknn requires the batch of each cell; set data.batch_key" in line
    (line,) = collect_errors("data: {batch_key: group, labels_key: group}")
    assert "data.batch_key: the true labels are for scores only" in line


def test_a_graph_clusterer_needs_a_graph_builder(collect_errors):
    text = "pipeline: {name: single_pass, graph_builder: null, clusterer: louvain}"
    (line,) = collect_errors(text)
    assert line.startswith("my.yaml:1: pipeline: clusterer: ")
    assert "graph" in line


def test_a_graph_decoder_cannot_rebuild_expression(collect_errors):
    (line,) = collect_errors("seed: 1\npipeline: {feature_decoder: inner_product}")
    assert line == (
        "my.yaml:2: pipeline: feature_decoder: inner_product reconstructs graph, not features"
    )


def test_a_loss_without_terms_is_refused(collect_errors):
    (line,) = collect_errors("pipeline: {reconstruction_weight: 0, feature_regularizers: []}")
    assert line.startswith("my.yaml:1: pipeline: reconstruction_weight: 0 ")
