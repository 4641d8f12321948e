"""Values of other types, and files of other kinds, where a recipe is expected."""

from __future__ import annotations

import os
from collections import OrderedDict
from enum import Enum
from pathlib import Path

import numpy as np
import pytest

import scgnn
from scgnn.errors import RecipeError, UserError
from scgnn.recipe.load import load_recipe
from scgnn.recipe.yaml_tree import parse_yaml
from scgnn.study.load import load_study

STUDY = {"base": "random", "seeds": 2, "controls": []}


class Name(str, Enum):
    """A name that is text of another type."""

    GAT = "gat"


CYCLE: dict[str, object] = {}
CYCLE["data"] = [CYCLE, CYCLE]
NOT_PLAIN = {
    "bytes": {"seed": b"1"},
    "set": {"seed": {1, 2}},
    "complex": {"data": {"holdout_fraction": 1j}},
    "function": {"pipeline": {"imputation": len}},
    "class": {"pipeline": dict},
    "key": {"data": {b"labels_key": "a"}},
    "tuple key": {("seed",): 1},
    "equal keys": {"1": 2, 1: 2},
    "cycle": CYCLE,
    "integer": {"seed": 10**5_000},
    "negative integer": {"pipeline": {"max_iterations": -(10**400)}},
    "surrogate": {"data": {"labels_key": "\ud800"}},
    "long key": {"x" * 10_000: 1},
    "null character": {"data": {"reader": "a\0.h5ad"}},
    "long path": {"data": {"reader": {"name": "csv", "path": "x" * 5_000}}},
    "unknown home": {"data": {"reader": "~nobody_of_this_name/x.h5ad"}},
}


@pytest.mark.parametrize("recipe", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_not_plain_data_is_one_sentence(recipe):
    for load in (load_recipe, lambda value: load_recipe("scgnn", {"data": value}), load_study):
        with pytest.raises(UserError) as error:
            load(recipe)
        assert all(len(line) < 400 for line in str(error.value).splitlines())


@pytest.mark.parametrize("value", [3, None, b"scgnn", ["scgnn"], np.int64(3), 1.5, len])
def test_an_argument_of_another_type_is_one_sentence(value):
    kind = type(value).__name__
    for call, name in [
        (lambda: load_recipe(value), "recipe"),
        (lambda: load_study(value), "study"),
        (lambda: scgnn.run(value), "recipe"),
        (lambda: scgnn.run_study(value), "study"),
        (lambda: load_study(STUDY, seeds=3), "seeds"),
        (lambda: load_study(STUDY, data="x.h5ad"), "data"),
        (lambda: load_recipe("scgnn", "seed=1"), "changes"),
    ]:
        with pytest.raises(UserError, match=f"^{name}: must be .* not of type (int|str|{kind})$"):
            call()


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *[("jobs", 0), ("jobs", "2"), ("threads", 1.5), ("threads", "1"), ("scheduler", 3)],
        *[("cache", "folder"), ("plugin_files", "own.py"), ("out", 3)],
    ],
)
def test_arguments_of_run_study_are_named(argument, value):
    with pytest.raises(UserError, match=f"^{argument}: must be "):
        scgnn.run_study(STUDY, **{argument: value})


def test_scalars_and_arrays_of_numpy_paths_and_components_are_values(tmp_path):
    settings = {
        "base": Path("scgnn"),
        "seed": np.int64(3),
        "data": OrderedDict(holdout_fraction=np.float32(0.25), labels_key=np.str_("group")),
        "pipeline": {
            "graph_encoder": {"name": Name.GAT, "hidden": np.array([8, 4])},
            "feature_training": scgnn.Training(epochs=2),
            "max_iterations": np.uint8(2),
        },
    }
    recipe = load_recipe({**settings, "base": "scgnn"})
    assert (recipe.seed, recipe.data.holdout_fraction, recipe.data.labels_key) == (3, 0.25, "group")
    assert recipe.pipeline.graph_encoder.name == "gat"
    assert recipe.pipeline.graph_encoder.hidden == (8, 4)
    assert recipe.pipeline.feature_training.epochs == recipe.pipeline.max_iterations == 2
    assert all(type(x) is int for x in (recipe.seed, recipe.pipeline.max_iterations))
    changes = {"seed": np.int64(3), "data": settings["data"], "pipeline": settings["pipeline"]}
    assert load_recipe("scgnn", changes) == recipe
    with pytest.raises(UserError, match=r"shapes\.csv does not exist"):
        load_recipe("scgnn", {"data.reader": Path("shapes.csv")})


@pytest.mark.parametrize(
    ("call", "start"),
    [
        (lambda: scgnn.run(seed=-1), "seed=-1: seed: must be "),
        (
            lambda: scgnn.run(pipeline__graph_encoder="gta"),
            "pipeline__graph_encoder=gta: pipeline.graph_encoder.name: unknown encoder",
        ),
        (lambda: scgnn.run(labels_key=3), "labels_key=3: data.labels_key: must be "),
        (lambda: load_recipe("scgnn", {"seed": -1}), "seed=-1: seed: must be "),
        (lambda: load_study(STUDY, seeds=[-1]), "seeds: seed: must be "),
    ],
)
def test_mistakes_in_python_name_the_argument(call, start):
    with pytest.raises(RecipeError) as error:
        call()
    assert error.value.problems[0].startswith(start)


def test_mistakes_in_options_name_the_option(run_rejected):
    (line,) = run_rejected("check", "published_code", "--data", "gone.h5ad")
    assert line.startswith("--data: data.reader: gone.h5ad does not exist")
    for size in ("1XB", "-1GB", "1e3MB", "9" * 400):
        (line,) = run_rejected("run", "random", "--cache-size", size)
        assert line.startswith(f"--cache-size {size}: expected a size")


@pytest.mark.parametrize("setting", ["graph_builder.prune", "graph_encoder"])
@pytest.mark.parametrize("value", ["none", "off", "None"])
def test_the_names_of_what_can_be_switched_off_include_null(setting, value):
    with pytest.raises(RecipeError, match=r"unknown .*, or null$"):
        load_recipe("scgnn", {f"pipeline.{setting}": value})


# --- tags of YAML ---------------------------------------------------------------------------------

TAGS = "bool int float timestamp binary null str set omap pairs seq map merge value python/name:x"
VALUES = ("x", '""', ".", "_", "0x", "1_", "::", "1:2", "2001-99-99", "+", "1e400", "[1]", "{a: 1}")
ODD_TAGS = [f"!!{tag} {value}" for tag in TAGS.split() for value in VALUES]


@pytest.mark.parametrize("template", ["seed: {}", "{}: 1", "data: [{}]", "{}"])
def test_tags_of_odd_values_are_refused_or_plain_data(template):
    for text in ODD_TAGS:
        problems = []
        try:
            parse_yaml(template.format(text), "my.yaml")
        except RecipeError as error:
            problems = error.problems
        assert all(len(problem) < 300 for problem in problems)


def test_long_numbers_are_refused_at_once():
    for number in ("1" + ":1" * 100_000, "0x" + "f" * 5_000, "9" * 5_000, "1." + "0" * 100_000):
        with pytest.raises(RecipeError, match="plain data"):
            parse_yaml(f"seed: {number}", "my.yaml")


@pytest.mark.parametrize("position", ["²", "٣", "-1", "01", "1.0", ""])
def test_positions_in_lists_are_their_plain_digits(position):
    with pytest.raises(RecipeError):
        load_recipe("scgnn", {f"data.transforms.{position}": 1})


# --- files ----------------------------------------------------------------------------------------


@pytest.fixture
def special_files(tmp_path) -> dict[str, str]:
    """Return paths that are not recipe files, with their messages."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "large.yaml").write_text("seed: 1\n" + "# comment\n" * 150_000)
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    return {
        "pipe.yaml": "is a device or pipe",
        "zero.yaml": "is a device or pipe",
        "large.yaml": "larger than 1 MB",
        "folder.yaml": "is a directory",
    }


def test_files_that_are_not_small_texts_are_refused_unread(special_files, tmp_path):
    for name, problem in special_files.items():
        path = tmp_path / name
        for load in (
            load_recipe,
            load_study,
            lambda path: load_recipe({"base": str(path)}),
            lambda path: load_study({"base": "pca_kmeans", "controls": [str(path)], "seeds": 2}),
        ):
            with pytest.raises(RecipeError, match=problem):
                load(path)


def test_plug_in_files_that_are_not_small_texts_are_refused(special_files, tmp_path):
    from scgnn.registry.plugin_files import load_file

    for name, problem in special_files.items():
        path = (tmp_path / name).rename(tmp_path / f"{name}.py")
        with pytest.raises(UserError, match="Is a directory" if "folder" in name else problem):
            load_file(path)


# --- URLs -----------------------------------------------------------------------------------------

URLS = (
    "s3://bucket/x.h5ad",
    "https://host/a/x.h5ad",
    "gs://b",
    "file:///x.csv",
    "zip+s3://a/b.zarr",
)


@pytest.mark.parametrize("url", URLS)
def test_urls_are_refused_wherever_a_path_is_given(url, work_dir):
    for call in (
        lambda: load_recipe("scgnn", {"data.reader": url}),
        lambda: load_recipe({"data": {"reader": {"name": "csv", "path": url}}}),
        lambda: load_recipe({"data": {"truth_path": url}}),
        lambda: load_recipe({"base": f"{url}/x.yaml"}),
        lambda: load_study(STUDY, data=[url]),
        lambda: scgnn.run("random", out=url),
        lambda: scgnn.run_study(STUDY, out=Path(url)),
    ):
        with pytest.raises(UserError, match="is a URL, which is not supported: copy or mount"):
            call()
    assert os.listdir(work_dir) == []


@pytest.mark.parametrize(
    "args",
    [
        *["run random --out", "run random --data", "run random --cache-dir", "cache --cache-dir"],
        *["new encoder mine --out", "run published_code --out", "check random --data"],
    ],
)
def test_urls_in_options_are_one_sentence(args, run_rejected):
    (line,) = run_rejected(*args.split(), "s3://bucket/folder")
    assert "s3://bucket/folder is a URL" in line


@pytest.mark.parametrize("name", ["a:b", "s3:x", "C:/data", "x:y/z://w"])
def test_other_paths_with_colons_are_paths(name, work_dir):
    with pytest.raises(UserError, match="does not exist"):
        load_recipe("scgnn", {"data.reader": f"{name}.csv"})
