"""Matrix Market files."""

from __future__ import annotations

import os
import zlib
from gzip import GzipFile
from math import prod
from pathlib import Path
from typing import IO, cast

from scipy.sparse import coo_matrix

from scgnn.components.readers.contract import (
    MAX_LINE_LENGTH,
    iter_lines,
    open_maybe_gzip,
    resolve_file,
    translate_read_errors,
)
from scgnn.errors import InputError

MAX_BANNER_LENGTH = 1024
MAX_GZIP_COMPRESSION = 1032
MIN_BYTES_PER_VALUE = 4  # "1 1" and the end of the line; a dense matrix has one value in a line


def read_matrix_market(path: Path) -> coo_matrix:
    """Return the matrix of a Matrix Market file, plain or .gz.

    Raises
    ------
    InputError
        If it cannot be read, has no values (pattern), or declares more of them than it can hold.
    """
    from scipy.io import mmread

    path = resolve_file(os.fspath(path))
    with translate_read_errors(path, "a Matrix Market file"):
        with open_maybe_gzip(path) as file:
            _check_matrix_field(file.readline(MAX_BANNER_LENGTH), path)
        with open_maybe_gzip(path) as file:
            _check_matrix_size(file, path)
        with open_maybe_gzip(path) as file:
            stream = SafeStream(file)
            try:
                return coo_matrix(mmread(cast(IO[bytes], stream)))
            finally:
                if stream.error is not None:
                    raise stream.error


def _check_matrix_field(banner: bytes, path: Path) -> None:
    words = banner.decode("latin-1").lower().split()
    if "pattern" in words or "complex" in words:
        problem = "without values (pattern)" if "pattern" in words else "of complex numbers"
        raise InputError(f"{path} is a matrix {problem}, not of counts: export the counts")


def _check_matrix_size(file: IO[bytes], path: Path) -> None:
    """Check that a Matrix Market file can hold the number of values in its header.

    What is not a header is left to the parser.
    """
    length = 0
    for line in iter_lines(file, path):
        length += len(line)
        if length > MAX_LINE_LENGTH:
            raise InputError(f"{path} has more than {MAX_LINE_LENGTH:,} characters of comments")
        if line.strip() and not line.startswith("%"):
            break
    else:
        return
    try:
        *shape, n_values = map(int, line.split())
    except ValueError:
        return
    is_dense = len(shape) == 1
    n_values *= prod(shape) if is_dense else 1
    min_size = n_values * (1 if is_dense else MIN_BYTES_PER_VALUE)
    n_bytes = path.stat().st_size * (MAX_GZIP_COMPRESSION if isinstance(file, GzipFile) else 1)
    if min_size > n_bytes:
        problem = f"declares {n_values:,} values, more than its file can hold"
        raise InputError(f"{path} {problem}: copy or export it again")


class SafeStream:
    """Read-only stream that ends where its data are damaged, and keeps the error.

    An exception in ``read`` or ``seek`` can terminate the process in scipy's parser, which is C++,
    e.g. for an HTML page saved as ``matrix.mtx``. The parser stores whole lines, so that a line of
    excessive length is damage, too.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.error: Exception | None = None
        self.line_length = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, or none if the file is damaged."""
        try:
            data = self.file.read(size)
        except (EOFError, OSError, zlib.error) as error:
            self.error = error
            return b""
        end = data.rfind(b"\n")
        self.line_length = len(data) - end - 1 if end >= 0 else self.line_length + len(data)
        if self.line_length <= MAX_LINE_LENGTH:
            return data
        self.error = ValueError(f"a line has more than {MAX_LINE_LENGTH:,} characters")
        return b""
