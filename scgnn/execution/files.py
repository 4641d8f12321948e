"""Atomic file writes: a temporary file beside the target, then a rename."""

from __future__ import annotations

import csv
import os
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

FileContent: TypeAlias = str | Iterable[Iterable[Any]] | Callable[[Path], Any]

TEMPORARY_FILE_PATTERN = re.compile(r"\.[0-9a-f]{32}\..+")


def write_atomic(path: Path, content: FileContent, *, sync: bool = False) -> None:
    """Write a file that is either complete or absent, whenever the process ends.

    Parameters
    ----------
    path
        File to write; an existing one is replaced.
    content
        Text, rows of a CSV table, or a function that writes to the path it receives.
    sync
        Whether to flush the file to the disk before the rename.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}.{path.name}")  # TEMPORARY_FILE_PATTERN
    try:
        if isinstance(content, str):
            temporary.write_text(content, encoding="utf-8", newline="")
        elif callable(content):
            content(temporary)
        else:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows(content)
        if sync:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_files(folder: Path, contents: Mapping[str, FileContent]) -> list[Path]:
    """Write files by name, in order, and return their paths."""
    for name, content in contents.items():
        write_atomic(folder / name, content)
    return [folder / name for name in contents]


def remove_temporary_files(folder: Path) -> None:
    """Remove the temporary files of a killed process, subfolders included."""
    for root, _, names in os.walk(folder):
        for name in filter(TEMPORARY_FILE_PATTERN.fullmatch, names):
            Path(root, name).unlink()
