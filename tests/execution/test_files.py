"""Files on a disk that is full or limited, and long names."""

from __future__ import annotations

import logging
import os

import pytest

from scgnn.errors import FolderRemovedError
from scgnn.execution.files import truncate_name, write_atomic
from scgnn.runs.folder import LogFileHandler

HDF5 = "file write failed: time = Mon, file descriptor = 3, errno = {}, error message = '...'"


@pytest.mark.parametrize("cls", [RuntimeError, ValueError, KeyError])
def test_a_full_disk_inside_hdf5_names_the_file(tmp_path, cls):
    def fail(path):
        path.write_text("partial")
        raise cls(HDF5.format(28))

    with pytest.raises(OSError, match="No space left on device") as info:
        write_atomic(tmp_path / "result.h5ad", fail)
    assert (info.value.errno, info.value.filename) == (28, str(tmp_path / "result.h5ad"))
    assert not list(tmp_path.iterdir())


def test_other_errors_of_a_writer_stay(tmp_path):
    def fail(path):
        raise ValueError("not a disk error")

    with pytest.raises(ValueError, match="not a disk error"):
        write_atomic(tmp_path / "result.h5ad", fail)


def test_a_removed_folder_is_named_whatever_hdf5_raises(tmp_path):
    def fail(path):
        path.parent.rmdir()
        raise RuntimeError(HDF5.format(28))

    (tmp_path / "out").mkdir()
    with pytest.raises(FolderRemovedError, match="out: was removed during the run"):
        write_atomic(tmp_path / "out" / "result.h5ad", fail)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_log_without_room_is_lost_silently(capfd):
    handler = LogFileHandler("/dev/full", encoding="utf-8", errors="backslashreplace")
    handler.emit(logging.LogRecord("scgnn", logging.INFO, "", 0, "a message", (), None))
    handler.close()
    assert capfd.readouterr() == ("", "")


def test_a_log_takes_any_text(tmp_path):
    handler = LogFileHandler(tmp_path / "log.txt", encoding="utf-8", errors="backslashreplace")
    handler.emit(logging.LogRecord("scgnn", logging.INFO, "", 0, "gen\udce9 β", (), None))
    handler.close()
    assert (tmp_path / "log.txt").read_text(encoding="utf-8") == "gen\\udce9 β\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("short", "short"), ("x" * 12, "x" * 10), ("é" * 9, "é" * 5), ("細" * 9, "細" * 3), ("", "")],
)
def test_names_are_cut_to_bytes(name, expected):
    assert truncate_name(name, 10) == expected
