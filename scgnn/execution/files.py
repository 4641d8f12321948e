"""files"""

from __future__ import annotations

import csv
import os
import re
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

TEMPORARY_FILE_PATTERN = re.compile(r"\.[0-9a-f]{32}\..+")  # names of files that are being written


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a file of another name beside ``path``, then rename it."""
    unfinished = path.with_name(f".{uuid.uuid4().hex}.{path.name}")  # as UNFINISHED has it
    try:
        write(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    write_atomic(path, lambda part: _write_text(part, text))


def write_files(out: Path, writers: Mapping[str, Callable[[Path], None]]) -> list[Path]:
    """Write files whole, one after the other."""
    for name, write in writers.items():
        write_atomic(out / name, write)
    return [out / name for name in writers]


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _write_csv(path: Path, rows: list[Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
