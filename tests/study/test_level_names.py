"""Names of data sets in studies, from paths or from the user."""

from pathlib import Path

import pytest

from scgnn import RecipeError, UserError, load_study
from scgnn.cli.options import name_data, split_data_name
from scgnn.study.level_names import format_level_names, name_data_sets, name_files

BASE = {"base": "pca_leiden", "controls": []}
TABLE = "cell,g1,g2\nc1,1,2\nc2,3,4\n"


@pytest.fixture
def write_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(*paths):
        for path in paths:
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(TABLE)
        return list(paths)

    return write


def list_data(study):
    return list(dict.fromkeys(run.levels["data"] for run in study.runs))


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["pbmc.3k.h5ad", "pbmc.10k.h5ad"], ["pbmc.3k", "pbmc.10k"]),
        (["a/counts.csv", "b/counts.csv"], ["a/counts", "b/counts"]),
        (
            ["sampleA/filtered_feature_bc_matrix", "sampleB/filtered_feature_bc_matrix/"],
            ["sampleA/filtered_feature_bc_matrix", "sampleB/filtered_feature_bc_matrix"],
        ),
        (
            ["/x/A/outs/raw", "/x/B/outs/raw", "/x/other"],
            ["A/outs/raw", "B/outs/raw", "other"],
        ),
        (["pbmc.h5ad", "pbmc.csv.gz"], ["pbmc.h5ad", "pbmc.csv.gz"]),
        (["a/f.h5ad", "b/f.h5ad", "b/f.csv"], ["a/f.h5ad", "b/f.h5ad", "b/f.csv"]),
        (["/data/pbmc.v1.2", "/data/pbmc.v1.3"], ["pbmc.v1.2", "pbmc.v1.3"]),
        (["a.h5ad", "./a.h5ad"], ["a", "a"]),  # the same file
        ([".csv", "x/.h5mu"], [".csv", ".h5mu"]),
    ],
)
def test_files_have_the_shortest_names_that_distinguish_them(paths, names):
    assert name_files(paths) == names


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (
            [{"name": "demo", "n_cells": 50}, {"name": "demo", "n_cells": 90}],
            ["demo{n_cells: 50}", "demo{n_cells: 90}"],
        ),
        (
            [{"name": "h5ad", "path": "a.h5ad"}, {"name": "demo", "n_cells": 90}],
            ["a", "demo"],
        ),
        (
            [{"reader": "a.h5ad", "layer": "raw"}, {"reader": "a.h5ad", "layer": "X"}],
            ["a{layer: raw}", "a{layer: X}"],
        ),
        (["demo"], ["demo"]),
    ],
)
def test_data_sets_that_differ_in_settings_have_these_in_their_names(values, names):
    assert name_data_sets(values) == names


def test_other_settings_keep_their_names():
    values = [None, [], {"name": "leiden", "resolution": 0.5}, {"name": "kmeans"}, 15]
    names = ["null", "[]", "leiden{resolution: 0.5}", "kmeans", "15"]
    assert format_level_names("pipeline.clusterer", values) == names


def test_folders_with_one_name_are_two_data_sets_of_a_study(write_tables):
    files = write_tables("day0/counts.csv", "day7/counts.csv", "day7/other.csv")
    study = load_study(BASE | {"seeds": 2}, data=files)
    assert list_data(study) == ["day0/counts", "day7/counts", "other"]
    assert len({run.label for run in study.runs}) == 6
    again = load_study(study.source)  # as in study.yaml
    assert [run.label for run in again.runs] == [run.label for run in study.runs]
    assert again.source == study.source


@pytest.mark.parametrize(
    "cross",
    [
        {"data.reader": {"young": "a.csv", "old": "b.csv"}},
        {"data": {"young": "a.csv", "old": "b.csv"}},
        {"data": {"young": {"reader": "a.csv"}, "old": {"reader": "b.csv"}}},
        {"data.reader": {"young": {"name": "csv", "path": "a.csv"}, "old": "b.csv"}},
        {"any name": {"young": {"data.reader": "a.csv"}, "old": {"data.reader": "b.csv"}}},
    ],
)
def test_data_sets_may_have_names(cross, write_tables):
    write_tables("a.csv", "b.csv")
    study = load_study(BASE | {"cross": cross})
    assert list_data(study) == ["young", "old"] and study.blocks == ("data",)
    assert [run.recipe.data.reader.path for run in study.runs] == ["a.csv", "b.csv"]
    assert list_data(load_study(study.source)) == ["young", "old"]


def test_data_of_the_function_may_have_names(write_tables):
    write_tables("a.csv", "b.csv")
    study = load_study(BASE, data={"young": "a.csv", "old": "b.csv"})
    assert list_data(study) == ["young", "old"]
    with pytest.raises(UserError, match="data: must be a list of paths, or a mapping of names"):
        load_study(BASE, data="a.csv")


def test_a_folder_without_a_slash_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "matrix").mkdir()
    with pytest.raises(RecipeError, match=r"matrix is a folder without matrix\.mtx"):
        load_study(BASE, data=["matrix"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pbmc=a.csv", ("pbmc", "a.csv")),
        ("a.csv", ("", "a.csv")),
        ("k=3.csv", ("", "k=3.csv")),  # exists
        ("k=4.csv", ("k", "4.csv")),
        ("out/k=3/missing.csv", ("", "out/k=3/missing.csv")),
        ("day 0/blood=a.csv", ("day 0/blood", "a.csv")),
        ("pbmc=x=1/a.csv", ("pbmc", "x=1/a.csv")),
        ("https://example.org/?a=b", ("", "https://example.org/?a=b")),
    ],
)
def test_a_value_of_data_is_a_path_or_a_name_and_a_path(text, expected, write_tables):
    write_tables("a.csv", "k=3.csv")
    assert split_data_name(text) == expected


@pytest.mark.parametrize("text", ["=a.csv", "pbmc=", "="])
def test_a_name_without_a_path_is_rejected(text, run_rejected):
    (line,) = run_rejected("check", "components", "--data", text)
    assert line == f"--data {text}: expected PATH or NAME=PATH, e.g. --data pbmc=counts.h5ad"


def test_names_and_paths_may_be_mixed(write_tables):
    write_tables("x/a.csv", "y/a.csv", "b.csv")
    assert name_data(["x/a.csv", "mine=b.csv", "y/a.csv"]) == {
        "x/a": "x/a.csv",
        "mine": "b.csv",
        "y/a": "y/a.csv",
    }


@pytest.mark.parametrize(
    "texts", [["a=x.csv", "a=y.csv"], ["a.csv", "a=y.csv"], ["a.csv", "./a.csv"]]
)
def test_two_data_sets_of_one_name_are_rejected(texts, run_rejected):
    options = [option for text in texts for option in ("--data", text)]
    (line,) = run_rejected("check", "components", *options)
    first, second = (text.removeprefix("a=") for text in texts)
    problem = f"two data sets have the name 'a': {first} and {second}"
    assert line == f"--data: {problem}; give each a name, --data NAME=PATH"


def test_check_lists_the_names_of_data(write_tables, run_cli):
    write_tables("x/a.csv", "y/a.csv", "b.csv")
    Path("study.yaml").write_text("base: pca_leiden\nseeds: 1\n")
    done = run_cli(
        "check", "study.yaml", "--data", "x/a.csv", "--data", "y/a.csv", "--data", "mine=b.csv"
    )
    assert "data        x/a, y/a, mine\n" in done.stdout


def test_the_folder_of_a_run_has_the_name_of_its_data(write_tables):
    from scgnn.cli.run import _derive_run_name

    write_tables("pbmc.3k.csv", "a=b.csv")
    assert _derive_run_name("scgnn", ["pbmc.3k.csv"]) == "scgnn-pbmc.3k"
    assert _derive_run_name("my/recipe.yaml", ["mine=pbmc.3k.csv"]) == "recipe-mine"
    assert _derive_run_name("scgnn", ["a=b.csv"]) == "scgnn-a=b"
