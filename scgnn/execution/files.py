"""Atomic file writes: a temporary file beside the target, then a rename."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from scgnn.errors import FolderRemovedError

if TYPE_CHECKING:
    import pandas as pd

FileContent: TypeAlias = str | Iterable[Iterable[Any]] | Callable[[Path], Any]

TEMPORARY_FOLDER_PREFIX = "scgnn-"  # the number of the process follows
TEMPORARY_FILE_PATTERN = re.compile(r"\.[0-9a-f]{32}\..+")


def write_atomic(path: Path, content: FileContent) -> None:
    """Write a file that is complete or absent, whenever the process ends or the power fails.

    Parameters
    ----------
    path
        File to write; an existing one is replaced.
    content
        Text, rows of a CSV table, or a function that writes to the path it receives.

    Raises
    ------
    FolderRemovedError
        The folder no longer exists.
    OSError
        The file cannot be written; names ``path``.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}.{path.name}")  # TEMPORARY_FILE_PATTERN
    try:
        if isinstance(content, str):
            temporary.write_text(content, encoding="utf-8", newline="")
        elif callable(content):
            content(temporary)
        else:
            with CsvFile(temporary) as file:
                csv.writer(file, lineterminator=CsvFile.LINE_END).writerows(content)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except Exception as error:
        number = _find_errno(error)
        if not path.parent.is_dir() and (number is not None or isinstance(error, OSError)):
            raise FolderRemovedError(path.parent) from None
        if number is not None:
            raise OSError(number, os.strerror(number), str(path)) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


class CsvFile(io.TextIOWrapper):
    """Text file for the rows of a CSV writer, one per call of :meth:`write`.

    Writers quote the characters of their line end. With this one they quote line feeds and
    carriage returns, which would both split a row; the file has line feeds only.
    """

    LINE_END = "\r\n"

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("wb"), encoding="utf-8", newline="")

    def write(self, row: str) -> int:
        """Write a row, or another piece of text."""
        is_row = row.endswith(self.LINE_END)
        return super().write(row.removesuffix(self.LINE_END) + "\n" if is_row else row)


def frame_to_csv(frame: pd.DataFrame, *, index: bool) -> Callable[[Path], None]:
    """Return the content of a CSV file with a table, with or without its index."""

    def write(path: Path) -> None:
        with CsvFile(path) as file:
            frame.to_csv(file, index=index, lineterminator=CsvFile.LINE_END)

    return write


def write_files(folder: Path, contents: Mapping[str, FileContent]) -> list[Path]:
    """Write files by name, in order, and return their paths."""
    for name, content in contents.items():
        write_atomic(folder / name, content)
        _sync_folder(folder)  # before the next file: the last one marks the end
    return [folder / name for name in contents]


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not on Windows
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _find_errno(error: Exception) -> int | None:
    """Return the number of an error of the system, which HDF5 has in its text only."""
    number: int | None = getattr(error, "errno", None)
    match = re.search(r"errno = (\d+)", str(error))
    return int(match[1]) if number is None and match else number


def truncate_name(name: str, max_bytes: int) -> str:
    """Return the beginning of a file name, of at most ``max_bytes`` in UTF-8."""
    return name.encode(errors="ignore")[:max_bytes].decode(errors="ignore")


def remove_temporary_files(folder: Path) -> None:
    """Remove the temporary files of a killed process, subfolders included."""
    for root, _, names in os.walk(folder):
        for name in filter(TEMPORARY_FILE_PATTERN.fullmatch, names):
            Path(root, name).unlink()
