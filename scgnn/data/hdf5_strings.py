"""Storage of variable-length strings in HDF5 files, checked before libhdf5 follows it.

libhdf5 crashes, never returns or clears gigabytes if their lengths or their heaps are damaged.
Strings are stored in global heaps, apart from the datasets and attributes that refer to them
(HDF5 File Format Specification, version 3, section III.E).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from scgnn.errors import InputError

HEAP_SIGNATURE = re.compile(rb"GCOL\x01\x00\x00\x00")
# the datatype of a string, a scalar, and the length in a reference: attributes of both versions
ATTRIBUTE = re.compile(
    rb"\x19\x01..\x10\x00{3}(?:.{16}\x01\x00{7}|.{12}\x02\x00{3})(.{4})", re.DOTALL
)
VLEN_CLASS = 9  # of datatypes in the file format; its kinds are sequences and strings
VLEN_KINDS = (0, 1)
HEADER_SIZE = 16  # bytes, of a heap and of each object in it
REFERENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])


class StringStorage:
    """What the datasets of an HDF5 file occupy of it.

    Parameters
    ----------
    path
        Path of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content: Any = np.memmap(path, np.uint8, "r")
        self.extents: list[tuple[int, int]] = []

    def add(self, dataset: Any, name: str) -> None:
        """Add a dataset, and check the lengths of its strings if they are not compressed.

        Parameters
        ----------
        dataset
            Low-level identifier of h5py.
        name
            Name of the dataset in messages.

        Raises
        ------
        InputError
            If a string is longer than the file.
        """
        import h5py

        extents: list[tuple[int, int]] = []
        offset, properties = dataset.get_offset(), dataset.get_create_plist()
        if offset is not None:
            extents.append((offset, offset + dataset.get_storage_size()))
        elif properties.get_layout() == h5py.h5d.CHUNKED and hasattr(dataset, "chunk_iter"):
            dataset.chunk_iter(lambda c: extents.append((c.byte_offset, c.byte_offset + c.size)))
        self.extents += extents
        if (
            _check_type(dataset.get_type(), name)
            and not properties.get_nfilters()
            and any(self._has_long_string(begin, end) for begin, end in extents)
        ):
            raise _damage(name)

    def _has_long_string(self, begin: int, end: int) -> bool:
        """Return whether a string in a range of references is longer than the file."""
        end = begin + (end - begin) // REFERENCE.itemsize * REFERENCE.itemsize
        lengths = self.content[begin:end].view(REFERENCE)["length"]
        return bool(lengths.max(initial=0) > len(self.content))

    def check_heaps(self) -> None:
        """Check the lengths of attributes, and that objects fit in their heaps.

        Raises
        ------
        InputError
            If they do not.
        """
        content = memoryview(self.content)
        gaps = self._find_gaps()
        for begin, end in gaps:
            for match in ATTRIBUTE.finditer(content, begin, end):
                if int.from_bytes(match[1], "little") > len(content):
                    raise _damage(str(self.path))
        found = [m.start() for gap in gaps for m in HEAP_SIGNATURE.finditer(content, *gap)]
        found = [address for address in found if address + HEADER_SIZE <= len(content)]
        addresses = np.array(found, dtype=np.int64)
        rest = self._read(addresses + 8, "<u8")  # bytes until the end of the heap
        is_damaged = (rest < HEADER_SIZE) | (rest > len(self.content) - addresses)
        position, step = addresses, np.full(len(addresses), HEADER_SIZE)
        while not is_damaged.any():
            position, rest = position + step, rest.astype(np.int64) - step
            has_object = rest >= HEADER_SIZE
            position, rest = position[has_object], rest[has_object]
            if not len(position):
                return
            is_used = self._read(position, "<u2") > 0  # else the rest of the heap is free
            size = self._read(position + 8, "<u8")
            step = np.where(is_used, HEADER_SIZE + (size + 7) // 8 * 8, size).astype(np.int64)
            is_damaged = (size > rest) | (step < HEADER_SIZE) | (step > rest)
        raise _damage(str(self.path))

    def _find_gaps(self) -> list[tuple[int, int]]:
        """Return the ranges between the datasets, which have the heaps and attributes."""
        gaps, begin = [], 0
        for start, stop in sorted([*self.extents, (len(self.content), len(self.content))]):
            if start > begin:
                gaps.append((begin, start))
            begin = max(begin, stop)
        return gaps

    def _read(self, positions: np.ndarray, dtype: str) -> np.ndarray:
        """Return the number at each position of the file."""
        width = np.dtype(dtype).itemsize
        return self.content[positions[:, None] + np.arange(width)].view(dtype)[:, 0]


def check_attribute_types(identifier: Any, name: str) -> None:
    """Check the data types of the attributes of an object in an HDF5 file.

    Parameters
    ----------
    identifier
        Low-level identifier of h5py.
    name
        Name of the object in messages.

    Raises
    ------
    InputError
        If one has strings of an unknown kind.
    """
    import h5py

    for i in range(h5py.h5a.get_num_attrs(identifier)):
        _check_type(h5py.h5a.open(identifier, index=i).get_type(), name)


def _check_type(datatype: Any, name: str) -> bool:
    """Check the kind of a data type, and return whether its values have variable lengths."""
    import h5py

    if not isinstance(datatype, h5py.h5t.TypeVlenID | h5py.h5t.TypeStringID):
        return False
    version_and_class, kind = datatype.encode()[2:4]
    if version_and_class % 16 != VLEN_CLASS:
        return False
    if kind % 16 not in VLEN_KINDS:
        raise _damage(name)
    return True


def _damage(name: str) -> InputError:
    return InputError(f"{name} has damaged strings: copy or export it again")
