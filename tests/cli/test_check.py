"""The command ``check``: every mistake of a recipe or a study at once, and no run."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

import scgnn
from scgnn.cli.options import load_recipe_from_options, load_study_from_options
from scgnn.components.readers import H5AD

pytestmark = pytest.mark.usefixtures("work_dir")


@pytest.fixture
def cells(make_counts) -> str:
    adata = make_counts()
    adata.obs["donor"] = "d1"
    adata.layers["counts"] = adata.X.copy()
    adata.write_h5ad("cells.h5ad")
    return "cells.h5ad"


UNKNOWN = {
    "data.labels_key=grup": "data.labels_key: cells.h5ad: unknown column 'grup'. Did you mean "
    "'group'? Known: group, donor (columns of obs)",
    "data.batch_key=batch": "data.batch_key: cells.h5ad: unknown column 'batch'. Known: group, "
    "donor (columns of obs)",
    "data.layer=raw": "data.layer: cells.h5ad has no layer 'raw', it has X, counts: set data.layer "
    "to one of these, or to auto",
}


@pytest.mark.parametrize("change", UNKNOWN)
def test_a_name_that_the_file_does_not_have(run_rejected, cells, change):
    lines = run_rejected("check", "scgnn", "--data", cells, "--set", change)
    assert lines == [f"--set {change}: {UNKNOWN[change]}"]


def test_names_that_the_file_has(run_cli, cells):
    names = ["data.batch_key=donor", "data.layer=counts"]
    options = ["--labels-key", "group", *(word for name in names for word in ("--set", name))]
    result = run_cli("check", "scgnn", "--data", cells, *options)
    assert result.stderr == ""
    assert result.stdout.endswith("all checks passed; nothing was run\n")


def test_mistakes_of_the_recipe_its_data_and_the_options_come_at_once(run_rejected, cells):
    text = f"""\
base: scgnn
seed: -1
data:
  reader: {cells}
  batch_key: donr
  labels_key: off
  truth_path: gone.h5ad
pipeline: {{clusterer: lieden}}
"""
    Path("my.yaml").write_text(text)
    changes = ["--set", "data.layer=raw", "--set", "pipeline.stop=3", "--set", "seed"]
    lines = run_rejected("check", "my.yaml", *changes)
    assert [": ".join(line.split(": ")[:2]) for line in lines] == [
        "--set seed: expected PATH=VALUE, e.g. --set seed=2",
        "--set data.layer=raw: data.layer",
        "--set pipeline.stop=3: pipeline.stop",
        "my.yaml:2: seed",
        "my.yaml:5: data.batch_key",
        "my.yaml:6: data.labels_key",
        "my.yaml:7: data.truth_path",
        "my.yaml:8: pipeline.clusterer.name",
    ]


def test_a_missing_file_hides_no_other_mistake(run_rejected):
    lines = run_rejected("check", "scgnn", "--data", "gone.h5ad", "--set", "seed=x")
    assert lines[0] == "gone.h5ad does not exist"
    assert lines[1].startswith("--set seed=x: seed: must be an integer")
    assert len(lines) == 2


def test_what_is_known_of_a_table_without_reading_it(run_rejected, run_cli):
    Path("table.csv").write_text("cell,gene_1,gene_2\ncell_1,1,2\ncell_2,3,4\n")
    table = ["check", "scgnn", "--data", "table.csv", "--labels-key", "type"]
    assert run_cli(*table).exit_code == 0  # columns of obs are detected from all values
    (line,) = run_rejected(*table, "--set", "data.layer=counts")
    assert "table.csv has no layer 'counts', it has X: set data.layer" in line


def test_labels_in_a_file_are_not_columns_of_obs(run_rejected, run_cli, cells):
    Path("labels.csv").write_text("cell,type\ncell_0,a\ncell_1,b\n")
    options = ["--data", cells, "--labels-key", "type", "--labels-file"]
    assert run_cli("check", "scgnn", *options, "labels.csv").exit_code == 0
    (line,) = run_rejected("check", "scgnn", *options, "gone.csv")
    assert line == "--labels-file=gone.csv: data.labels_file: gone.csv does not exist"


def test_mistakes_of_all_variants_and_data_sets_of_a_study_come_at_once(run_rejected, cells):
    text = """\
base: {base: scgnn_quick, data: {labels_key: type}}
vary:
  pipeline.clusterer: [lieden, leiden]
  pipeline.graph_encoder: gat
  other layer: {data.layer: spliced}
cross:
  data.reader: [cells.h5ad, demo]
controls: [pca]
"""
    Path("study.yaml").write_text(text)
    lines = run_rejected("check", "study.yaml", "--seeds", "few")
    columns = "unknown column 'type'. Known"
    assert [line[: len(start)] for line, start in zip(lines, STARTS, strict=True)] == STARTS
    assert any(f"data.labels_key: demo: {columns}" in line for line in lines)
    assert any(f"data.labels_key: cells.h5ad: {columns}" in line for line in lines)


STARTS = [
    "--seeds few: expected a number of seeds",
    "study.yaml: data.labels_key: ",
    "study.yaml: data.layer: ",
    "study.yaml: data.labels_key: ",
    "study.yaml: data.layer: ",
    "study.yaml:3: pipeline.clusterer.name: unknown clusterer 'lieden'",
    "study.yaml:4: vary.pipeline.graph_encoder: must be a list",
    "study.yaml:8: controls: unknown recipe 'pca'",
]


def test_the_labels_of_a_study_are_those_of_the_option(run_rejected, cells):
    Path("study.yaml").write_text("base: scgnn_quick\nseeds: 2\n")
    (line,) = run_rejected("check", "study.yaml", "--data", cells, "--labels-key", "typ")
    assert line.startswith("--labels-key=typ: data.labels_key: cells.h5ad: unknown column 'typ'")


@pytest.mark.parametrize("name", ["scgnn", "published_code"])
def test_set_overrides_the_option_of_the_same_setting(name):
    is_study = name == "published_code"
    load = load_study_from_options if is_study else load_recipe_from_options
    changes = ["data.labels_key=second"]
    if is_study:
        recipe = load(name, None, "first", None, "1,2", changes).runs[0].recipe
    else:
        recipe = load(name, changes, None, "first")
    assert recipe.data.labels_key == "second"


def test_the_version_is_printed(run_cli):
    result = run_cli("--version")
    assert (result.exit_code, result.stdout) == (0, f"scgnn {scgnn.__version__}\n")


@pytest.fixture
def check_counts(run_cli, make_counts):
    """Return a function that writes data, checks a recipe on them and returns what is printed."""

    def check(change, recipe="scgnn", *options):
        adata = make_counts()
        change(adata)
        adata.write_h5ad("some.h5ad")
        done = run_cli("check", recipe, "--data", "some.h5ad", *options)
        lines = [line for line in done.stdout.splitlines() if line.startswith("counts ")]
        return lines, done

    return check


def leave(_adata):
    pass


def move_counts_to_raw(adata):
    adata.raw = adata.copy()
    adata.X = adata.X / 3


def copy_counts_to_layers(adata):
    adata.layers["a"] = adata.layers["b"] = adata.X.copy()
    adata.X = adata.X / 3


def take_logarithms(adata):
    adata.X = np.log1p(adata.X)


def scale_to_tpm(adata):
    adata.X = adata.X * 1000.5


IF_LOGARITHMS = "if they are, remove log1p (--set data.transforms.log1p=null)"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (leave, "X: whole numbers"),
        (move_counts_to_raw, "raw: whole numbers"),
        (copy_counts_to_layers, "a: whole numbers"),
        (scale_to_tpm, "X: not integers (TPM or normalized)"),
        (take_logarithms, "X: look log-transformed (not integers, maximum N); "),
    ],
)
def test_the_matrix_that_is_used_and_its_values(check_counts, change, line):
    lines, done = check_counts(change)
    pattern = f"counts      {line}"
    assert re.sub(r"\d\.\d+", "N", lines[0]).startswith(pattern)
    assert lines[0].endswith(IF_LOGARITHMS) == (change is take_logarithms)
    assert done.exit_code == 0
    assert "labels      none: no scores against labels; columns of obs: group\n" in done.stdout


def test_labels_of_a_table_are_looked_up_when_it_is_read(run_cli, make_counts):
    make_counts().to_df().to_csv("table.csv")
    done = run_cli("check", "scgnn", "--data", "table.csv", "--labels-key", "group")
    assert "labels      group (looked up when the data are read)\n" in done.stdout


def test_no_advice_to_remove_what_is_removed(check_counts):
    lines, done = check_counts(take_logarithms, "scgnn", "--set", "data.transforms.log1p=null")
    assert lines[0].endswith(")") and IF_LOGARITHMS not in lines[0]
    assert done.exit_code == 0


def test_a_decoder_of_counts_needs_whole_numbers(check_counts):
    _, done = check_counts(scale_to_tpm, "scgnn_zinb")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("the decoder requires integer counts, but the data contain ")
    assert check_counts(move_counts_to_raw, "scgnn_zinb")[1].exit_code == 0


def test_a_layer_that_cannot_be_read_is_not_the_counts(check_counts):
    check_counts(leave)
    with h5py.File("some.h5ad", "a") as file:
        file["X"][...] = file["X"][...] / 3
        file.create_group("layers/damaged").attrs["encoding-type"] = "csr_matrix"
    assert H5AD("some.h5ad").peek_counts()[0] == "X"
