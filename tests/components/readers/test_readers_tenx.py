"""Cell Ranger files of all layouts, compared with scanpy."""

from __future__ import annotations

import logging

import h5py
import numpy as np
import pytest
import scanpy as sc
from scipy import sparse
from scipy.io import mmwrite

from example_files import (
    BARCODES,
    COUNTS,
    GENE_IDS,
    GENE_SYMBOLS,
    assert_is_example,
    assert_same_data,
    ignore_duplicate_names,
    truncate_file,
    write_file,
    write_tenx_h5,
    write_tenx_mtx,
)
from scgnn.components.readers import (
    TenxH5,
    TenxMTX,
)
from scgnn.components.transforms import Filter
from scgnn.data.validation import validate
from scgnn.errors import InputError


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("header", ["", "%\n", "%meta\n%two\n%three\n"])
def test_every_cell_ranger_layout_gives_the_same_counts(tmp_path, version, packed, header):
    folder = write_tenx_mtx(tmp_path / "f", version, packed, header=header)
    assert_is_example(TenxMTX(str(folder), var_names="gene_ids", feature_type="")())


@ignore_duplicate_names
@pytest.mark.parametrize(("version", "packed"), [(2, False), (3, True)])
@pytest.mark.parametrize("named_by", ["gene_symbols", "gene_ids"])
def test_a_cell_ranger_folder_reads_as_in_scanpy(tmp_path, version, packed, named_by):
    symbols = [
        *GENE_SYMBOLS[:3],
        "XIST",
        *GENE_SYMBOLS[4:],
    ]  # scanpy reads the gene NA as a missing name
    folder = write_tenx_mtx(tmp_path / "f", version, packed, gene_symbols=symbols)
    expected = sc.read_10x_mtx(folder, var_names=named_by)
    assert_same_data(validate(TenxMTX(str(folder), var_names=named_by)(), "f"), expected)


def test_the_first_gene_of_a_cell_keeps_its_own_count(tmp_path):
    """The published reader assigns to each cell's first gene the count of its last one."""
    adata = TenxMTX(str(write_tenx_mtx(tmp_path / "f")), var_names="gene_ids")()
    assert adata[BARCODES[0], GENE_IDS[0]].X[0, 0] == 7


def test_gene_names_do_not_shift_when_a_gene_is_filtered(tmp_path):
    """The published reader names genes by their rank among those filtered."""
    folder = write_tenx_mtx(tmp_path / "f")
    filtered = Filter(0.3, 0.0)(TenxMTX(str(folder), var_names="gene_ids", feature_type="")())
    assert list(filtered.var_names) == [GENE_IDS[0], GENE_IDS[2], GENE_IDS[4], GENE_IDS[5]]
    np.testing.assert_array_equal(filtered.X.toarray(), COUNTS[:, [0, 2, 4, 5]])


def test_a_three_line_header_adds_no_entry(tmp_path):
    """The published reader skips two lines for any header."""
    folder = write_tenx_mtx(tmp_path / "f", header='%metadata_json: {"software": "x"}\n')
    assert TenxMTX(str(folder), feature_type="")().X.sum() == COUNTS.sum()


def test_a_gene_called_na_and_repeated_symbols_are_kept(tmp_path):
    adata = TenxMTX(str(write_tenx_mtx(tmp_path / "f")))()
    assert_is_example(adata, GENE_SYMBOLS, slice(0, 5))
    assert list(adata.var["gene_ids"]) == GENE_IDS[:5]
    assert list(validate(adata, "f").var_names[1:4]) == ["TBCE", "TBCE-1", "NA"]


def test_a_missing_second_column_names_genes_by_id(tmp_path):
    assert_is_example(TenxMTX(str(write_tenx_mtx(tmp_path / "f", version=2, columns=1)))())


def test_other_feature_types_are_dropped_and_logged(tmp_path, caplog):
    folder = str(write_tenx_mtx(tmp_path / "f"))
    with caplog.at_level(logging.INFO, logger="scgnn"):
        assert TenxMTX(folder)().n_vars == 5
    assert "keeping 5 of 6 features, those of type 'Gene Expression'" in caplog.text
    assert_is_example(TenxMTX(folder, feature_type="Antibody Capture")(), GENE_SYMBOLS, slice(5, 6))
    with pytest.raises(
        InputError, match=r"'X': set data.reader.feature_type to one of Antibody Capture, Gene"
    ):
        TenxMTX(folder, feature_type="X")()


def test_single_prefix_is_detected_and_two_are_ambiguous(tmp_path):
    folder = write_tenx_mtx(tmp_path / "f", prefix="GSM1_", version=2)
    assert_is_example(TenxMTX(str(folder), var_names="gene_ids")())
    write_tenx_mtx(folder, prefix="GSM2_", version=2)
    assert_is_example(TenxMTX(str(folder), prefix="GSM2_", var_names="gene_ids")())
    choose = "set data.reader.prefix to one of 'GSM1_', 'GSM2_'"
    with pytest.raises(InputError, match=f"f has several samples: {choose}"):
        TenxMTX(str(folder))()
    with pytest.raises(InputError, match=f"f has no sample with prefix 'GSM3_': {choose}"):
        TenxMTX(str(folder), prefix="GSM3_")()
    matrix = folder / "GSM1_matrix.mtx.gz"
    assert_is_example(TenxMTX(str(matrix), var_names="gene_ids")())


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("6 4 1\n7 1 3\n", "Row index out of bounds"),
        ("6 4 1\n1 5 3\n", "Column index out of bounds"),
        ("6 4 1\n0 1 3\n", "Row index out of bounds"),
        ("6 4 1\n1 -1 3\n", "Column index out of bounds"),
        (f"6 4 1\n1 {2**70} 3\n", "Integer out of range"),
        ("6 4 1\n1.5 1 3\n", "Invalid integer value"),
        ("6 4 1\n1 1\n", "Invalid integer value"),
        ("6 4 2\n1 1 3\n", "Truncated file"),
        ("6 4 1\n1 1 3\n2 2 2\n", "Too many lines in file"),
        ("6 4 -1\n1 1 3\n", "NNZ can't be negative"),
        ("-6 4 1\n1 1 3\n", "dimensions can't be negative"),
    ],
)
def test_a_damaged_matrix_is_one_sentence(tmp_path, body, problem):
    folder = write_tenx_mtx(tmp_path / "f", compressed=False)
    banner = "%%MatrixMarket matrix coordinate integer general\n"
    (folder / "matrix.mtx").write_text(banner + body)
    with pytest.raises(InputError, match=problem) as caught:
        TenxMTX(str(folder))()
    assert "\n" not in str(caught.value)


def test_matrix_of_cells_by_genes_is_recognized(tmp_path):
    folder = write_tenx_mtx(tmp_path / "f", version=2, compressed=False)
    mmwrite(folder / "matrix.mtx", sparse.coo_matrix(COUNTS), field="integer")
    assert_is_example(TenxMTX(str(folder), var_names="gene_ids")())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"barcodes": BARCODES[:3]}, "4 columns, but barcodes.tsv.gz has 3 names"),
        ({"gene_ids": GENE_IDS[:5]}, "6 rows, but features.tsv.gz has 5 names .*'MT-CO1'"),
    ],
)
def test_numbers_of_names_must_match_the_matrix(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        TenxMTX(str(write_tenx_mtx(tmp_path / "f", **change)))()


def test_missing_names_file_and_subfolder_are_named(tmp_path):
    folder = write_tenx_mtx(tmp_path / "filtered")
    for read in (TenxMTX(str(tmp_path)), TenxMTX(str(tmp_path)).peek_contents):
        with pytest.raises(InputError, match="did you mean its folder filtered"):
            read()
    (folder / "features.tsv.gz").unlink()
    with pytest.raises(
        InputError, match=r"no features.tsv or genes.tsv \(or .gz\) in the same folder"
    ):
        TenxMTX(str(folder))()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("content", ["<html>\n<body>not found</body>\n", "%%MatrixMarket x\n1 2\n"])
def test_web_page_saved_as_a_matrix_is_rejected(tmp_path, packed, content):
    """With the open file itself, scipy's parser terminates the process."""
    folder = write_tenx_mtx(tmp_path / "f", compressed=packed)
    write_file(folder / f"matrix.mtx{'.gz' if packed else ''}", content, packed)
    with pytest.raises(InputError, match=r"cannot be read as a Matrix Market file: |is a web page"):
        TenxMTX(str(folder))()


@pytest.mark.parametrize("packed", [True, False])
def test_truncated_matrix_is_rejected(tmp_path, packed):
    folder = write_tenx_mtx(tmp_path / "f", compressed=packed)
    truncate_file(folder / f"matrix.mtx{'.gz' if packed else ''}")
    with pytest.raises(InputError, match=r"is damaged or|cannot be read as a Matrix Market"):
        TenxMTX(str(folder))()


@ignore_duplicate_names
@pytest.mark.parametrize("version", [2, 3])
def test_a_10x_h5_file_reads_as_in_scanpy(tmp_path, version):
    file = write_tenx_h5(tmp_path / "x.h5", version=version)
    actual, expected = TenxH5(str(file))(), sc.read_10x_h5(file)
    assert_same_data(actual, expected)
    assert list(actual.var["gene_ids"]) == list(expected.var["gene_ids"])


@pytest.mark.parametrize("key", ["id", "name"])
def test_a_10x_h5_file_with_ids_or_symbols_alone_is_read(tmp_path, key):
    path = write_tenx_h5(tmp_path / "x.h5")
    with h5py.File(path, "a") as file:  # as other programs write it
        del file["matrix/features"][key], file["matrix/features/genome"]
        file["matrix/features/genome"] = "GRCh38"
    adata = TenxH5(str(path), feature_type="")()
    names = GENE_SYMBOLS if key == "id" else GENE_IDS
    assert list(adata.var_names) == list(adata.var["gene_ids"]) == names
    assert list(adata.var.columns) == ["gene_ids", "feature_types"]
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS)


def test_a_10x_h5_file_can_name_genes_by_id(tmp_path):
    file = write_tenx_h5(tmp_path / "x.h5")
    assert_is_example(TenxH5(str(file), var_names="gene_ids", feature_type="")())


def test_several_genomes_of_version_2_are_ambiguous(tmp_path):
    file = str(write_tenx_h5(tmp_path / "x.h5", ("hg19", "mm10"), version=2))
    with pytest.raises(
        InputError, match=r"has 2 genomes: set data.reader.genome to one of hg19, mm10"
    ):
        TenxH5(file)()
    with pytest.raises(
        InputError, match=r"no genome 'mm9': set data.reader.genome to one of hg19, mm10"
    ):
        TenxH5(file, genome="mm9")()
    assert_is_example(TenxH5(file, genome="mm10", var_names="gene_ids")())


def test_several_genomes_of_version_3_are_kept_or_selected(tmp_path, caplog):
    file = str(write_tenx_h5(tmp_path / "x.h5", ("GRCh38", "mm10")))
    assert_is_example(TenxH5(file)(), GENE_SYMBOLS, slice(0, 5))
    assert "genes of several genomes (GRCh38, mm10), all of which are kept" in caplog.text
    assert_is_example(TenxH5(file, genome="mm10")(), GENE_SYMBOLS, slice(1, 5, 2))
    with pytest.raises(InputError, match="no genome 'hg19': it has GRCh38, mm10"):
        TenxH5(file, genome="hg19")()


def test_10x_h5_file_with_invalid_indices_is_rejected(tmp_path):
    file = write_tenx_h5(tmp_path / "x.h5")
    with h5py.File(file, "a") as opened:
        opened["matrix/indices"][0] = 99
    with pytest.raises(InputError, match="cannot be read as a 10x HDF5 file"):
        TenxH5(str(file))()
