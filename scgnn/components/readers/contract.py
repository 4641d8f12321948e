"""Contract of readers, and access to files with readable errors."""

from __future__ import annotations

import gzip
import io
import logging
import os
import stat
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from scipy.sparse import csr_matrix

from scgnn.arguments import expand_local_path, is_unicode
from scgnn.components.readers.foreign_formats import check_not_foreign
from scgnn.data.layers import AUTO, MAIN, find_counts
from scgnn.data.sparse_structure import check_matrices
from scgnn.errors import InputError
from scgnn.interface import by_interface
from scgnn.registry.component import Component

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger("scgnn")

GZIP_MAGIC = b"\x1f\x8b"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
UNDEFINED_BYTES = {0x81, 0x8D, 0x8F, 0x90, 0x9D}  # in Windows-1252
N_HEAD_BYTES = 512
MAX_LINE_LENGTH = 2**25  # characters, of the names of 1.7 million 10x barcodes
CORRUPT_FILE_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)


class Contents(NamedTuple):
    """Names in some data.

    Attributes
    ----------
    columns
        Columns of ``obs``; None if they are known only when all is read.
    layers
        ``X``, ``raw`` and the layers.
    """

    columns: Sequence[str] | None = None
    layers: Sequence[str] = (MAIN,)


class Reader(Component, kind="reader"):
    """Base class of readers of count data."""

    def __call__(self) -> AnnData:
        """Return a new AnnData, cells x genes, with the values and types of the source.

        Names are those of the source and can be duplicated;
        :func:`scgnn.data.validation.validate` makes them unique and checks the values.

        Raises
        ------
        InputError
            If the data cannot be read.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__()")

    def read_counts(self, layer: str = AUTO) -> tuple[AnnData, str]:
        """Return the data, and where in them the counts are: ``X``, ``raw`` or a layer.

        Readers of data that are larger than memory may return the counts alone.

        Parameters
        ----------
        layer
            ``X``, ``raw``, the name of a layer, or ``auto``, as ``data.layer`` of a recipe.

        Raises
        ------
        InputError
            If the data cannot be read, are damaged, or have no such layer.
        """
        adata, source = self(), getattr(self, "path", "") or self.name
        check_matrices(adata, source)
        return adata, find_counts(adata, layer, source)

    def peek_shape(self, layer: str = AUTO) -> tuple[int, int, int] | None:
        """Return the number of cells, genes and non-zeros if it is known without reading all."""
        return None

    def peek_counts(self, layer: str = AUTO) -> tuple[str, np.ndarray] | None:
        """Return where the counts are, and some of them, if they are known without reading all.

        Raises
        ------
        InputError
            If the data cannot be read, or have no such layer.
        """
        return None

    def peek_contents(self) -> Contents | None:
        """Return the columns of ``obs`` and the layers if they are known without reading all.

        Raises
        ------
        InputError
            If the data cannot be read.
        """
        return None


def resolve_path(path: str) -> Path:
    """Return an existing, readable folder or regular file with content, else raise InputError."""
    if not path:
        advice = by_interface("use --data FILE", "pass an AnnData, as in scgnn.run(recipe, adata)")
        raise InputError(f"the reader has no path: set data.reader.path, or {advice}")
    resolved = expand_local_path(path)
    try:
        status = resolved.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise InputError(f"{path} does not exist") from None
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}") from error
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        problem = "is a pipe, socket or device, which cannot be read several times"
        raise InputError(f"{path} {problem}: copy its content to a file")
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        raise InputError(f"{path} is an empty file")
    if not os.access(resolved, os.R_OK):
        raise InputError(f"{path} is not readable: check its permissions")
    return resolved


def resolve_file(path: str) -> Path:
    """Return :func:`resolve_path` of a file, else raise InputError."""
    resolved = resolve_path(path)
    if resolved.is_dir():
        raise InputError(f"{path} is a folder, but this reader requires a file")
    return resolved


@contextmanager
def translate_read_errors(path: Path, file_format: str) -> Iterator[None]:
    """Raise InputError for any error in the block, and suppress warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file in UTF-8, so not {file_format}") from error
    except InputError:
        raise
    except Exception as error:  # libraries raise anything on untrusted files
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, CORRUPT_FILE_ERRORS) or "truncated file" in reason:
            reason = "unexpected end or corrupt data; copy it again"
            raise InputError(f"{path} is damaged or incomplete: {reason}") from error
        problem = f"{path} cannot be read as {file_format}: {reason[:200].rstrip('.')}"
        raise InputError(f"{problem}; copy or export it again") from error


def open_maybe_gzip(path: Path) -> IO[bytes]:
    """Open a file for reading bytes, decompressed if its content is gzip."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == GZIP_MAGIC
    return cast(IO[bytes], gzip.open(path, "rb")) if is_gzip else path.open("rb")


def iter_lines(file: IO[bytes], path: Path) -> Iterator[str]:
    """Yield the lines of a text file in UTF-8 or UTF-16, with their ends.

    What is not UTF-8 is decoded as Windows-1252, and logged.

    Raises
    ------
    InputError
        If the file is not text, or a line is longer than any line of a table.
    """
    reader = cast(io.BufferedReader, file)
    head = reader.peek(N_HEAD_BYTES)[:N_HEAD_BYTES]
    check_not_foreign(head, path)
    encoding = "utf-16" if head.startswith(UTF16_MARKS) else "utf-8-sig"
    if b"\0" in head and encoding != "utf-16":
        raise InputError(f"{path} is not a text file: save it as text in UTF-8")
    text = io.TextIOWrapper(reader, encoding=encoding, errors="surrogateescape")
    is_utf8 = True
    while line := text.readline(MAX_LINE_LENGTH + 1):
        if len(line) > MAX_LINE_LENGTH:
            problem = f"has a line of more than {MAX_LINE_LENGTH:,} characters"
            raise InputError(f"{path} {problem}: provide a text table, or another format")
        if not line.isascii() and not is_unicode(line):
            if is_utf8:
                log.warning(f"{path} is not in UTF-8 and is read as Windows-1252 (Latin-1)")
            is_utf8 = False
            line = _decode_windows_1252(line)
        if "\0" in line:
            raise InputError(f"{path} has null characters, so it is not text: export it again")
        yield line


def _decode_windows_1252(line: str) -> str:
    data = line.encode("utf-8", "surrogateescape")
    return data.decode("cp1252") if not UNDEFINED_BYTES & set(data) else data.decode("latin-1")


def select_genes(adata: AnnData, mask: np.ndarray) -> AnnData:
    """Return a copy with the genes of a mask."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicate names are reported by validation
        return adata[:, mask].copy()


def make_anndata(
    counts: Any,
    cells: Sequence[str],
    genes: Sequence[str],
    obs: Mapping[str, Any] | None = None,
    var: Mapping[str, Any] | None = None,
) -> AnnData:
    """Return an AnnData of counts, cells x genes, from the names and annotation of each axis."""
    import pandas as pd
    from anndata import AnnData

    frames = []
    for names, columns in ((cells, obs), (genes, var)):
        index = pd.Index(list(names), dtype=object)
        frames.append(pd.DataFrame(dict(columns or {}), index=index))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        return AnnData(csr_matrix(counts, dtype=np.float32), obs=frames[0], var=frames[1])
