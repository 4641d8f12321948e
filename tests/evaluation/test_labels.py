"""True labels: missing ones, and those in a file of their own."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scgnn
from scgnn.errors import InputError
from scgnn.evaluation.clustering import get_true_labels
from scgnn.evaluation.labels_file import check_labels_files, read_labels_file
from scgnn.recipe.data import Data

CELLS = ["AAAC-1", "CCCA-1", "GGGT-1", "TTTG-1"]
LABELS = ["T cell", "B cell", "T cell", "Mono"]


@pytest.mark.parametrize("sep", [",", "\t", ";", " "])
@pytest.mark.parametrize("header", ["cell,type", "type", None, ",x"])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1]])
def test_labels_are_found_by_the_names_of_cells(tmp_path, sep, header, order):
    lines = [] if header is None else [header.replace(",", sep)]
    quote = '"' if sep == " " else ""
    lines += [f"{CELLS[i]}{sep}{quote}{LABELS[i]}{quote}" for i in order]
    if sep == " " and header == ",x":
        lines[0] = '"" x'
    (tmp_path / "l.txt").write_text("\n".join(lines) + "\n")
    assert list(read_labels_file(str(tmp_path / "l.txt"), None, CELLS)) == LABELS


def test_a_column_is_chosen_by_its_name(tmp_path):
    table = pd.DataFrame({"batch": list("xxyy"), "cell": CELLS, "type": LABELS})
    table.to_csv(tmp_path / "l.csv.gz")
    file = str(tmp_path / "l.csv.gz")
    assert list(read_labels_file(file, "type", CELLS[::-1])) == LABELS[::-1]
    with pytest.raises(InputError, match=r"several columns: set data.labels_key to one of"):
        read_labels_file(file, None, CELLS)
    with pytest.raises(InputError, match=r"no column 'kind': set data.labels_key to one of"):
        read_labels_file(file, "kind", CELLS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "cell,type\nx,T\ny,B\n",
            "names none of the cells .its first name is 'x', that of the data",
        ),
        ("AAAC-1,T\nAAAC-1,B\n", "cell 'AAAC-1' has the labels 'T' and 'B': keep one of them"),
        ("cell,type\nAAAC-1,T\nCCCA-1\nGGGT-1,B\n", "because line 3 differs in its number of col"),
        ('cell,type\nAAAC-1,"T\ncell"\n', "write a line with name and label for each cell"),
        ("AAAC-1\nCCCA-1\n", "because it has one column"),
        ("cell,type\n", "has a header and no lines: provide a table of cells and labels"),
        ("\n\n", "is an empty file: provide a table of cells and labels"),
        ("AAAC-1,T,1\nCCCA-1,B,2\n", "2 columns beside the names of the cells, and no header"),
    ],
)
def test_an_unusable_file_is_refused(tmp_path, text, message):
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_labels_file(str(tmp_path / "l.csv"), None, CELLS)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file, not text"),
        (b"PK\x03\x04", "a zip archive or an Excel workbook"),
        (b"PAR1", "a Parquet file"),
        (b"<!DOCTYPE html>", "a web page, not data"),
    ],
)
def test_a_file_that_is_not_text_is_named_with_advice_on_labels(tmp_path, head, name):
    (tmp_path / "l.csv").write_bytes(head + bytes(600))
    advice = "provide a table of cells and labels as text, plain or compressed with gzip"
    with pytest.raises(InputError, match=f"l.csv is {name}: {advice}$"):
        read_labels_file(str(tmp_path / "l.csv"), None, CELLS)


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("names", [CELLS, ["0", "1", "2", "3"]])
def test_numbers_of_rows_are_neither_names_nor_labels(tmp_path, start, names):
    table = pd.DataFrame({"cell": names[::-1], "type": LABELS[::-1]})
    table.index += start
    table.to_csv(tmp_path / "l.csv")
    file = str(tmp_path / "l.csv")
    assert list(read_labels_file(file, None, names)) == LABELS
    check_labels_files([Data(labels_file=file)])


def test_labels_that_are_names_of_cells(tmp_path):
    (tmp_path / "l.csv").write_text("cluster,cell\n1,0\n0,1\n1,2\n0,3\n")
    file = str(tmp_path / "l.csv")
    assert list(read_labels_file(file, None, ["0", "1", "2", "3"])) == ["1", "0", "1", "0"]


def test_cells_of_one_name_have_no_label_of_their_own(tmp_path):
    (tmp_path / "l.csv").write_text("cell,type\nAAAC-1,T\nCCCA-1,B\n")
    cells = ["AAAC-1", "CCCA-1", "AAAC-1"]
    with pytest.raises(InputError, match=r"2 cells of the data are named 'AAAC-1', which .* uniq"):
        read_labels_file(str(tmp_path / "l.csv"), None, cells)
    assert list(read_labels_file(str(tmp_path / "l.csv"), None, ["CCCA-1", "x", "x"])) == [
        "B",
        "",
        "",
    ]


def test_labels_can_contain_other_separators(tmp_path):
    labels = ["CD4 T, naive", "B cell", "CD8 T, naive", "NK; CD56, bright"]
    lines = [f"{cell}\t{label}" for cell, label in zip(CELLS, labels, strict=True)]
    (tmp_path / "l.tsv").write_text("cell\ttype\n" + "\n".join(lines) + "\n")
    assert list(read_labels_file(str(tmp_path / "l.tsv"), None, CELLS)) == labels


def test_too_many_lines_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("scgnn.evaluation.labels_file.MAX_LINES", 4)
    (tmp_path / "l.csv").write_text("cell,type\n" + "".join(f"{cell},T\n" for cell in CELLS))
    with pytest.raises(InputError, match="has more than 4 lines: provide a table of cells and lab"):
        read_labels_file(str(tmp_path / "l.csv"), None, CELLS)


@pytest.mark.parametrize("missing", ["NA", "nan", "", None, np.nan, "N/A", " "])
def test_missing_labels_are_no_class(missing):
    obs = pd.DataFrame({"type": [*LABELS[:3], missing]}, index=CELLS)
    adata = ad.AnnData(np.ones((4, 2), dtype=np.float32), obs=obs)
    assert list(get_true_labels(adata, "type")) == [*LABELS[:3], ""]


def test_labels_stay_as_they_are():
    obs = pd.DataFrame({"type": ["a", " a", "a ", "None of these"]}, index=CELLS)
    adata = ad.AnnData(np.ones((4, 2), dtype=np.float32), obs=obs)
    assert list(get_true_labels(adata, "type")) == list(obs["type"])


def test_cells_without_a_line_have_no_label(tmp_path, caplog):
    (tmp_path / "l.csv").write_text("cell,type\nAAAC-1,T\nXXX,B\nTTTG-1,NA\n")
    obs = pd.DataFrame(index=CELLS)
    adata = ad.AnnData(np.ones((4, 2), dtype=np.float32), obs=obs)
    labels = get_true_labels(adata, None, str(tmp_path / "l.csv"))
    assert list(labels) == ["T", "", "", ""]
    assert "has no line for 2 of 4 cells" in caplog.text


def test_a_label_that_was_read_as_a_gene_is_named():
    adata = ad.AnnData(np.ones((2, 2), dtype=np.float32), var=pd.DataFrame(index=["donor", "b"]))
    with pytest.raises(
        InputError, match=r"it is read as a gene: .* data.reader.annotation_columns"
    ):
        get_true_labels(adata, "donor")


def test_labels_in_a_file_give_the_scores_of_those_in_obs(run_cli, work_dir):
    adata = scgnn.load_recipe("pca_leiden").data.reader()
    adata.obs["group"].to_csv("labels.csv")
    args = ["run", "pca_leiden", "--out"]
    assert run_cli(*args, "a", "--labels-key", "group").exit_code == 0
    assert run_cli(*args, "b", "--labels-file", "labels.csv").exit_code == 0
    scores = [json.loads((work_dir / name / "metrics.json").read_text()) for name in "ab"]
    assert scores[0]["ari"] == scores[1]["ari"] is not None
    recipe = (work_dir / "b" / "recipe.yaml").read_text()
    assert f"labels_file: {work_dir / 'labels.csv'}" in recipe
    assert run_cli(*args, "c", "--labels-file", "none.csv").exit_code == 2
    assert not (work_dir / "c").exists()
    result = scgnn.run("pca_leiden", adata, labels_file="labels.csv", out="d")
    assert result.n_obs == adata.n_obs
    assert json.loads((work_dir / "d" / "metrics.json").read_text())["ari"] == scores[0]["ari"]


@pytest.mark.parametrize("n_cells", [1, 2])
def test_fewer_than_three_cells_are_refused(n_cells):
    counts = np.ones((n_cells, 50), dtype=np.float32)
    with pytest.raises(InputError, match=f"{n_cells} of {n_cells} cells remain .* at least 3 are"):
        scgnn.run("pca_leiden", ad.AnnData(counts))


def test_fewer_than_three_cells_after_filtering_are_refused():
    counts = np.zeros((40, 50), dtype=np.float32)
    counts[:2] = 3
    with pytest.raises(InputError, match="2 of 40 cells remain after filtering: at least 3"):
        scgnn.run("pca_leiden", ad.AnnData(counts))


def test_check_reads_the_file_of_labels(run_cli, work_dir):
    (work_dir / "l.csv").write_text("cell,a,b\nx,1,2\ny,3,4\n")
    result = run_cli("check", "pca_leiden", "--labels-file", "l.csv", "--labels-key", "type")
    assert result.exit_code == 2
    assert "l.csv has no column 'type': set data.labels_key to one of 'a', 'b'" in result.stderr
    result = run_cli("check", "pca_leiden", "--labels-file", "l.csv", "--labels-key", "b")
    assert result.exit_code == 0


@pytest.mark.parametrize("name", ["x.h5ad", "folder/x.csv"])
def test_data_in_place_of_a_recipe_are_named(run_cli, work_dir, name):
    (work_dir / "folder").mkdir()
    (work_dir / name).write_text("a,b\n")
    result = run_cli("run", f"./{name}")
    assert result.exit_code == 2
    assert f"{name}: is a data file and not a recipe; use RECIPE --data {name}" in result.stderr
