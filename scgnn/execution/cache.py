"""On-disk cache of stage values.

A value is an array, a sparse matrix, a number, or a NamedTuple or mapping of these. Files hold
arrays only, no pickles.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import stat
import types
import typing
import zipfile
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from scgnn.errors import FolderRemovedError, UserError
from scgnn.execution.files import write_atomic
from scgnn.execution.fingerprint import digest

log = logging.getLogger("scgnn")

ENTRY_FILE_PATTERN = re.compile(r"[0-9a-f]{32}\.npz")
CACHE_FORMAT = 2
READ_ONLY_ERRNOS = (errno.EACCES, errno.EPERM, errno.EROFS)
CSR_ARRAYS = ("data", "indices", "indptr")


class StageCost(NamedTuple):
    """Cost of a stage in the process that computed it."""

    label: str
    seconds: float
    peak_memory_mb: float  # highest resident memory of the process, in 10^6 bytes


class StageResult(NamedTuple):
    """Value of a stage, its cost, and whether it was read from a cache."""

    value: Any
    cost: StageCost
    from_cache: bool


class CacheEntry(NamedTuple):
    """File of a cache: key, size in bytes and last use."""

    key: str
    n_bytes: int
    last_used: float  # seconds since the epoch


class StageCache:
    """Values of stages by key, one ``.npz`` file each.

    Parameters
    ----------
    folder
        Folder of the files; created in its parent when the first value is saved.
    size_limit
        Size in bytes beyond which the least recently used values are removed; None sets no limit.
    """

    def __init__(self, folder: Path, size_limit: int | None = None) -> None:
        self.folder = folder.absolute()  # workers of a cluster have other working directories
        self.size_limit = size_limit

    def list_entries(self) -> list[CacheEntry]:
        """Return all entries, the least recently used first; files of other names are ignored."""
        entries = []
        for path in self.folder.glob("*.npz"):
            if ENTRY_FILE_PATTERN.fullmatch(path.name):
                with contextlib.suppress(OSError):  # removed by another process
                    status = path.stat()
                    if stat.S_ISREG(status.st_mode):
                        entry = CacheEntry(path.stem, status.st_size, status.st_mtime)
                        entries.append(entry)
        return sorted(entries, key=lambda entry: entry.last_used)

    def prepare(self) -> None:
        """Create the parent of the folder, and check that its values have the current format.

        Raises
        ------
        UserError
            The parent cannot be created, or the least recently used value has another format.
        """
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"cannot be created ({error.strerror})"
            raise UserError(f"{self.folder}: {problem}; choose another folder") from None
        for entry in self.list_entries()[:1]:
            arrays = _read_arrays(self._path(entry.key))
            if arrays is not None and not np.array_equal(arrays.get("format", 0), CACHE_FORMAT):
                advice = "choose another folder, or delete this one"
                raise UserError(f"{self.folder}: a cache of another version; {advice}")

    def shrink(self, size_limit: int) -> int:
        """Remove the least recently used values until at most ``size_limit`` bytes are left.

        Returns
        -------
        int
            Number of values removed.
        """
        entries = self.list_entries()[::-1]
        totals = accumulate(entry.n_bytes for entry in entries)
        excess = [e for e, total in zip(entries, totals, strict=True) if total > size_limit]
        for entry in excess:
            self._path(entry.key).unlink(missing_ok=True)
        return len(excess)

    def save(self, key: str, value: Any, cost: StageCost) -> None:
        """Save the value of a stage and its cost; a folder that is read-only stays as it is.

        Raises
        ------
        FolderRemovedError
            The parent of the folder no longer exists.
        """
        arrays = {"format": np.array(CACHE_FORMAT), "label": np.array(cost.label)}
        arrays["cost"] = np.array(cost[1:])
        _flatten("value", value, arrays)
        arrays["digest"] = np.array(_compute_digest(key, arrays))
        try:
            self.folder.mkdir(exist_ok=True)
            write_atomic(self._path(key), lambda path: np.savez(path, **arrays))  # type: ignore[arg-type]
        except FileNotFoundError:
            raise FolderRemovedError(self.folder.parent) from None
        except OSError as error:
            if error.errno in READ_ONLY_ERRNOS:
                _warn_once(self.folder, "is read-only; values that are not there yet are not saved")
            elif error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST):
                _warn_once(self._path(key), "is in the way; its value is not saved")
            else:
                raise
            return
        if self.size_limit is not None:
            self.shrink(self.size_limit)

    def load(self, key: str, value_type: Any) -> StageResult | None:
        """Return a saved value as ``value_type``, or None.

        A file that cannot be read, or has not the content that was saved by this key, counts as
        absent: its stage is computed again.
        """
        path = self._path(key)
        try:
            arrays = _read_arrays(path)
            if arrays is None or str(arrays.pop("digest")) != _compute_digest(key, arrays):
                return None
            cost = StageCost(str(arrays["label"]), *arrays["cost"].tolist())
            value = _restore("value", value_type, arrays)
        except Exception:  # of another version of this class
            return None
        with contextlib.suppress(OSError):  # of a cache without write permission
            os.utime(path)
        return StageResult(value, cost, True)

    def read_stage_label(self, key: str) -> str:
        """Return the label of the stage with a key, or ``unreadable`` if its file is damaged."""
        arrays = _read_arrays(self._path(key), ("label",))
        return "unreadable" if arrays is None else str(arrays.get("label", "unreadable"))

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npz"


def _read_arrays(path: Path, names: Iterable[str] | None = None) -> dict[str, np.ndarray] | None:
    """Return the arrays of a file, or those with some names; None if it cannot be read."""
    if not path.is_file():  # a device or pipe has no end
        return None
    try:
        with path.open("rb") as file:
            with zipfile.ZipFile(file) as archive:
                n_bytes = sum(entry.file_size for entry in archive.infolist())
            if n_bytes > os.fstat(file.fileno()).st_size:  # nothing here is compressed
                return None
            with np.load(file, allow_pickle=False) as entries:
                chosen = entries.files if names is None else set(names) & set(entries.files)
                return {name: entries[name] for name in chosen}
    except Exception:  # a damaged file raises anything, MemoryError included
        return None


def _compute_digest(key: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Return a hash of the key, names, types, shapes and values."""
    chunks: list[Any] = [key]
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        chunks += [name, array.dtype.str, str(arrays[name].shape), array.view(np.uint8).data]
    return digest(*chunks)


@cache
def _warn_once(path: Path, problem: str) -> None:
    log.warning(f"{path}: {problem}")


def _flatten(name: str, value: Any, arrays: dict[str, np.ndarray]) -> None:
    """Add the arrays of a value to ``arrays``, by their path in the value."""
    items: Any = {}
    if sparse.issparse(value):
        items = {word: getattr(value, word) for word in CSR_ARRAYS}
        items["shape"] = np.array(value.shape)
    elif isinstance(value, dict):
        arrays[f"{name}/"] = np.array(list(value), dtype=str)
        items = value
    elif hasattr(value, "_asdict"):
        items = value._asdict()
    elif value is not None:
        arrays[name] = np.asarray(value)
    for key, item in items.items():
        _flatten(f"{name}/{key}", item, arrays)


def _restore(name: str, value_type: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Return the value of a path as ``value_type``."""
    if typing.get_origin(value_type) in (types.UnionType, typing.Union):
        if not any(key == name or key.startswith(f"{name}/") for key in arrays):
            return None
        value_type = next(t for t in typing.get_args(value_type) if t is not types.NoneType)
    if typing.get_origin(value_type) is dict:
        item_type = typing.get_args(value_type)[1]
        keys = map(str, arrays[f"{name}/"])
        return {key: _restore(f"{name}/{key}", item_type, arrays) for key in keys}
    if value_type is sparse.csr_matrix:
        parts = tuple(arrays[f"{name}/{word}"] for word in CSR_ARRAYS)
        return sparse.csr_matrix(parts, shape=tuple(arrays[f"{name}/shape"]))
    if hasattr(value_type, "_fields"):
        hints = typing.get_type_hints(value_type)
        return value_type(*(_restore(f"{name}/{f}", hints[f], arrays) for f in value_type._fields))
    return arrays[name] if value_type is np.ndarray else arrays[name].item()
