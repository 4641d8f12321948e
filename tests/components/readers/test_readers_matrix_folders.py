"""Market matrices with the names of other programs than Cell Ranger."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import mmwrite
from scipy.sparse import coo_matrix

from example_files import (
    BARCODES,
    COUNTS,
    GENE_IDS,
    GENE_SYMBOLS,
    assert_is_example,
    write_file,
    write_tenx_mtx,
)
from scgnn.components.readers import TenxMTX, detect_reader
from scgnn.errors import InputError

SYMBOLS = ["A", "B", "C", "D", "E", "F"]


def write(folder, matrix, files, counts=COUNTS.T, packed=False):
    folder.mkdir()
    target = folder / f"{matrix.removesuffix('.gz')}"
    mmwrite(target, coo_matrix(counts), field="integer")
    if matrix.endswith(".gz"):
        write_file(folder / matrix, target.read_bytes(), compressed=True)
        target.unlink()
    for name, lines in files.items():
        write_file(folder / name, "\n".join(lines) + "\n", name.endswith(".gz"))
    return str(folder)


def join(*columns, sep="\t"):
    return [sep.join(row) for row in zip(*columns, strict=True)]


FOLDERS = {
    "kallisto": (
        "cells_x_genes.mtx",
        {"cells_x_genes.barcodes.txt": BARCODES, "cells_x_genes.genes.txt": GENE_IDS},
        COUNTS,
    ),
    "alevin": (
        "quants_mat.mtx.gz",
        {"quants_mat_rows.txt": BARCODES, "quants_mat_cols.txt": GENE_IDS},
        COUNTS,
    ),
    "parse": (
        "DGE.mtx",
        {
            "all_genes.csv": [
                "gene_id,gene_name,genome",
                *join(GENE_IDS, SYMBOLS, ["hg38"] * 6, sep=","),
            ],
            "cell_metadata.csv": ["bc_wells,sample", *join(BARCODES, list("xxyy"), sep=",")],
        },
        COUNTS,
    ),
    "expression atlas": (
        "E-X-1.aggregated_filtered_counts.mtx.gz",
        {
            "E-X-1.aggregated_filtered_counts.mtx_rows.gz": join(GENE_IDS, GENE_IDS),
            "E-X-1.aggregated_filtered_counts.mtx_cols.gz": BARCODES,
        },
        COUNTS.T,
    ),
    "single cell portal": (
        "80_genes_5_cells.raw_sparse.mtx",
        {
            "80_genes_5_cells.barcodes.tsv": BARCODES,
            "80_genes_5_cells.genes.tsv": GENE_IDS,
            "80_genes_5_cells.cluster.txt": ["NAME\tX"],
        },
        COUNTS.T,
    ),
    "names and tables": (
        "matrix.mtx.gz",
        {
            "genes.txt.gz": GENE_IDS,
            "genes_metadata.txt.gz": ["ID,Gene,Mean", *join(GENE_IDS, GENE_IDS, "123456", sep=",")],
            "cells_metadata.txt.gz": ["ID,Cell,Batch", *join(BARCODES, BARCODES, "xxyy", sep=",")],
            "labels.txt.gz": join(BARCODES, "aabb"),
        },
        COUNTS,
    ),
    "geo": (
        "GSM1_counts.mtx.gz",
        {
            "GSM1_cell_ids.txt.gz": BARCODES,
            "GSM1_genes.csv.gz": [
                '"","x"',
                *join([f'"{i + 1}"' for i in range(6)], GENE_IDS, sep=","),
            ],
        },
        COUNTS.T,
    ),
    "portal": (
        "expression.mtx",
        {
            "expression.genes.tsv": join(GENE_IDS, SYMBOLS),
            "expression.cells.tsv": BARCODES,
            "readme.md": ["x"],
        },
        COUNTS.T,
    ),
}


@pytest.mark.parametrize("kind", FOLDERS)
def test_folders_of_other_programs_are_read(tmp_path, kind):
    matrix, files, counts = FOLDERS[kind]
    folder = write(tmp_path / "d", matrix, files, counts)
    adata = detect_reader(folder)()
    has_symbols = kind in ("parse", "portal")
    assert_is_example(adata, SYMBOLS if has_symbols else GENE_IDS)
    assert_is_example(detect_reader(f"{folder}/{matrix}")(), SYMBOLS if has_symbols else GENE_IDS)
    if kind == "parse":
        assert list(adata.obs["sample"]) == list("xxyy")
        assert list(adata.var["genome"]) == ["hg38"] * 6
        assert list(adata.var["gene_ids"]) == GENE_IDS


@pytest.mark.parametrize(
    "values", [list("123456"), ["chr1"] * 6, ["protein_coding", *["lncRNA"] * 5]]
)
def test_a_third_column_without_types_of_features_is_annotation(tmp_path, values):
    folder = write_tenx_mtx(tmp_path / "d", compressed=False)
    write_file(folder / "features.tsv", "\n".join(join(GENE_IDS, SYMBOLS, values)))
    adata = TenxMTX(str(folder))()
    assert_is_example(adata, SYMBOLS)
    assert list(adata.var["column_3"]) == values


def test_features_of_other_types_alone_are_refused(tmp_path):
    folder = write_tenx_mtx(tmp_path / "d", compressed=False)
    write_file(folder / "features.tsv", "\n".join(join(GENE_IDS, SYMBOLS, ["Peaks"] * 6)))
    with pytest.raises(
        InputError, match=r"no features of type 'Gene Expression': set data.reader.feature_type"
    ):
        TenxMTX(str(folder))()
    assert TenxMTX(str(folder), feature_type="Peaks")().shape == (4, 6)


@pytest.mark.parametrize("header", ["id\tsymbol\ttype", "gene_id\tgene_short_name\tx", "a\tb\tc"])
@pytest.mark.parametrize("both", [True, False])
def test_a_header_of_the_names_is_no_gene(tmp_path, header, both):
    folder = write_tenx_mtx(tmp_path / "d", compressed=False)
    lines = [header, *join(GENE_IDS, GENE_SYMBOLS, ["Gene Expression"] * 6)]
    write_file(folder / "features.tsv", "\n".join(lines))
    if both:
        write_file(folder / "barcodes.tsv", "\n".join(["x", *BARCODES]))
    assert_is_example(TenxMTX(str(folder), var_names="gene_ids")())


def test_declared_files_of_names(tmp_path):
    files = {"a.txt": BARCODES, "b.txt": GENE_IDS}
    folder = write(tmp_path / "d", "m.mtx", files)
    with pytest.raises(InputError, match=r"set data.reader.features_file to one of a.txt, b.txt"):
        detect_reader(folder)()
    adata = TenxMTX(folder, features_file="b.txt", barcodes_file="a.txt")()
    assert_is_example(adata)
    with pytest.raises(InputError, match="does not exist"):
        TenxMTX(folder, features_file="c.txt", barcodes_file="a.txt")()


def test_one_of_several_matrices_must_be_chosen(tmp_path):
    files = {"barcodes.tsv": BARCODES, "features.tsv": GENE_IDS}
    folder = write(tmp_path / "d", "spliced.mtx", files)
    mmwrite(f"{folder}/unspliced.mtx", coo_matrix(COUNTS.T * 2), field="integer")
    with pytest.raises(
        InputError, match=r"several matrices, 'spliced.mtx', 'unspliced.mtx': choose"
    ):
        detect_reader(folder)()
    assert_is_example(detect_reader(f"{folder}/spliced.mtx")())


@pytest.mark.parametrize("field", ["pattern", "complex"])
def test_matrices_without_counts_are_refused(tmp_path, field):
    folder = write_tenx_mtx(tmp_path / "d", compressed=False)
    mmwrite(folder / "matrix.mtx", coo_matrix(COUNTS.T), field=field)
    with pytest.raises(InputError, match="not of counts: export the counts"):
        TenxMTX(str(folder))()


@pytest.mark.parametrize("character", ["\x0b", "\x1c", "\x85", "\u2028", "\x1b"])
def test_control_characters_in_names_split_no_line(tmp_path, character):
    ids = [GENE_IDS[0] + character + "x", *GENE_IDS[1:]]
    folder = write_tenx_mtx(tmp_path / "d", gene_ids=ids, version=2)
    assert_is_example(TenxMTX(str(folder), var_names="gene_ids")(), ids)
    np.testing.assert_array_equal(TenxMTX(str(folder))().var["gene_ids"], ids)
