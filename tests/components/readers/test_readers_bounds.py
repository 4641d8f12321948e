"""Bounds of what readers read: special files, long lines, declared sizes, random damage."""

from __future__ import annotations

import gzip
import importlib.util
import os
import socket
import sys
from pathlib import Path

import pytest

from example_files import BARCODES, assert_is_example, write_file, write_table, write_tenx_mtx
from scgnn.components.readers import (
    CSV,
    H5AD,
    Reader,
    TenxMTX,
    contract,
    delimited,
    detect_reader,
    matrix_folder,
    matrix_market,
)
from scgnn.errors import InputError
from scgnn.evaluation.targets import load_true_counts

READERS = ("h5ad", "zarr", "loom", "tenx_h5", "tenx_mtx", "csv")


@pytest.fixture
def short_lines(monkeypatch):
    for module in (contract, delimited, matrix_market):
        monkeypatch.setattr(module, "MAX_LINE_LENGTH", 1000)


@pytest.mark.parametrize("read", [detect_reader, *READERS])
def test_special_files_are_refused_without_being_opened(tmp_path, read):
    fifo = tmp_path / "fifo.h5ad"
    os.mkfifo(fifo)
    endpoint = socket.socket(socket.AF_UNIX)
    endpoint.bind(str(tmp_path / "socket"))
    for path in (fifo, tmp_path / "socket", "/dev/zero"):
        with pytest.raises(InputError, match=r"is a pipe, socket or device, .*: copy its content"):
            read(str(path)) if callable(read) else Reader.get(read)(str(path))()
    endpoint.close()


@pytest.mark.parametrize("name", ["matrix.mtx", "barcodes.tsv", "features.tsv"])
def test_special_files_in_a_10x_folder_are_refused(tmp_path, name):
    folder = write_tenx_mtx(tmp_path / "f", compressed=False)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(InputError, match=f"{name} is a pipe, socket or device"):
        TenxMTX(str(folder))()


def test_a_special_file_as_truth_is_refused(tmp_path):
    os.mkfifo(tmp_path / "truth")
    with pytest.raises(InputError, match=r"^data.truth_path: .*truth is a pipe, socket or device"):
        load_true_counts(None, str(tmp_path / "truth"))


@pytest.mark.parametrize("name", ["x" * 5000, "a/" * 3000 + "x", "nul\0byte"])
def test_impossible_paths_are_refused(name):
    with pytest.raises(InputError, match=r"File name too long|not a path|does not exist"):
        H5AD(name)()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    "content", [b"\0" * 5000, b"a," * 5000, b"id,a,b\n" + b"x" * 5000, b"id,a\n" + b"\n" * 5000]
)
def test_long_lines_end_the_detection(tmp_path, short_lines, packed, content):
    file = write_file(tmp_path / "x.csv", content, packed)
    for read in (detect_reader, lambda path: CSV(path)()):
        with pytest.raises(InputError, match=r"has a line of more than 1,000|is not a t") as e:
            read(str(file))
        assert "\n" not in str(e.value)


def test_the_detection_reads_little_of_a_large_file(tmp_path, short_lines, monkeypatch):
    """A line of 2 GB takes 2 MB as .gz."""
    file = tmp_path / "x.csv.gz"
    file.write_bytes(gzip.compress(b"a," * 2**22))
    sizes = []
    read = gzip.GzipFile.read1

    def count(self, size=-1):
        sizes.append(size)
        return read(self, size)

    monkeypatch.setattr(gzip.GzipFile, "read1", count)
    with pytest.raises(InputError, match=r"has a line of more than 1,000 characters"):
        detect_reader(str(file))
    assert sum(sizes) < 2**16


def test_a_table_of_lines_below_the_bound_is_read(tmp_path, monkeypatch):
    for module in (contract, delimited):
        monkeypatch.setattr(module, "MAX_LINE_LENGTH", 120)
    assert_is_example(CSV(str(write_table(tmp_path / "x.csv")))())


@pytest.mark.parametrize("part", ["barcodes.tsv", "features.tsv", "matrix.mtx"])
@pytest.mark.parametrize("packed", [True, False])
def test_long_lines_of_a_10x_folder_are_refused(tmp_path, short_lines, part, packed):
    folder = write_tenx_mtx(tmp_path / "f", compressed=packed)
    file = folder / f"{part}{'.gz' if packed else ''}"
    data = gzip.decompress(file.read_bytes()) if packed else file.read_bytes()
    write_file(file, data + b"1" * 5000, packed)
    with pytest.raises(InputError, match=r"line (of|has) more than 1,000 characters"):
        TenxMTX(str(folder))()


@pytest.mark.parametrize("comment", [b"%" + b"x" * 5000 + b"\n", b"% comment\n" * 500])
def test_long_comments_of_a_matrix_are_refused(tmp_path, short_lines, comment):
    folder = write_tenx_mtx(tmp_path / "f", compressed=False)
    banner, _, rest = (folder / "matrix.mtx").read_bytes().partition(b"\n")
    (folder / "matrix.mtx").write_bytes(banner + b"\n" + comment + rest)
    with pytest.raises(InputError, match=r"more than 1,000 characters"):
        TenxMTX(str(folder))()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    "header",
    [
        "coordinate integer general\n6 4 1000000000000",
        "coordinate integer symmetric\n6 6 1000000000000",
        "array real general\n1000000 1000000",
    ],
)
def test_a_matrix_that_declares_more_values_than_it_has_is_refused(tmp_path, packed, header):
    folder = write_tenx_mtx(tmp_path / "f", compressed=packed)
    content = f"%%MatrixMarket matrix {header}\n1 1 1\n"
    write_file(folder / f"matrix.mtx{'.gz' if packed else ''}", content, packed)
    with pytest.raises(InputError, match=r"declares 1,000,000,000,000 values, more than its"):
        TenxMTX(str(folder))()


def test_a_matrix_that_declares_a_large_shape_is_refused(tmp_path):
    folder = write_tenx_mtx(tmp_path / "f", compressed=False)
    header = "%%MatrixMarket matrix coordinate integer general\n1000000000000 4 1\n1 1 1\n"
    (folder / "matrix.mtx").write_text(header)
    with pytest.raises(InputError, match=r"1,000,000,000,000 rows, but features.tsv has 6 names"):
        TenxMTX(str(folder))()


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        ("barcodes.tsv", "4 columns, but barcodes.tsv.gz has more than 4 names"),
        ("features.tsv", "6 rows, but features.tsv.gz has more than 6 names"),
    ],
)
def test_only_as_many_names_are_read_as_the_matrix_has(tmp_path, monkeypatch, part, problem):
    folder = write_tenx_mtx(tmp_path / "f")
    write_file(folder / f"{part}.gz", b"name\n" * 10**6, compressed=True)
    n_lines = 0

    def count_lines(file, path):
        nonlocal n_lines
        for line in contract.iter_lines(file, path):
            n_lines += 1
            yield line

    monkeypatch.setattr(matrix_folder, "iter_lines", count_lines)
    with pytest.raises(InputError, match=problem):
        TenxMTX(str(folder))()
    assert n_lines < 20


def test_blank_lines_of_name_files_are_ignored(tmp_path):
    folder = write_tenx_mtx(tmp_path / "f", compressed=False)
    (folder / "barcodes.tsv").write_bytes("\r\n".join([*BARCODES, "", ""]).encode())
    assert list(TenxMTX(str(folder))().obs_names) == BARCODES


def test_randomly_damaged_files_are_read_or_refused(tmp_path, monkeypatch):
    path = Path(__file__).parents[3] / "benchmarks" / "fuzz_readers.py"
    spec = importlib.util.spec_from_file_location("fuzz_readers", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fuzz_readers", module)  # for its dataclasses
    spec.loader.exec_module(module)
    formats = ["h5ad_gzip_layers_raw", "h5ad_blocks", "tenx_h5_v3", "tenx_mtx_gzip", "csv", "loom"]
    results = list(module.fuzz(36, 5, [*formats, "zarr"], 1, tmp_path))
    assert {outcome.kind for _, outcome, _ in results} == {"read", "refused"}
    assert len(results) == 36
