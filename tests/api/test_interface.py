"""Messages name arguments for callers of Python functions, and options for users of the command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import scgnn
from scgnn.errors import InputError, UserError
from scgnn.interface import by_interface, use_command_line
from scgnn.recipe.load import load_recipe

pytestmark = pytest.mark.usefixtures("work_dir")
STUDY = {"base": "random", "seeds": 2, "controls": []}


def test_options_are_named_inside_the_command_only():
    assert by_interface("--out", "out") == "out"
    with use_command_line():
        assert by_interface("--out", "out") == "--out"
    assert by_interface("--out", "out") == "out"


def hold(kind: str) -> None:
    """Write a folder ``out`` with something in it."""
    Path("out").mkdir()
    if kind == "study":
        Path("out/study.yaml").write_text("base: scgnn\nseeds: 2\n")
    else:
        Path("out/recipe.yaml").write_text("base: scgnn\n")
        Path("out/log.txt").write_text("")
    if kind == "finished":
        Path("out/metrics.json").write_text("{}")


CALLS = {
    "file": (
        lambda: scgnn.run("random", out="out"),
        "not empty and not a run; choose another folder ",
    ),
    "run": (
        lambda: scgnn.run("random", out="out"),
        "unfinished run; pass resume=True to continue it",
    ),
    "finished": (
        lambda: scgnn.run("random", out="out"),
        "holds a finished run; choose another fol",
    ),
    "study": (
        lambda: scgnn.run_study(STUDY, out="out"),
        "holds a study; pass resume=True to finish",
    ),
}


@pytest.mark.parametrize("kind", CALLS)
def test_folders_that_cannot_be_used(kind):
    call, message = CALLS[kind]
    if kind == "file":
        Path("out").mkdir()
        Path("out/notes.txt").write_text("mine")
    else:
        hold(kind)
    with pytest.raises(scgnn.UserError, match=re.escape(message)) as error:
        call()
    assert str(error.value).endswith("choose another folder with out")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda adata: scgnn.run("random", adata, key_added="x"),
            "unknown argument 'key_added' of run(). Known: labels_key, labels_file, ",
        ),
        (
            lambda adata: scgnn.run("random", adata, clusterer="leiden"),
            "unknown argument 'clusterer' of run(). There is pipeline__clusterer. Known: ",
        ),
        (
            lambda adata: scgnn.run("random", adata, pipeline_max_iterations=1),
            " There is pipeline__max_iterations. Known: ",
        ),
        (
            lambda adata: scgnn.load_study(STUDY, data=[adata]),
            "data: studies read files; write the AnnData with write_h5ad",
        ),
        (
            lambda adata: scgnn.run("random", adata, data__key_added="x"),
            "data__key_added=x: data.key_added: unknown key 'key_added'. Known: ",
        ),
        (
            lambda adata: scgnn.ltmg(adata, wait=2),
            "unknown argument 'wait' of ltmg(). Known: layer, key_added, seed, ",
        ),
        (
            lambda _: scgnn.load_study(STUDY, {"key_added": 1}),
            "key_added=1: key_added: unknown key 'key_added'. Known: ",
        ),
        (
            lambda _: scgnn.run("random", data__reader="h5ad"),
            "the reader has no path: set data.reader.path, or pass an AnnData, as in scgnn.run(",
        ),
        (
            lambda _: scgnn.run({"data": {"reader": "in_memory"}}),
            "data.reader: the data were passed in Python and are not part of the recipe; pass them "
            "again (scgnn.run(recipe, adata))",
        ),
        (
            lambda _: scgnn.run_study(STUDY, scheduler="nowhere"),
            "scheduler nowhere: not an address",
        ),
        (
            lambda _: scgnn.run_study(STUDY, resume=True),
            "runs/study: no run of this study to resume; name its folder with out",
        ),
    ],
)
def test_arguments_are_named_as_in_python(make_counts, call, message):
    with pytest.raises(scgnn.UserError) as error:
        call(make_counts())
    assert message in str(error.value)
    assert " --" not in str(error.value) and not str(error.value).startswith("--")


@pytest.mark.parametrize(
    "call",
    [
        lambda adata: scgnn.run(adata),
        lambda adata: scgnn.run(adata, "scgnn_quick"),
        lambda adata: scgnn.run(recipe=adata, labels_key="group"),
    ],
)
def test_the_recipe_comes_before_the_data(make_counts, call):
    with pytest.raises(scgnn.UserError) as error:
        call(make_counts())
    message = 'recipe: it comes before the data, as in scgnn.run("scgnn", adata)'
    assert str(error.value) == message


def test_the_same_messages_name_options_in_the_command(run_rejected):
    hold("study")
    (line,) = run_rejected("run", "published_code", "--out", "out")
    assert line == (
        "out: holds a study; add --resume to finish it, or choose another folder with --out"
    )
    *_, line = run_rejected("run", "published_code", "--scheduler", "nowhere")
    assert line.startswith("--scheduler nowhere: not an address")


@pytest.mark.parametrize("name", ["components", "own.yaml"])
def test_a_study_in_place_of_a_recipe_is_named(work_dir, name):
    (work_dir / "own.yaml").write_text("base: pca_leiden\nseeds: 2\n")
    with pytest.raises(UserError, match=f"^recipe: {name} is a study; use scgnn.run_study$"):
        scgnn.run(name)


def test_a_path_in_place_of_data_is_named():
    with pytest.raises(
        InputError, match=r"of type str; to read a file, use scgnn.run.RECIPE, data"
    ):
        scgnn.run("pca_leiden", "counts.h5ad")


@pytest.mark.slow
def test_data_labels_and_seeds_of_a_study_in_python(work_dir):
    load_recipe("pca_leiden").data.reader().write_h5ad("own.h5ad")
    options = {"data": ["own.h5ad"], "labels_key": "group", "seeds": [3]}
    result = scgnn.run_study(STUDY | {"base": "random"}, **options, jobs=1)
    assert result.study.runs[0].recipe.data.labels_key == "group"
    assert [run.recipe.seed for run in result.study.runs] == [3]
    study = scgnn.load_study(STUDY)
    with pytest.raises(UserError, match=r"^labels_key: the study is loaded already; give it to lo"):
        scgnn.run_study(study, labels_key="group")


def test_the_log_has_the_stages_of_a_run_in_python(caplog):
    size = {"data__reader__n_cells": 60, "data__reader__n_genes": 50}
    with caplog.at_level("INFO", "scgnn"):
        scgnn.run("pca_leiden", **size)
    stages = [r.getMessage().split() for r in caplog.records if r.name == "scgnn.stages"]
    assert [" ".join(words[:-2]) for words in stages] == [
        "reading",
        "initial feature embedding",
        "initial cell graph",
        "initial clustering",
        "initial scores",
    ]
