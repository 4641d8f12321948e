"""Writing of .h5ad files to disks that may be full."""

from __future__ import annotations

import os
from inspect import isfunction
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from scgnn.signals import defer_signals

if TYPE_CHECKING:
    from anndata import AnnData


class DiskFile:
    """File for HDF5 that raises the first error of the disk when it is closed.

    HDF5 prints tracebacks, and may crash the process, if it cannot write what is left when it
    closes a file. After the first error, nothing is written and missing bytes are zeros.

    Parameters
    ----------
    path
        File to write; an existing one is replaced.
    """

    def __init__(self, path: Path) -> None:
        self.error: OSError | None = None
        self._file = path.open("w+b", buffering=0)
        self._size = 0  # with what could not be written

    def __enter__(self) -> DiskFile:
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()
        if self.error is not None:
            raise self.error

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            offset, whence = self._size + offset, os.SEEK_SET
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int) -> bytes:
        return self._file.read(size).ljust(size, b"\0")

    def readinto(self, buffer: memoryview) -> int:
        buffer[:] = self.read(len(buffer))
        return len(buffer)

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        n_bytes = len(view)
        self._size = max(self._size, self.tell() + n_bytes)
        while view and self.error is None:
            try:
                view = view[self._file.write(view) :]
            except OSError as error:
                self.error = error
        return n_bytes

    def truncate(self, size: int) -> int:
        self._size = size
        if self.error is None:
            try:
                self._file.truncate(size)
            except OSError as error:
                self.error = error
        return size

    def flush(self) -> None:
        pass


_WEAKREF = WeakValueDictionary.get.__code__.co_filename
_CALLBACKS = {method.__code__ for method in vars(DiskFile).values() if isfunction(method)}


def _is_callback(frame: FrameType | None) -> bool:
    """Return whether exceptions are lost, as in methods that HDF5 calls and in destructors."""
    while frame is not None:
        code = frame.f_code
        if code in _CALLBACKS or code.co_filename == _WEAKREF or code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def write_h5ad(adata: AnnData, path: Path) -> None:
    """Write an AnnData as its own method does, compressed.

    Raises
    ------
    OSError
        The disk is full or cannot be written.
    """
    import h5py
    from anndata.io import write_elem

    adata.strings_to_categoricals()
    if adata.raw is not None:
        adata.strings_to_categoricals(adata.raw.var)
    with defer_signals(_is_callback), DiskFile(path) as file, h5py.File(file, "w") as store:
        write_elem(store, "/", adata, dataset_kwargs={"compression": "gzip"})
