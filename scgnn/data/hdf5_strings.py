"""Storage of variable-length strings in HDF5 files, checked before libhdf5 follows it.

libhdf5 crashes, never returns or clears gigabytes if their lengths or their heaps are damaged.
Strings are stored in global heaps, apart from the datasets and attributes that refer to them
(HDF5 File Format Specification, version 3, section III.E).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from pathlib import Path
from struct import Struct
from typing import Any

import numpy as np

from scgnn.errors import InputError

HEAP_SIGNATURE = re.compile(rb"GCOL\x01\x00\x00\x00")
# data type and rank of an attribute with strings, in both versions of the format
ATTRIBUTE = re.compile(
    rb"\x19\x01..\x10\0{3}.{12}(?:.{4}\x01(?P<rank>[\0\1])(?P<flags>.)\0{5}"
    rb"|\x02(?P<rank_2>[\0\1])(?P<flags_2>.).)",
    re.DOTALL,
)
VLEN_CLASS = 9  # of datatypes in the file format; its kinds are sequences and strings
VLEN_KINDS = (0, 1)
HEADER_SIZE = 16  # bytes, of a heap and of each object in it
OBJECT_HEADER = Struct("<H6xQ")  # index, 0 for the free rest of the heap, and size
REFERENCE_SIZE = 16  # bytes, of the length, address and index of a string


class StringStorage:
    """Storage of the strings of an HDF5 file, and the ranges that its datasets occupy.

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
            If a string is longer than the file, or the dataset larger than its shape.
        """
        import h5py

        if dataset.shape is None:  # holds nothing, but has an offset behind a user block
            return
        extents: list[tuple[int, int]] = []
        offset, properties = dataset.get_offset(), dataset.get_create_plist()
        references, value_size = _find_references(dataset.get_type(), name)
        if offset is not None:
            size = dataset.get_storage_size()
            if size > prod(dataset.shape) * max(value_size, REFERENCE_SIZE):
                raise _damage(name)
            extents.append((offset, offset + size))
        elif properties.get_layout() == h5py.h5d.CHUNKED and hasattr(dataset, "chunk_iter"):
            dataset.chunk_iter(lambda c: extents.append((c.byte_offset, c.byte_offset + c.size)))
        self.extents += extents
        if properties.get_nfilters():
            return
        for begin, end in extents if references else []:
            if self._has_long_string(begin, end, references, value_size):
                raise _damage(name)

    def _has_long_string(
        self,
        begin: int,
        end: int,
        references: Sequence[int] = (0,),
        value_size: int = REFERENCE_SIZE,
    ) -> bool:
        """Return whether a string in a range of values is longer than the file."""
        values = self.content[begin : end - (end - begin) % value_size].reshape(-1, value_size)
        lengths = (values[:, i : i + 4].copy().view("<u4") for i in references)
        return any(part.max(initial=0) > len(self.content) for part in lengths)

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
                if self._has_long_string(*self._locate_attribute(match)):
                    raise _damage(str(self.path))
            for match in HEAP_SIGNATURE.finditer(content, begin, end):
                if not self._is_heap_complete(match.start()):
                    raise _damage(str(self.path))

    def _is_heap_complete(self, begin: int) -> bool:
        """Return whether the objects of the global heap at an address fill it."""
        n_bytes = int.from_bytes(self.content[begin + 8 : begin + 16].tobytes(), "little")
        if not HEADER_SIZE <= n_bytes <= len(self.content) - begin:
            return False
        heap, position = self.content[begin : begin + n_bytes].tobytes(), HEADER_SIZE
        while position <= n_bytes - HEADER_SIZE:
            index, size = OBJECT_HEADER.unpack_from(heap, position)
            if not index and size < HEADER_SIZE:
                return False
            position += HEADER_SIZE + (size + 7) // 8 * 8 if index else size
        return position <= n_bytes

    def _locate_attribute(self, match: re.Match[bytes]) -> tuple[int, int]:
        """Return the range of the references of an attribute with strings."""
        rank = match["rank"] or match["rank_2"]
        if rank == b"\0":
            return match.end(), match.end() + REFERENCE_SIZE
        has_maximum = (match["flags"] or match["flags_2"])[0] % 2
        length = int.from_bytes(self.content[match.end() :][:8].tobytes(), "little")
        begin = match.end() + 8 * (1 + has_maximum)
        return begin, begin + min(length, len(self.content)) * REFERENCE_SIZE

    def _find_gaps(self) -> list[tuple[int, int]]:
        """Return the ranges between the datasets, which have the heaps and attributes."""
        gaps, begin = [], 0
        for start, stop in sorted([*self.extents, (len(self.content), len(self.content))]):
            if start > begin:
                gaps.append((begin, start))
            begin = max(begin, stop)
        return gaps


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
        _find_references(h5py.h5a.open(identifier, index=i).get_type(), name)


def _find_references(datatype: Any, name: str) -> tuple[list[int], int]:
    """Return where a stored value refers to strings, and its size, in bytes.

    In a file, a string takes more bytes than the pointer that the size of its type counts.
    """
    import h5py

    size = datatype.get_size()
    if isinstance(datatype, h5py.h5t.TypeCompoundID):
        references: list[int] = []
        growth = 0
        for i in range(datatype.get_nmembers()):
            member = datatype.get_member_type(i)
            inner, member_size = _find_references(member, name)
            references += [datatype.get_member_offset(i) + growth + place for place in inner]
            growth += member_size - member.get_size()
        return references, size + growth
    if isinstance(datatype, h5py.h5t.TypeArrayID):
        inner, size = _find_references(datatype.get_super(), name)
        n = prod(datatype.get_array_dims())
        return [i * size + place for i in range(n if inner else 0) for place in inner], n * size
    if not isinstance(datatype, h5py.h5t.TypeVlenID | h5py.h5t.TypeStringID):
        return [], size
    version_and_class, kind = datatype.encode()[2:4]
    if version_and_class % 16 != VLEN_CLASS:
        return [], size
    if kind % 16 not in VLEN_KINDS:
        raise _damage(name)
    return [0], REFERENCE_SIZE


def _damage(name: str) -> InputError:
    return InputError(f"{name} is damaged: copy or export it again")
