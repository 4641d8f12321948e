"""Invalid recipes: one line for each problem, exit code 2, no output folder."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from scgnn.components.encoders import Encoder
from scgnn.components.graph_builders import KNN

ENCODERS = ", ".join(Encoder.names())
pytestmark = pytest.mark.usefixtures("work_dir")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "pipeline: {graph_encoder: gattt}",
            "pipeline.graph_encoder.name: unknown encoder 'gattt'. Did you mean 'gat'? If it is "
            f"your own, add --plugin FILE. Known: {ENCODERS}",
        ),
        (
            "pipeline: {graph_encoder: xyz}",
            "pipeline.graph_encoder.name: unknown encoder 'xyz'. If it is your own, add --plugin "
            f"FILE. Known: {ENCODERS}",
        ),
        (
            "pipeline: {graph_builder: {neighbors: 5}}",
            "pipeline.graph_builder.neighbors: unknown parameter 'neighbors' of graph_builder "
            f"'knn'. Did you mean 'n_neighbors'? Known: {', '.join(f.name for f in fields(KNN))}",
        ),
        (
            "pipeline: {graph_training: {epoch: 5}}",
            "pipeline.graph_training.epoch: unknown key 'epoch'. Did you mean 'epochs'? "
            "Known: epochs, learning_rate, batch_size, steps_per_epoch, l1, l2",
        ),
        (
            "data: {transforms: [{n_top_genes: 5}]}",
            "data.transforms.0: give the transform a name: one of ",
        ),
        ("pipeline: {clusterer: {name: null}}", "pipeline.clusterer: give the clusterer a name: "),
        ("pipeline: {clusterer: {name: [a]}}", "pipeline.clusterer: give the clusterer a name: "),
        ("pipeline: {clusterer: {name: {a: b}}}", "pipeline.clusterer: give the clusterer a name"),
        ("pipeline: {clusterer: 3}", "pipeline.clusterer: must be a clusterer, not 3"),
        ("pipeline: {clusterer: null}", "pipeline.clusterer: must be a clusterer, not null"),
        ("pipeline: {clusterer: [leiden]}", 'pipeline.clusterer: must be a clusterer, not ["leid'),
        ("pipeline: {graph_training: 5}", "pipeline.graph_training: must be a mapping, not 5"),
        (
            "data: {transforms: log1p}",
            "data.transforms: must be a list of transforms ([] for none)",
        ),
        (
            "pipeline: {graph_builder: {metric: euclid}}",
            "pipeline.graph_builder.metric: must be one of euclidean, cosine, correlation, "
            'not "euclid"',
        ),
        (
            "data: {holdout_fraction: 1}",
            "data.holdout_fraction: must be a number of at least 0 and below 1, not 1",
        ),
        (
            "data: {holdout_fraction: .nan}",
            "data.holdout_fraction: must be a number of at least 0 and below 1, not NaN",
        ),
        (
            "pipeline: {reconstruction_weight: .inf}",
            "pipeline.reconstruction_weight: must be a number of at least 0, not Infi",
        ),
        (
            "pipeline: {reconstruction_weight: 1e999}",
            "pipeline.reconstruction_weight: must be a number of at least 0, not Inf",
        ),
        (
            "pipeline: {reconstruction_weight: '1'}",
            'pipeline.reconstruction_weight: must be a number of at least 0, not "1"',
        ),
        (
            "pipeline: {clusterer: {name: leiden, n_iterations: 0}}",
            "pipeline.clusterer.n_iterations: must be a positive integer or -1, not 0",
        ),
        (
            "pipeline: {imputation: 1}",
            "pipeline.imputation: must be one of autoencoder, reconstruction or null, not 1",
        ),
        ("seed: true", "seed: must be an integer of at least 0 and below 4294967296, not true"),
        ("seed: 1.0", "seed: must be an integer of at least 0 and below 4294967296, not 1.0"),
        ("seed: 4294967296", "seed: must be an integer of at least 0 and below 4294967296, not 4"),
        (
            "pipeline: {feature_encoder: {hidden: [8, 0]}}",
            "pipeline.feature_encoder.hidden: must be a non-empty list of positive "
            "integers, not [8, 0]",
        ),
        (
            "pipeline: {clusterer: {name: kmeans, n_clusters_factor: automatic}}",
            "pipeline.clusterer.n_clusters_factor: must be a number above 0 or auto, "
            'not "automatic"',
        ),
        ("extra: 1", "extra: unknown key 'extra'. Known: seed, data, pipeline"),
    ],
)
def test_a_mistake_says_what_is_wrong_and_what_would_be_right(run_rejected, text, line):
    Path("my.yaml").write_text(text)
    (message,) = run_rejected("run", "my.yaml", "--out", "out")
    assert message.startswith(f"my.yaml:1: {line}")


@pytest.mark.parametrize("slot", ["feature_encoder", "graph_encoder"])
def test_an_encoder_without_layers_is_refused(run_rejected, slot):
    (line,) = run_rejected("check", "scgnn", "--set", f"pipeline.{slot}.hidden=[]")
    want = "must be a non-empty list of positive integers, not []"
    assert f"pipeline.{slot}.hidden: {want}" in line


def test_every_mistake_has_a_line(run_rejected):
    Path("my.yaml").write_text("base: scgnn\nseed: x\npipeline:\n  graph_encoder: gta\n  stop: 1\n")
    lines = run_rejected("run", "my.yaml", "--out", "out")
    assert [line.split(": ")[0] for line in lines] == ["my.yaml:2", "my.yaml:4", "my.yaml:5"]
    assert run_rejected("check", "my.yaml") == run_rejected("show", "my.yaml") == lines


@pytest.mark.parametrize("command", ["run", "check"])
def test_data_beside_the_recipe_is_refused_with_the_option(run_rejected, command):
    messages = run_rejected(command, "scgnn_quick", "a.h5ad")
    assert messages == ["a.h5ad: unexpected argument; use --data for each data file"]
