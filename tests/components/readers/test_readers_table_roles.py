"""Roles of rows and columns in text tables: names, counts and annotation."""

from __future__ import annotations

import gzip
import logging

import numpy as np
import pytest

from example_files import BARCODES, COUNTS, GENE_IDS, assert_is_example, write_file
from scgnn.components.readers import CSV, detect_reader
from scgnn.errors import InputError

GENES_BY_CELLS = [[gene, *map(str, row)] for gene, row in zip(GENE_IDS, COUNTS.T, strict=True)]
CELLS_BY_GENES = [[cell, *map(str, row)] for cell, row in zip(BARCODES, COUNTS, strict=True)]
TYPES = ["T cell", "B cell", "T cell", "Mono"]
GENE_SYMBOLS_ALONE = ["A1BG-AS1", "ACTB", "B2M", "FOS", "GAPDH", "JUN"]
LENGTHS = [1200, 340, 5601, 100008586, 77, 950]


def write(path, header, rows, sep="\t", end="\n", encoding="utf-8"):
    lines = [*([sep.join(header)] if header else []), *(sep.join(row) for row in rows)]
    return write_file(path, "".join(line + end for line in lines).encode(encoding))


def insert(rows, position, values):
    """The rows with another column."""
    return [
        [*row[:position], str(value), *row[position:]]
        for row, value in zip(rows, values, strict=True)
    ]


def many_cells(n=40, n_genes=60, seed=0):
    """Counts with many zeros, cells x genes, and their names."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.gamma(0.4, 2, n_genes), (n, n_genes))
    cells = ["".join(rng.choice(list("ACGT"), 12)) + "-1" for _ in range(n)]
    return counts, cells, [f"ENSMUSG{i:011d}" for i in range(n_genes)]


@pytest.mark.parametrize("sep", [",", "\t", ";"])
@pytest.mark.parametrize("position", [1, 3, 5])
def test_text_columns_become_annotation_of_genes(tmp_path, sep, position):
    header = ["id", *BARCODES]
    header.insert(position, "symbol x")
    rows = insert(GENES_BY_CELLS, position, ["a", "b b", "c", "NA", "", "e"])
    adata = CSV(str(write(tmp_path / "x.txt", header, rows, sep)))
    if position == 3:  # in the middle: which half are the counts?
        with pytest.raises(InputError, match=r"values by 'symbol x': set data.reader.annota"):
            adata()
        adata = CSV(adata.path, annotation_columns=())
    adata = adata()
    assert_is_example(adata)
    assert list(adata.var["symbol x"]) == ["a", "b b", "c", "NA", "", "e"]


@pytest.mark.parametrize("position", [1, -1])
def test_labels_in_a_table_become_annotation_of_cells(tmp_path, position):
    header = ["", *GENE_IDS]
    header.insert(position % 8 or 8, "cell_type")
    rows = insert(CELLS_BY_GENES, position % 8 or 8, TYPES)
    adata = CSV(str(write(tmp_path / "x.csv", header, rows, ",")))()
    assert_is_example(adata)
    assert list(adata.obs["cell_type"]) == TYPES


def test_rows_of_text_become_annotation_of_cells(tmp_path):
    rows = [["tissue", *TYPES], ["", "1", "2", "3", "4"], *GENES_BY_CELLS, ["sort", *"wxyz"]]
    adata = CSV(str(write(tmp_path / "x.txt", ["", *BARCODES], rows)))()
    assert_is_example(adata)
    assert list(adata.obs["tissue"]) == TYPES
    assert list(adata.obs["sort"]) == list("wxyz")


def test_text_between_the_rows_of_counts_is_refused(tmp_path):
    counts, cells, genes = many_cells(5, 60)
    rows = [[gene, *map(str, row)] for gene, row in zip(genes, counts.T, strict=True)]
    rows.insert(30, ["broken", *"abcde"])
    with pytest.raises(InputError, match=f"line 32, column '{cells[0]}': 'a' is not a number"):
        CSV(str(write(tmp_path / "x.txt", ["", *cells], rows)))()


@pytest.mark.parametrize("kind", ["text", "unnamed"])
def test_many_rows_without_counts_or_names_are_refused(tmp_path, kind):
    """None of the rows after them may be lost."""
    if kind == "text":
        rows = [[f"ENSG1{i:010d}", *"1234"] for i in range(150)]
        rows += [[f"__a{i}", *"wxyz"] for i in range(70)]
    else:
        rows = [["", *"1234"] for _ in range(70)]
    line = 212 if kind == "text" else 62
    file = write(tmp_path / "x.txt", ["id", *BARCODES], [*rows, *GENES_BY_CELLS])
    message = f"line {line}: the table has more than 60 rows of text, or without names: provide"
    with pytest.raises(InputError, match=message):
        CSV(str(file))()


@pytest.mark.parametrize(
    ("names", "axis"),
    [
        (["Length"], "genes"),
        (["Chr", "Start", "End", "Strand", "Length"], "genes"),
        (["entrezgene_id"], "genes"),
        (["n_counts", "percent.mito", "seurat_clusters"], "cells"),
        (["nCount_RNA", "nFeature_RNA"], "cells"),
        (["batch", "age"], "cells"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_numbers_with_names_of_annotation_are_no_counts(tmp_path, caplog, names, axis, turned):
    rows, columns = (GENE_IDS, BARCODES) if axis == "genes" else (BARCODES, GENE_IDS)
    counts = COUNTS.T if axis == "genes" else COUNTS
    extra = [[1000 + 7 * i + j for i in range(len(rows))] for j in range(len(names))]
    table = np.column_stack([*extra, counts])
    columns = [*names, *columns]
    if turned:
        table, rows, columns = table.T, columns, rows
    body = [[name, *map(str, row)] for name, row in zip(rows, table, strict=True)]
    adata = CSV(str(write(tmp_path / "x.txt", ["id", *columns], body)))()
    assert_is_example(adata)
    frame = adata.var if axis == "genes" else adata.obs
    assert {name: list(frame[name]) for name in names} == dict(zip(names, extra, strict=True))
    assert "stored as annotation and not as counts, because their names are those" in caplog.text


def test_large_identifiers_keep_all_digits(tmp_path):
    rows = insert(GENES_BY_CELLS, 1, LENGTHS)
    adata = CSV(str(write(tmp_path / "x.txt", ["id", "entrez", *BARCODES], rows)))()
    assert list(adata.var["entrez"]) == LENGTHS
    assert adata.X.dtype == np.float32


@pytest.mark.parametrize(
    "summary",
    [
        ["__no_feature", "__ambiguous", "__alignment_not_unique"],
        ["N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"],
        ["Unassigned_Ambiguity"],
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_summaries_of_counting_programs_are_no_genes(tmp_path, summary, first):
    extra = [[name, "70000", "1", "0", "12"] for name in summary]
    rows = [*extra, *GENES_BY_CELLS] if first else [*GENES_BY_CELLS, *extra]
    adata = CSV(str(write(tmp_path / "x.txt", ["", *BARCODES], rows)))()
    assert_is_example(adata)
    assert list(adata.obs.columns) == summary
    assert list(adata.obs[summary[0]]) == [70000, 1, 0, 12]


@pytest.mark.parametrize("kind", ["total", "detected", "fraction", "negative", "group"])
@pytest.mark.parametrize("last", [False, True])
def test_numbers_that_are_no_counts_are_known_by_their_values(tmp_path, kind, last):
    counts, cells, genes = many_cells()
    table, rows, columns = counts, cells, genes
    if kind == "total":
        extra = counts.sum(axis=1)
    elif kind == "detected":
        extra = (counts > 0).sum(axis=1)
    elif kind == "group":  # of genes, among barcodes
        table, rows, columns = counts.T, genes, cells
        extra = np.arange(len(genes)) % 4 + 1
    else:
        extra = np.linspace(0.1, 0.9, len(cells)) * (-1 if kind == "negative" else 1)
    position = len(columns) if last else 0
    header = ["", *columns]
    header.insert(position + 1, "zzz")
    body = [[name, *map(str, row)] for name, row in zip(rows, table, strict=True)]
    adata = CSV(str(write(tmp_path / "x.txt", header, insert(body, position + 1, extra))))()
    np.testing.assert_array_equal(adata.X.toarray(), counts)
    frame = adata.var if kind == "group" else adata.obs
    np.testing.assert_allclose(frame["zzz"], extra)
    assert (list(adata.obs_names), list(adata.var_names)) == (cells, genes)


def test_a_cell_without_zeros_must_be_declared(tmp_path):
    counts, cells, genes = many_cells()
    body = [[name, *map(str, row)] for name, row in zip(genes, counts.T, strict=True)]
    rows = insert(body, 1, [i + 500 for i in range(len(genes))])
    file = str(write(tmp_path / "x.txt", ["", "bulk1", *cells], rows))
    with pytest.raises(
        InputError, match=r"'bulk1' may not hold .*set data.reader.annotation_columns to \[bul"
    ):
        CSV(file)()
    assert CSV(file, annotation_columns=("bulk1",))().shape == (40, 60)
    assert CSV(file, annotation_columns=())().shape == (41, 60)


def test_declared_annotation_must_exist_and_replaces_the_detection(tmp_path):
    rows = insert(GENES_BY_CELLS, 1, LENGTHS)
    file = str(write(tmp_path / "x.txt", ["id", "Length", *BARCODES], rows))
    assert CSV(file, annotation_columns=())().shape == (5, 6)
    assert CSV(file, annotation_columns=(BARCODES[0], "Length"))().shape == (3, 6)
    assert CSV(file, annotation_rows=(GENE_IDS[0],))().obs[GENE_IDS[0]].tolist() == [7, 0, 1, 0]
    with pytest.raises(
        InputError, match="annotation_columns has 'Size', but the table has no such"
    ):
        CSV(file, annotation_columns=("Size",))()


@pytest.mark.parametrize("extra", [["EGFP", "tdTomato"], ["ERCC-00002"], ["Cre"]])
def test_genes_of_other_kinds_at_the_end_stay_genes(tmp_path, extra):
    counts, cells, genes = many_cells()
    body = [[name, *map(str, row)] for name, row in zip(genes, counts.T, strict=True)]
    body += [[name, *map(str, counts.sum(axis=1) % 5 + 1)] for name in extra]
    adata = CSV(str(write(tmp_path / "x.txt", ["", *cells], body)), "genes_by_cells")()
    assert list(adata.var_names) == [*genes, *extra]


def test_cells_of_other_names_stay_cells(tmp_path):
    counts, _, genes = many_cells()
    cells = [*(f"ESC_{i:02d}" for i in range(36)), *(f"MEF_{i}" for i in range(4))]
    body = [[name, *map(str, row)] for name, row in zip(genes, counts.T, strict=True)]
    assert list(CSV(str(write(tmp_path / "x.txt", ["", *cells], body)))().obs_names) == cells


@pytest.mark.parametrize("header_row", [0, 1])
@pytest.mark.parametrize("sep", [",", "\t"])
def test_a_table_without_header_keeps_its_first_row(tmp_path, caplog, sep, header_row):
    rows = GENES_BY_CELLS if header_row == 0 else CELLS_BY_GENES
    adata = CSV(str(write(tmp_path / "x.txt", None, rows, sep)))()
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS)
    if header_row == 0:
        assert list(adata.var_names) == GENE_IDS
        assert list(adata.obs_names) == ["cell_1", "cell_2", "cell_3", "cell_4"]
    else:
        assert list(adata.obs_names) == BARCODES
        assert adata.var_names[0] == "gene_1"
    assert "has no header" in caplog.text


def test_numbers_as_names_of_columns_are_a_header(tmp_path):
    for header in (["gene", "0", "1", "2", "3"], ["", "11", "5", "7", "2"]):
        adata = CSV(str(write(tmp_path / "x.txt", header, GENES_BY_CELLS)))()
        assert list(adata.obs_names) == header[1:]
    file = str(write(tmp_path / "y.txt", ["Foxp3x", "9", "4", "11", "2"], GENES_BY_CELLS))
    with pytest.raises(InputError, match=r"set data.reader.has_header to true or false"):
        CSV(file)()
    assert CSV(file, has_header=True)().shape == (4, 6)
    assert CSV(file, "genes_by_cells", has_header=False)().shape == (4, 7)


def test_numbers_of_rows_are_no_names(tmp_path):
    rows = [[str(i), *row] for i, row in enumerate(CELLS_BY_GENES)]
    assert_is_example(CSV(str(write(tmp_path / "x.csv", ["", "cell", *GENE_IDS], rows, ",")))())
    rows = insert(GENES_BY_CELLS, 1, "abcdef")
    file = str(write(tmp_path / "y.csv", ["id", "symbol", *BARCODES], rows, ","))
    assert list(CSV(file, name_column="symbol")().var_names) == list("abcdef")
    with pytest.raises(InputError, match="no column 'x', it begins with id, symbol"):
        CSV(file, name_column="x")()


@pytest.mark.parametrize("in_header", [True, False])
@pytest.mark.parametrize("sep", [",", "\t", ";"])
@pytest.mark.parametrize("n", [1, 2])
def test_separators_at_the_end_of_lines_are_ignored(tmp_path, sep, in_header, n):
    header = ["id", *BARCODES, *([""] * n * in_header)]
    rows = [[*row, *[""] * n] for row in GENES_BY_CELLS]
    assert_is_example(CSV(str(write(tmp_path / "x.txt", header, rows, sep)))())


def test_a_shifted_row_is_refused(tmp_path):
    rows = [list(row) for row in GENES_BY_CELLS]
    rows[2].insert(2, "")
    with pytest.raises(
        InputError, match=r"line 4 .* has 5 values, but the header has 4 names: one"
    ):
        CSV(str(write(tmp_path / "x.txt", ["id", *BARCODES], rows)))()
    rows[2].pop()
    adata = CSV(str(write(tmp_path / "x.txt", ["id", *BARCODES], rows)))()
    np.testing.assert_array_equal(np.isnan(adata.X.toarray()).sum(axis=0), [0, 0, 1, 0, 0, 0])


@pytest.mark.parametrize(
    ("sep", "quote", "values"),
    [(";", "", "1,5 2,0 0,0 3,25"), ("\t", "", "1,5 2 0 3"), (",", '"', "1,5 2,5 0,0 3,25")],
)
def test_decimal_commas_are_read(tmp_path, sep, quote, values):
    fields = values.split()
    rows = [[gene, *(f"{quote}{field}{quote}" for field in fields)] for gene in GENE_IDS]
    adata = CSV(str(write(tmp_path / "x.csv", ["id", *BARCODES], rows, sep)))()
    np.testing.assert_array_equal(
        adata.X.toarray()[:, 0], [float(f.replace(",", ".")) for f in fields]
    )


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (
            "1,234",
            {},
            "the comma of '1,234' can be one of decimals or of thousands: set data.reader.decimal",
        ),
        ("1,234", {"decimal": "point"}, "'1,234' is not a number: remove the separators of thou"),
        ("1.5", {"decimal": "comma"}, "'1.5' is not a number, because the table has decimal com"),
        ("1,5", {"decimal": "point"}, "'1,5' is not a number: set data.reader.decimal to comma if"),
        ("1_000", {}, "'1_000' is not a number"),
        ("0x10", {}, "'0x10' is not a number"),
        ("1 2", {}, "'1 2' is not a number"),
        ("-", {}, "'-' is not a number: write 0 for zeros"),
    ],
)
def test_numbers_that_are_ambiguous_are_refused(tmp_path, value, options, message):
    rows = [list(row) for row in GENES_BY_CELLS]
    rows[1][2] = value
    with pytest.raises(InputError, match=message):
        CSV(str(write(tmp_path / "x.txt", ["id", *BARCODES], rows)), **options)()


@pytest.mark.parametrize("comment", ["# made 2020", "## a\n# b, c\td\n#e", "#"])
def test_comments_are_ignored(tmp_path, comment):
    text = "\n".join([comment, *("\t".join(row) for row in [["id", *BARCODES], *GENES_BY_CELLS])])
    assert_is_example(CSV(str(write_file(tmp_path / "x.txt", text + "\n# the end\n")))())


def test_a_comment_can_be_the_header(tmp_path):
    assert_is_example(CSV(str(write(tmp_path / "x.txt", ["#id", *BARCODES], GENES_BY_CELLS)))())


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_gct_is_read(tmp_path, version):
    if version == "1.2":
        sizes, annotation = "6\t4", []
    else:
        sizes, annotation = "6\t4\t1\t2", [["dose", "na", "1", "2", "3", "4"], ["x", "na", *"abcd"]]
    rows = [[f"#{version}"], [sizes], ["Name", "Description", *BARCODES], *annotation]
    rows += insert(GENES_BY_CELLS, 1, [1, 2, 3, 4, 5, 6])
    adata = detect_reader(str(write(tmp_path / "x.gct", None, rows)))()
    assert_is_example(adata)
    assert list(adata.var["Description"]) == [1, 2, 3, 4, 5, 6]
    assert list(adata.obs.columns) == (["dose", "x"] if annotation else [])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1", "utf-8-sig"])
def test_other_encodings_are_read(tmp_path, encoding):
    rows = insert(GENES_BY_CELLS, 1, ["µ", "é", "c", "d", "e", "f"])
    header = ["id", "symbol", *BARCODES]
    if encoding == "utf-16-le":
        header[0] = "\ufeffid"
    adata = CSV(str(write(tmp_path / "x.txt", header, rows, end="\r\n", encoding=encoding)))()
    assert_is_example(adata)
    assert list(adata.var["symbol"])[:2] == ["µ", "é"]


def test_names_that_a_spreadsheet_changed_are_reported(tmp_path, caplog):
    rows = [list(row) for row in GENES_BY_CELLS]
    rows[0][0], rows[3][0], rows[4][0] = "1-Mar", "2-Sep", "2.31E+13"
    CSV(str(write(tmp_path / "x.txt", ["gene", *BARCODES], rows)))()
    assert "3 gene names such as '1-Mar' are dates or numbers that a spreadsheet" in caplog.text


def test_rows_without_a_name_are_named_by_their_line(tmp_path):
    rows = [list(row) for row in GENES_BY_CELLS]
    rows[3][0] = ""
    adata = CSV(str(write(tmp_path / "x.txt", ["gene", *BARCODES], rows)))()
    assert_is_example(adata, [*GENE_IDS[:3], "unnamed_5", *GENE_IDS[4:]])


@pytest.mark.parametrize(
    "header", [["gene", "cell", "count"], ["cell", "gene", "n"], ["V1", "V2", "V3"], None]
)
def test_one_count_per_line_is_read(tmp_path, header):
    """The long format, as of umi_tools count."""
    is_cell_first = bool(header) and header[0] == "cell"
    rows = [
        [
            *([BARCODES[i], GENE_IDS[j]] if is_cell_first else [GENE_IDS[j], BARCODES[i]]),
            str(COUNTS[i, j]),
        ]
        for j in range(6)
        for i in range(4)
        if COUNTS[i, j]
    ]
    adata = detect_reader(str(write(tmp_path / "x.tsv", header, rows)))()
    order = [list(adata.obs_names).index(cell) for cell in BARCODES]
    assert_is_example(adata[order, GENE_IDS].copy())
    rows.append(rows[3])
    with pytest.raises(
        InputError,
        match=f"several counts of gene '{rows[3][is_cell_first]}' in",
    ):
        CSV(str(write(tmp_path / "x.tsv", header, rows)))()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04" + b"0" * 99, "is a zip archive or an Excel workbook: unpack it, or save"),
        (b"BZh91AY", "is compressed with bzip2: decompress it"),
        (b"RDX3\nX\n", "is an R workspace: export the counts from R"),
        (
            gzip.compress(b"X\n\x00\x00\x00\x03", mtime=0),
            r"is an R object \(.rds\): export the counts from R",
        ),
        (b"\n<!DOCTYPE html><html>", "is a web page, not data: download the file itself"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS: get the file"),
        (gzip.compress(b"a" * 257 + b"ustar\x0000", mtime=0), "is a tar archive: unpack it"),
        (b"a,b\x00,c\n1,2,3\n", "is not a text file: save it as text"),
        (b"id,b,c\nr,1,2\n" + b"s,1,2\n" * 300 + b"t\x00,1,2\n", "has null characters"),
    ],
)
def test_what_is_no_text_is_named(tmp_path, content, message):
    file = write_file(tmp_path / "x.csv", content)
    with pytest.raises(InputError, match=message):
        CSV(str(file), "cells_by_genes")()
    with pytest.raises(InputError, match=f"{message}|has an unknown format"):
        detect_reader(str(file.rename(tmp_path / "x.dat")))()


def test_annotation_is_logged(tmp_path, caplog):
    rows = insert(GENES_BY_CELLS, 1, "abcdef")
    file = str(
        write(tmp_path / "x.txt", ["id", "symbol", *BARCODES], [["kind", "", *TYPES], *rows])
    )
    with caplog.at_level(logging.INFO, logger="scgnn"):
        CSV(file)()
    assert "text is stored as annotation: 'symbol', 'kind'" in caplog.text


@pytest.mark.parametrize("names", [GENE_SYMBOLS_ALONE, list("abcdef")])
def test_a_table_without_names_of_rows_is_read(tmp_path, caplog, names):
    """Numbers that repeat, or that are below the name of a gene, are no names."""
    counts = [str(i % 3) for i in range(6)]
    rows = [[str(value), *counts[1:]] for value in ((0, 0, 0, 1) if "a" in names else (0, 2, 3, 1))]
    reader = CSV(str(write(tmp_path / "x.csv", names, rows, ",")))
    if "a" in names:
        with pytest.raises(InputError, match="names do not distinguish genes from cells"):
            reader()
        reader = CSV(reader.path, "cells_by_genes")
    adata = reader()
    assert list(adata.obs_names) == ["cell_1", "cell_2", "cell_3", "cell_4"]
    assert list(adata.var_names) == names
    np.testing.assert_array_equal(adata.X.toarray(), np.array(rows, dtype=float))
    assert "x.csv has no names of rows: cells are named cell_1, cell_2, …" in caplog.text


def test_a_repeated_number_is_no_count(tmp_path):
    rows = [["101", *"1234"], ["101", *"5678"], ["102", *"1111"], ["103", *"2222"]]
    with pytest.raises(InputError, match="the first column, 'locus', has numbers instead of names"):
        CSV(str(write(tmp_path / "x.txt", ["locus", *BARCODES], rows)))()


def test_numbers_without_a_name_are_a_cell(tmp_path, caplog):
    path = write(tmp_path / "x.txt", ["GENE", *BARCODES[:3], ""], GENES_BY_CELLS)
    adata = CSV(str(path))()
    assert list(adata.obs_names) == [*BARCODES[:3], "unnamed_5"]
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS)
    assert "x.txt: columns without a name are named unnamed_COLUMN (1)" in caplog.text


def test_identifiers_of_databases_are_genes(tmp_path):
    names = ["HGNC:18790", "MGI:95892", "RefSeq:NM_00123", "Entrez:12", GENE_IDS[4], GENE_IDS[5]]
    rows = [[name, *row[1:]] for name, row in zip(names, GENES_BY_CELLS, strict=True)]
    adata = CSV(str(write(tmp_path / "x.txt", ["gene", *BARCODES], rows)))()
    assert list(adata.var_names) == names and not len(adata.obs.columns)


def test_two_equal_genes_alone_are_no_totals(tmp_path):
    rows = [["a", "0", "0", "0", "0"], ["b", "0", "1", "2", "0"], ["c", "0", "1", "2", "0"]]
    adata = CSV(str(write(tmp_path / "x.txt", ["GENE", *BARCODES], rows)))()
    assert list(adata.var_names) == list("abc") and not len(adata.obs.columns)


def test_one_sample_of_star_is_refused(tmp_path):
    summaries = ["N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"]
    rows = [[name, "3", "1", "2"] for name in [*summaries, *GENE_IDS]]
    rows[0][1:] = ["7"] * 3
    path = write(tmp_path / "ReadsPerGene.out.tab", None, rows)
    with pytest.raises(InputError, match="one sample for each strandedness, as written by STAR"):
        CSV(str(path))()


def test_quantification_of_one_sample_has_one_column_of_counts(tmp_path):
    header = ["target_id", "length", "eff_length", "est_counts", "tpm"]
    rows = [[f"NM_{i}", "900", "700.5", "5", "12.5"] for i in range(30)]
    adata = CSV(str(write(tmp_path / "abundance.tsv", header, rows)))()
    assert adata.shape == (1, 30) and (adata.X.toarray() == 5).all()
    assert list(adata.var.columns) == ["length", "eff_length", "tpm"]


def test_cells_of_celseq2_are_recognized(tmp_path):
    cells = ["BC-1-AGACTC", "BC-10-TCACAG", "BC-2-AGCTAG", "BC-96-GTACCA"]
    rows = [[f"g{i}", *row[1:]] for i, row in enumerate(GENES_BY_CELLS)]
    adata = CSV(str(write(tmp_path / "expr.csv", ["", *cells], rows, ",")))()
    assert list(adata.obs_names) == cells
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS)


def test_gct_is_genes_by_cells(tmp_path):
    rows = [[f"{i}_at", "x", *row[1:]] for i, row in enumerate(GENES_BY_CELLS)]
    lines = [["#1.2"], ["6", "4"], ["NAME", "Description", *"wxyz"], *rows]
    adata = CSV(str(write(tmp_path / "x.gct", None, lines)))()
    assert list(adata.obs_names) == list("wxyz") and list(adata.var["Description"]) == ["x"] * 6
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS)
