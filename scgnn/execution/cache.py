"""A folder that keeps the values of stages: numbers and arrays, never code.

A value is an array, a sparse matrix, a number, or a NamedTuple or mapping of those. It is written
whole to a name of its own and then renamed, so a value that is there is complete.
"""

from __future__ import annotations

import contextlib
import os
import re
import types
import typing
import uuid
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

ENTRY_FILE_PATTERN = re.compile(
    r"[0-9a-f]{32}\.npz"
)  # values of stages; other files are somebody else's


class CachedValue(NamedTuple):
    """A value of a stage, and what it took: stage, seconds and megabytes."""

    value: Any
    cost: tuple[str, float, float]


class CacheEntry(NamedTuple):
    """A value in a store: its key, its size in bytes, and when it was last used."""

    key: str
    n_bytes: int
    last_used: float  # seconds since the epoch


class StageCache:
    """Values of stages by key, one .npz file each.

    Parameters
    ----------
    folder
        Made when the first value is saved.
    limit
        Bytes; beyond it the values least recently used are removed. None keeps all.
    """

    def __init__(self, folder: Path, size_limit: int | None = None) -> None:
        self.folder, self.size_limit = folder, size_limit

    def list_entries(self) -> list[CacheEntry]:
        """What is kept, the least recently used first."""
        found = []
        for path in filter(
            lambda path: ENTRY_FILE_PATTERN.fullmatch(path.name), self.folder.glob("*.npz")
        ):
            with contextlib.suppress(FileNotFoundError):  # another process removed it
                kept = path.stat()
                found.append(CacheEntry(path.stem, kept.st_size, kept.st_mtime))
        return sorted(found, key=lambda entry: entry.last_used)

    def shrink(self, size_limit: int) -> int:
        """Remove the values least recently used until at most ``limit`` bytes are left.

        Returns
        -------
        int
            How many were removed.
        """
        kept = self.list_entries()
        excess, removed = sum(entry.n_bytes for entry in kept) - size_limit, 0
        for entry in kept:
            if excess <= 0:
                break
            (self.folder / f"{entry.key}.npz").unlink(missing_ok=True)
            excess, removed = excess - entry.n_bytes, removed + 1
        return removed

    def save(self, key: str, value: Any, cost: tuple[str, float, float]) -> None:
        """Keep a value under a key, and what it took: stage, seconds and megabytes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = {"label": np.array(cost[0]), "cost": np.array(cost[1:])}
        _flatten("value", value, arrays)
        unfinished = self.folder / f"{key}.{uuid.uuid4().hex}.part"
        try:
            with unfinished.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self.folder / f"{key}.npz")
        finally:
            unfinished.unlink(missing_ok=True)
        if self.size_limit is not None:
            self.shrink(self.size_limit)

    def load(self, key: str, value_type: Any) -> CachedValue | None:
        """The value kept under a key, in the form of the type ``wanted``; None if there is none.

        A file that cannot be read counts as absent, and its stage runs again.
        """
        try:
            with (
                (self.folder / f"{key}.npz").open("rb") as file,
                np.load(file, allow_pickle=False) as entries,
            ):
                arrays = {name: entries[name] for name in entries.files}
            seconds, megabytes = arrays["cost"].tolist()
        except (OSError, zipfile.BadZipFile, ValueError, EOFError, KeyError):
            return None
        with contextlib.suppress(OSError):  # a store that can only be read
            os.utime(file.name)  # it was used now
        return CachedValue(
            _restore("value", value_type, arrays), (str(arrays["label"]), seconds, megabytes)
        )

    def read_stage_label(self, key: str) -> str:
        """The name of the stage whose value is kept under a key; unreadable if it is damaged."""
        try:
            with np.load(self.folder / f"{key}.npz", allow_pickle=False) as entries:
                return str(entries["label"])
        except (OSError, zipfile.BadZipFile, ValueError, EOFError, KeyError):
            return "unreadable"


def _flatten(name: str, value: Any, arrays: dict[str, np.ndarray]) -> None:
    if sparse.issparse(value):
        for word in ("data", "indices", "indptr"):
            arrays[f"{name}/{word}"] = getattr(value, word)
        arrays[f"{name}/shape"] = np.array(value.shape)
    elif isinstance(value, dict):
        arrays[f"{name}/"] = np.array(list(value), dtype=str)
        for key, item in value.items():
            _flatten(f"{name}/{key}", item, arrays)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for field, item in zip(value._fields, value, strict=True):
            _flatten(f"{name}/{field}", item, arrays)
    elif value is not None:
        arrays[name] = np.asarray(value)


def _restore(name: str, value_type: Any, arrays: dict[str, np.ndarray]) -> Any:
    if typing.get_origin(value_type) in (types.UnionType, typing.Union):
        if not any(key == name or key.startswith(f"{name}/") for key in arrays):
            return None
        value_type = next(
            option for option in typing.get_args(value_type) if option is not type(None)
        )
    if typing.get_origin(value_type) is dict:
        inner = typing.get_args(value_type)[1]
        keys = [str(key) for key in arrays[f"{name}/"]]
        return {key: _restore(f"{name}/{key}", inner, arrays) for key in keys}
    if value_type is sparse.csr_matrix:
        words = tuple(arrays[f"{name}/{word}"] for word in ("data", "indices", "indptr"))
        return sparse.csr_matrix(words, shape=tuple(arrays[f"{name}/shape"]))
    if hasattr(value_type, "_fields"):
        hints = typing.get_type_hints(value_type)
        return value_type(*(_restore(f"{name}/{f}", hints[f], arrays) for f in value_type._fields))
    return arrays[name] if value_type is np.ndarray else arrays[name].item()
