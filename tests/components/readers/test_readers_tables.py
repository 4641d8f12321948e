"""Text tables, and their orientation from names or as declared."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import scanpy as sc

from example_files import (
    BARCODES,
    GENE_IDS,
    assert_is_example,
    assert_same_data,
    write_file,
    write_table,
)
from scgnn.components.readers import CSV
from scgnn.data.orientation import guess_orientation
from scgnn.data.validation import validate
from scgnn.errors import InputError


@pytest.mark.parametrize("sep", [",", "\t", ";", " "])
@pytest.mark.parametrize("genes_in_rows", [True, False])
@pytest.mark.parametrize("corner", ["", None, "id"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("quote", ["", '"'])
def test_every_table_gives_the_same_counts(tmp_path, sep, genes_in_rows, corner, packed, quote):
    file = write_table(tmp_path / "x.csv", sep, genes_in_rows, corner, packed, quote)
    assert_is_example(CSV(str(file))())


@pytest.mark.parametrize("sep", [",", "\t"])
def test_a_table_reads_as_in_scanpy(tmp_path, sep):
    file = write_table(tmp_path / "x.csv", sep, corner="id")
    assert_same_data(
        CSV(str(file), orientation="cells_by_genes")(), sc.read_csv(file, delimiter=sep)
    )


def test_the_orientation_and_its_reason_are_logged(tmp_path, caplog):
    file = write_table(tmp_path / "x.csv", genes_in_rows=True)
    with caplog.at_level(logging.INFO, logger="scgnn"):
        CSV(str(file))()
    assert "x.csv: read as genes_by_cells, because rows look like genes" in caplog.text
    assert GENE_IDS[0] in caplog.text


def write_ambiguous_table(path: Path) -> Path:
    return write_file(path, "id,b1,b2,b3\na1,1,2,3\na2,4,5,6\n")


def test_ambiguous_orientation_names_the_key(tmp_path):
    file = str(write_ambiguous_table(tmp_path / "x.csv"))
    message = "do not distinguish genes from cells .*; set data.reader.orientation to cells_by_g"
    with pytest.raises(InputError, match=message):
        CSV(file)()
    assert CSV(file, orientation="cells_by_genes")().shape == (2, 3)
    turned = CSV(file, orientation="genes_by_cells")()
    assert turned.shape == (3, 2)
    np.testing.assert_array_equal(turned.X.toarray(), [[1, 4], [2, 5], [3, 6]])


def test_contradicted_orientation_is_rejected(tmp_path):
    file = write_table(tmp_path / "x.csv")
    message = "orientation is genes_by_cells, but rows look like .*set data.reader.orientation to"
    with pytest.raises(InputError, match=message):
        CSV(str(file), orientation="genes_by_cells")()


def test_a_declared_orientation_wins_over_weak_evidence(tmp_path, caplog):
    names = ["MT-CO1", "RPL13", *(f"Xyz{i}abc" for i in range(20))]
    file = write_file(tmp_path / "x.csv", "id,a,b\n" + "".join(f"{n},1,2\n" for n in names))
    assert CSV(str(file), orientation="cells_by_genes")().shape == (22, 2)
    assert "read as cells_by_genes as declared, although rows look like genes" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,g1,g2\nc1,1,2\nc2,1\n", r"line 3 \('c2'\) has 1 values, but the header has 2 names"),
        ("id,g1,g2\nc1,1,2\nc2,x,2\n", "line 3, column 'g1': 'x' is not a number"),
        ("1,2,3\n4,5,6\n7,8,9\n", "the first line has numbers instead of names"),
        (
            "Xkr4,Sox17,Rp1\n4,5,6\n7,8,9\n",
            "the first column, 'Xkr4', has numbers instead of names",
        ),
        ("some words\nand more of them here\nx\n", "is not a table with names in its first line"),
        ("id,g1,g2\n", "is not a table with names in its first line"),
        (
            "Counts, 2024\nid,g1,g2,g3\nc1,1,2,3\nc2,1,0,4\n",
            r"line 1 has 2 columns, but most lines below it have 4; if it is a title, remove it",
        ),
        (
            "# a comment\nmouse embryos\nid,g1,g2\nc1,1,2\nc2,1,0\n",
            r"line 2 has 1 column, but most lines below it have 3; .* or begin it with '#'$",
        ),
    ],
)
def test_invalid_table_is_rejected_with_its_line(tmp_path, text, message):
    lines = text.splitlines()
    body = "\n".join([*lines[:2], *lines[1:2] * 5, *lines[2:]]) if "line 3" in message else text
    file = write_file(tmp_path / "x.csv", body)
    with pytest.raises(InputError, match=message.replace("line 3", "line 8")):
        CSV(str(file), orientation="cells_by_genes")()


def test_missing_values_are_reported_with_their_names(tmp_path):
    body = (
        f"id,{GENE_IDS[0]},{GENE_IDS[1]}\n{BARCODES[0]},1,2\n{BARCODES[1]},NA,3\n{BARCODES[2]},1,\n"
    )
    adata = CSV(str(write_file(tmp_path / "x.csv", body)))()
    with pytest.raises(
        InputError, match=f"nan in cell '{BARCODES[1]}', gene '{GENE_IDS[0]}' .2 values"
    ):
        validate(adata, "x.csv")


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_very_wide_table_is_read(tmp_path, quote):
    """With any other separator, a line is a field above the limit of the csv module."""
    cells = [f"cell_number_{i}" for i in range(12_000)]
    lines = [",".join([quote + word + quote for word in ["id", *cells]])]
    lines += [",".join([quote + gene + quote, *["0"] * 11_999, "4"]) for gene in GENE_IDS]
    adata = CSV(str(write_file(tmp_path / "x.csv", "\n".join(lines))))()
    assert adata.shape == (12_000, 6)
    np.testing.assert_array_equal(adata.X[-1].toarray(), [[4] * 6])


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    data = write_table(tmp_path / "x.csv").read_bytes().replace(b"\n", b"\r\n")
    assert_is_example(CSV(str(write_file(tmp_path / "y.csv", b"\xef\xbb\xbf" + data)))())


@pytest.mark.parametrize("separator", ["tab", "comma"])
def test_a_declared_separator_must_fit(tmp_path, separator):
    file = str(write_table(tmp_path / "x.csv"))
    if separator == "comma":
        assert_is_example(CSV(file, separator="comma")())
        return
    with pytest.raises(InputError, match="separated by tab: the first 5 lines differ"):
        CSV(file, separator="tab")()


@pytest.mark.parametrize(
    ("cells", "genes"),
    [
        (["AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCGC-1"], ["Sox17", "Mrpl15", "Xkr4"]),
        (["s1", "s2", "s3"], ["ENSMUSG00000051951.5", "ENSMUSG00000051952"]),
        (["1772071035_H02", "1772066099_C11"], ["Tspan12", "Tshz1", "0610007P14Rik", "Gm1992"]),
        (["lib1_AAACCTGAGAAACCAT", "lib2_AAACCTGAGAAACCGC"], ["geneA", "geneB"]),
        (["S1", "S2"], ["mt-Co1", "mt-Nd1", *map("weird{}x".format, range(50))]),
        (["0", "1", "2"], ["CD3D", "CD3E", "GAPDH"]),
        (["2cell_1_A", "2cell_1_B"], ["ERCC-00002", "ERCC-00074"]),
        (["SRR1", "SRR2"], ["FBgn0031208", "FBgn0002121"]),
    ],
)
def test_names_distinguish_genes_from_cells(cells, genes):
    assert guess_orientation(cells, genes).orientation == "cells_by_genes"
    assert guess_orientation(genes, cells).orientation == "genes_by_cells"


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (["a", "b"], ["c", "d"]),
        (["cell_1", "cell_2"], ["cell_3", "cell_4"]),
        (["CD3D", "CD3E"], ["GAPDH", "ACTB"]),
        (["x", "y", "GAPDH"], ["p", "q", "r"]),  # one match is chance
        ([], []),
    ],
)
def test_ambiguous_names_give_no_orientation(rows, columns):
    assert guess_orientation(rows, columns).orientation is None


def test_the_corner_decides_where_names_do_not():
    assert guess_orientation(["a"], ["b"], corner="gene_id").orientation == "genes_by_cells"
    assert guess_orientation(["a"], ["b"], corner='"Barcode"').orientation == "cells_by_genes"
