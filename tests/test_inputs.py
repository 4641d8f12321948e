"""Wrong input and wrong folders through the command: one sentence, exit code 2, nothing left."""

from __future__ import annotations

import errno
import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad
from filelock import FileLock
from scipy import sparse

import scgnn
from scgnn.recipe import load_recipe


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every test works in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def words(sets, budget):
    """A small run with iterations, of data that are given as a file."""
    return ["run", "scgnn", *sets(budget)]


@pytest.fixture
def refused(command, folder, tree, words):
    """The sentence of a run that ends with exit code 2 and leaves every file as it was."""

    def call(*more):
        before = tree(folder)
        done = command(*words, *more)
        assert done.code == 2
        assert done.out == ""
        assert "Traceback" not in done.err
        assert tree(folder) == before
        return done.err.splitlines()[-1]

    return call


# --- data that cannot be used -------------------------------------------------------------------


def test_a_missing_file(refused):
    assert refused("--data", "gone.h5ad") == "gone.h5ad does not exist"
    assert refused("--set", "data.reader={name: h5ad, path: gone.h5ad}", "--out", "out") == (
        "gone.h5ad does not exist"
    )
    assert refused("--set", "data.reader=h5ad", "--out", "out") == (
        "the reader has no path: set data.reader.path, or give --data FILE"
    )


def test_a_truncated_gz_file(refused, counts):
    whole = gzip.compress(counts().to_df().to_csv().encode())
    Path("cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    given = "{name: csv, path: cut.csv.gz, orientation: cells_by_genes}"
    for words in (["--data", "cut.csv.gz"], ["--set", f"data.reader={given}", "--out", "new/out"]):
        sentence = refused(*words)
        assert sentence.startswith("cut.csv.gz is damaged or incomplete: ")
        assert sentence.endswith("; copy it again")


def test_a_truncated_h5ad(refused, counts):
    counts().write_h5ad("cut.h5ad")
    Path("cut.h5ad").write_bytes(Path("cut.h5ad").read_bytes()[:3000])
    assert refused("--data", "cut.h5ad").startswith("cut.h5ad ")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cells.h5ad is an empty file"),
        (b"hello\nworld\n", "cells.h5ad is of no known format: give h5ad, zarr, loom, a 10x .h5 "),
        (os.urandom(500), "cells.h5ad is of no known format: give h5ad, zarr, loom, a 10x .h5 "),
    ],
    ids=["empty", "text", "noise"],
)
def test_a_file_of_another_kind(refused, content, says):
    Path("cells.h5ad").write_bytes(content)
    assert refused("--data", "cells.h5ad").startswith(says)


def spoiled(make, change):
    adata = make()
    change(adata)
    adata.write_h5ad("cells.h5ad")


def set_value(value):
    def change(adata):
        adata.X[3, 2] = value

    return change


def scale(adata):
    adata.layers["counts"] = adata.X.copy()
    adata.X = (adata.X - adata.X.mean(0)) / (adata.X.std(0) + 1)


def empty(adata):
    adata.X[:] = 0


WRONG_VALUES = {
    "nan": (
        set_value(np.nan),
        "cells.h5ad: nan in cell 'cell_3', gene 'gene_2' (1 values are not ",
    ),
    "infinite": (set_value(np.inf), "cells.h5ad: inf in cell 'cell_3', gene 'gene_2' (1 values "),
    "negative": (set_value(-1), "cells.h5ad: counts cannot be negative, -1 in cell 'cell_3', gene"),
    "scaled": (scale, "cells.h5ad: X is centred or scaled already, "),
    "only zeros": (empty, "cells.h5ad has 40 cells and 30 genes and only zeros: there is nothing "),
}


@pytest.mark.parametrize("case", WRONG_VALUES)
def test_values_that_are_no_counts(refused, counts, case):
    change, says = WRONG_VALUES[case]
    spoiled(counts, change)
    assert refused("--data", "cells.h5ad", "--out", "out").startswith(says)


def test_scaled_data_with_counts_in_a_layer_say_so_and_run(refused, command, words, counts):
    spoiled(counts, scale)
    assert refused("--data", "cells.h5ad").endswith(": set layer to 'counts'")
    done = command(*words, "--data", "cells.h5ad", "--set", "data.layer=counts", "--out", "out")
    assert done.code == 0
    result = read_h5ad("out/result.h5ad")
    np.testing.assert_array_equal(result.X.toarray(), result.layers["counts"])


def test_logarithmic_data_that_say_so(refused, counts):
    adata = counts()
    adata.X = np.log1p(adata.X)
    adata.uns["log1p"] = {"base": None}
    adata.write_h5ad("cells.h5ad")
    assert refused("--data", "cells.h5ad", "--out", "out") == (
        "log1p: the values are logarithmic already (uns['log1p'] says so): choose a layer with "
        "counts, or leave out log1p"
    )


def test_a_matrix_the_wrong_way_round(refused, counts):
    adata = counts(n_cells=4, n_genes=5)
    adata.obs_names = ["AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCGC-1", "CCACCTGAGAAACCTA-1", "TTTG" * 4]
    adata.var_names = ["MT-CO1", "RPL13", "GAPDH", "ACTB", "ENSG00000141510"]
    adata.T.write_h5ad("cells.h5ad")
    sentence = refused("--data", "cells.h5ad", "--out", "out")
    assert sentence.startswith("cells.h5ad looks transposed, rows look like genes and columns like")
    assert sentence.endswith(": give it as cells x genes")


def test_a_table_whose_sides_cannot_be_told_apart(refused):
    Path("cells.csv").write_text("x,a,b\nc,1,2\nd,3,4\n")
    assert refused("--data", "cells.csv", "--out", "out").endswith(
        "; set orientation to cells_by_genes or genes_by_cells"
    )


def test_repeated_names_are_made_unique_with_a_line_in_the_log(command, words, counts):
    adata = counts()
    adata.obs_names = ["twin"] * 2 + list(adata.obs_names[2:])
    adata.write_h5ad("cells.h5ad")
    done = command(*words, "--data", "cells.h5ad", "--out", "out")
    assert done.code == 0
    for said in (done.err, Path("out/log.txt").read_text()):
        (line,) = [line for line in said.splitlines() if "'twin' is now 'twin-1'" in line]
        assert "cells.h5ad: 1 " in line
    assert list(read_h5ad("out/result.h5ad").obs_names[:2]) == ["twin", "twin-1"]


@pytest.mark.parametrize("threshold", ["min_cell_share", "min_gene_share"])
def test_nothing_left_after_filtering(refused, counts, threshold):
    adata = counts()
    adata.X *= np.random.default_rng(0).random(adata.shape) < 0.3
    adata.write_h5ad("cells.h5ad")
    sentence = refused(
        "--data", "cells.h5ad", "--set", f"data.transforms.filter.{threshold}=0.99", "--out", "out"
    )
    assert sentence.startswith("filter keeps ")
    assert sentence.endswith(": lower min_cell_share or min_gene_share")


def test_labels_that_are_not_there(refused, counts):
    adata = counts()
    adata.obs["nobody"] = np.nan
    adata.write_h5ad("cells.h5ad")
    assert refused("--data", "cells.h5ad", "--labels", "grup", "--out", "out") == (
        "labels: unknown column 'grup'. Did you mean 'group'? Known: group, nobody (columns of obs)"
    )
    assert refused("--data", "cells.h5ad", "--labels", "nobody", "--out", "out") == (
        "labels: column 'nobody' of obs is empty"
    )


def test_a_layer_that_is_not_there(refused, counts):
    counts().write_h5ad("cells.h5ad")
    sentence = refused("--data", "cells.h5ad", "--set", "data.layer=raw", "--out", "out")
    assert "has no layer 'raw': it has none" in sentence


# --- folders ------------------------------------------------------------------------------------


@pytest.fixture
def table(counts):
    counts().write_h5ad("cells.h5ad")
    return "cells.h5ad"


def test_a_folder_that_cannot_be_made(refused, table):
    Path("file").write_text("mine")
    elsewhere = "choose another folder with --out"
    assert refused("--data", table, "--out", "file/out") == (
        f"file/out: cannot be written (Not a directory); {elsewhere}"
    )
    assert refused("--data", table, "--out", "file") == (
        f"file: cannot be written (File exists); {elsewhere}"
    )


def test_a_folder_with_something_else_in_it(refused, table):
    Path("out").mkdir()
    Path("out/thesis.txt").write_text("mine")
    for resume in ([], ["--resume"]):
        assert refused("--data", table, "--out", "out", *resume) == (
            "out: not empty and not a run; choose another folder with --out"
        )


def test_a_folder_with_a_recipe_of_ones_own_is_no_run(refused, table):
    Path("out").mkdir()
    Path("out/recipe.yaml").write_text("base: scgnn  # mine\n")
    assert "not a run" in refused("--data", table, "--out", "out", "--resume")


def test_a_folder_with_a_finished_run(refused, command, words, table):
    assert command(*words, "--data", table, "--out", "out").code == 0
    for resume in ([], ["--resume"]):
        assert refused("--data", table, "--out", "out", *resume) == (
            "out: holds a finished run; choose another folder with --out"
        )


def unfinished(command, words):
    assert command(*words, "--data", "cells.h5ad", "--out", "out").code == 0
    Path("out/metrics.json").unlink()


def test_a_folder_with_an_unfinished_run(refused, command, words, table):
    unfinished(command, words)
    assert refused("--data", table, "--out", "out") == (
        "out: holds an unfinished run; add --resume to go on with it, or choose another folder "
        "with --out"
    )


def test_going_on_with_the_run_of_another_recipe(refused, command, words, table):
    unfinished(command, words)
    assert refused("--data", table, "--out", "out", "--resume", "--set", "seed=2") == (
        "out: holds a run of another recipe; choose another folder with --out"
    )


def test_going_on_with_a_run_whose_data_are_gone_leaves_it_as_it_was(command, words, table, tree):
    unfinished(command, words)
    before = tree(Path("out"))
    Path("cells.h5ad").rename("moved.h5ad")
    again = [*words, "--set", "data.reader={name: h5ad, path: cells.h5ad}", "--out", "out"]
    assert command(*again, "--resume").err == "cells.h5ad does not exist\n"
    assert tree(Path("out")) == before
    Path("moved.h5ad").rename("cells.h5ad")
    Path(f"out/.{'0' * 32}.result.h5ad").write_text("half a file, from when it was killed")
    assert command(*again, "--resume").code == 0
    assert sorted(os.listdir("out")) == sorted([*before, "metrics.json"])


def test_an_empty_folder_is_used_and_left_empty_when_the_data_are_wrong(refused, counts):
    Path("out").mkdir()
    spoiled(counts, set_value(np.nan))
    assert refused("--data", "cells.h5ad", "--out", "out").startswith("cells.h5ad: nan")


def test_folders_made_on_the_way_are_taken_away_again(refused, counts):
    Path("mine").mkdir()
    spoiled(counts, set_value(np.nan))
    assert refused("--data", "cells.h5ad").startswith("cells.h5ad: nan")  # runs/scgnn-cells
    assert refused("--data", "cells.h5ad", "--out", "mine/a/b").startswith("cells.h5ad: nan")


def test_a_default_folder_is_gone_on_with(command, words, table):
    assert command(*words, "--data", table).code == 0
    assert command(*words, "--data", table).code == 0
    Path("runs/scgnn-cells-2/metrics.json").unlink()
    assert "files in runs/scgnn-cells-2: " in command(*words, "--data", table, "--resume").out
    assert command(*words, "--data", table, "--resume").code == 2
    assert sorted(os.listdir("runs")) == ["scgnn-cells", "scgnn-cells-2"]


def test_the_saved_recipe_runs_from_any_folder(command, words, table, monkeypatch):
    assert command(*words, "--data", table, "--out", "out").code == 0
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert command("run", "../out/recipe.yaml", "--out", "again").code == 0
    assert load_recipe("again/recipe.yaml") == load_recipe("../out/recipe.yaml")


def test_a_path_may_begin_with_the_home_folder(command, words, table, monkeypatch, folder):
    monkeypatch.setenv("HOME", str(folder))
    assert command(*words, "--data", f"~/{table}", "--out", "out").code == 0
    assert load_recipe("out/recipe.yaml").data.reader.path == str(folder / table)


def test_a_folder_that_another_process_works_in(refused, command, words, table):
    unfinished(command, words)
    Path(f"out/.{'0' * 32}.metrics.json").write_text("being written by the other")
    with FileLock("out/.running"):
        assert refused("--data", table, "--out", "out", "--resume") == (
            "out: another process is running in it; wait for it, or choose another folder"
        )
    assert command(*words, "--data", table, "--out", "out", "--resume").code == 0
    assert not Path("out/.running").exists()


def test_a_full_disk_is_one_line_and_the_run_can_be_gone_on_with(
    command, words, table, monkeypatch
):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "out/result.h5ad")

    words = [*words, "--data", table, "--out", "out"]
    with monkeypatch.context() as patched:
        patched.setattr("anndata.AnnData.write_h5ad", full)
        done = command(*words)
    assert done.code == 1
    assert done.err.splitlines()[-1] == (
        "out/result.h5ad: No space left on device; make room, then --resume goes on from the last "
        "finished stage"
    )
    assert not any(name.startswith(".") for name in os.listdir("out"))
    resumed = command(*words, "--resume")
    assert resumed.code == 0
    assert " epochs, loss" not in resumed.err


def test_a_training_that_diverges_is_one_line(command, words, table):
    done = command(*words, "--data", table, "--set", "pipeline.graph_training.learning_rate=1e30")
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("training diverged: ")
    assert "Traceback" not in done.err


# --- in Python ----------------------------------------------------------------------------------


@pytest.mark.parametrize("thing", [np.ones((3, 3)), pd.DataFrame([[1]]), sparse.eye(3)], ids=type)
def test_only_an_anndata_is_one(thing):
    with pytest.raises(
        scgnn.InputError, match=f"^give an AnnData, .* not a {type(thing).__name__}$"
    ):
        scgnn.run("scgnn", thing)


@pytest.mark.parametrize(
    ("add", "name"),
    [
        (lambda adata: adata.obs.insert(0, "mixed", [1, "a"] * 20), r"obs\['mixed'\]"),
        (lambda adata: adata.uns.update(how={"by": [{"a": 1}]}), r"uns\['how'\]"),
        (lambda adata: adata.uns.update(how=len), r"uns\['how'\]"),
    ],
    ids=["mixed column", "list of mappings", "function"],
)
def test_annotation_that_no_file_can_hold_is_refused_before_the_run(counts, folder, add, name):
    adata = counts()
    add(adata)
    with pytest.raises(scgnn.InputError, match=f"^the AnnData given: {name} cannot be written"):
        scgnn.run("scgnn", adata, out="out")
    assert os.listdir(folder) == []


def test_annotation_that_no_file_can_hold_is_welcome_without_a_file(counts, budget):
    adata = counts()
    adata.obs["mixed"] = [1, "a"] * 20
    assert list(scgnn.run("scgnn", adata, **budget).obs["mixed"][:2]) == [1, "a"]


def test_a_run_of_given_data_says_so_in_its_recipe(counts, budget, command):
    scgnn.run("scgnn", counts(), out="out", **budget)
    assert load_recipe("out/recipe.yaml").data.reader.name == "given"
    done = command("run", "out/recipe.yaml", "--out", "again")
    assert done.code == 2
    assert done.err == (
        "data.reader: the data were handed over in Python and are not in the recipe; hand them "
        "over again (scgnn.run(recipe, adata)) or give --data FILE\n"
    )
    assert not Path("again").exists()
    again = scgnn.run("out/recipe.yaml", counts())
    np.testing.assert_array_equal(
        again.obsm["X_scgnn"], read_h5ad("out/result.h5ad").obsm["X_scgnn"]
    )


def test_what_an_earlier_run_left_is_not_passed_off_as_new(counts, budget):
    first = scgnn.run("scgnn", counts(), **budget)
    second = scgnn.run("pca_leiden", first)
    assert "scgnn_imputed" not in second.layers
    assert second.obsm["X_scgnn"].shape == (40, 50)
    assert "scgnn_imputed" in first.layers
